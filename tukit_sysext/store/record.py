# SPDX-License-Identifier: LGPL-2.1-or-later
"""The record of one image of the store: where it came from, and by what it is known to be whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tukit_sysext.rules.names import check_component
from tukit_sysext.system.durable import make_directory, sweep, sync_directory, write_file
from tukit_sysext.system.small_file import read_small

if TYPE_CHECKING:
    from tukit_sysext.requirements.contents import Contents, ImageFolder

_LIMIT = 1024 * 1024
INDEX_ENDING = ".caibx"
INDEX_LIMIT = 5_242_984
"""As those of formats/caibx, which is loaded where an index is read alone."""
_LARGEST = 1 << 63
_END_OF_TIME = 10**11
"""In seconds: the year 5138, behind which strftime(3) gives up sooner or later."""


def seconds_of(text: str) -> int | None:
    """A time as it stands in records and ledger (UTC, RFC 3339) as seconds since the epoch; None where it is none."""
    try:
        time = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return None
    return int(time.timestamp()) if time.isoformat() == text.removesuffix("Z") + "+00:00" else None


def plausible_time(value: object) -> int:
    """Seconds since the epoch out of a file that may be damaged. Raises ValueError for what no calendar has."""
    seconds = int(str(value))
    if not 0 <= seconds < _END_OF_TIME:
        raise ValueError(f"expected seconds since the epoch, found {seconds}")
    return seconds


class RecordUnreadable(Exception):
    """The record is there but is not one: its image is of unknown origin then (threat L10)."""


class Identity(NamedTuple):
    """What stat(2) says of a file whose hash was right: bytes, inode number, and change time in nanoseconds."""

    size: int
    inode: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        """The identity of a file from its status."""
        return cls(size=status.st_size, inode=status.st_ino, ctime_ns=status.st_ctime_ns)


class PackedFile(NamedTuple):
    """A packed image as it was published: its file's name, and the hash of that file."""

    file_name: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What is known of one image file.

    ``name`` and ``version`` (UAPI.10) say which image it is, ``merge_name`` is the name under which systemd-sysext
    accepts it, ``release`` the keys of its extension-release. ``sha256`` in lower-case hexadecimal digits, ``size`` in
    bytes, ``url`` where the source says that it is (its strongest mirror), ``time`` when it was published here (UTC,
    RFC 3339), ``fetched`` how many bytes came for it, and ``reused`` how many of its own were taken of other versions
    (None: a former version of this program does not say). ``packed`` is what was published, where that was packed
    (None: it was not). ``identity`` is None until the file stands under its name. ``contents`` is what it has and
    needs, None where nobody looked through it, and ``other`` keeps what a newer version wrote.
    """

    file_name: str
    name: str
    version: str
    sha256: str
    size: int
    source: str
    url: str
    signer: str | None
    time: str
    merge_name: str
    release: Mapping[str, str]
    fetched: int | None = None
    reused: int | None = None
    packed: PackedFile | None = None
    identity: Identity | None = None
    contents: Contents | None = None
    other: Mapping[str, Any] = field(default_factory=dict)

    @property
    def listed_sha256(self) -> str:
        """The hash that the list of its source had."""
        return self.packed.sha256 if self.packed is not None else self.sha256

    @property
    def files(self) -> ImageFolder | None:
        """What is in the image; None where not known."""
        return self.contents.files if self.contents is not None else None

    def has(self, sha256: str) -> bool:
        """Whether that is the hash of the image, packed or not."""
        return sha256 in (self.sha256, self.listed_sha256)

    def sealed(self, status: os.stat_result) -> Record:
        """The same record with the identity of the published file."""
        return replace(self, identity=Identity.of(status))


_COUNTS = ("fetched", "reused")
_STRINGS = ("name", "version", "sha256", "source", "url", "time", "merge_name")


def encode(record: Record) -> bytes:
    """The record as JSON."""
    document: dict[str, Any] = {
        **record.other,
        **{key: getattr(record, key) for key in _STRINGS},
        "file": record.file_name,
        "size": record.size,
        "signer": record.signer,
        "extension_release": dict(record.release),
    }
    document |= {key: getattr(record, key) for key in _COUNTS if getattr(record, key) is not None}
    if record.packed is not None:
        document["packed"] = {"file": record.packed.file_name, "sha256": record.packed.sha256}
    if record.identity is not None:
        identity = record.identity
        document["identity"] = {"size": identity.size, "inode": identity.inode, "ctime_ns": identity.ctime_ns}
    if record.contents is not None:
        document["contents"] = record.contents.document()
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def decode(content: bytes, *, file_name: str, contents: bool = True) -> Record:
    """Read a record, without the contents of the image where they are not asked for.

    Raises RecordUnreadable when it is not the record of ``file_name``.
    """
    try:
        document = json.loads(content)
        strings = {key: document.pop(key) for key in _STRINGS}
        if not all(isinstance(text, str) for text in strings.values()):
            raise TypeError("a string is expected")
        release = {str(key): str(text) for key, text in document.pop("extension_release").items()}
        known = document.pop("identity", None)
        identity = None
        if known is not None:
            identity = Identity(**{key: int(known[key]) for key in ("size", "inode", "ctime_ns")})
        packed = document.pop("packed", None)
        if packed is not None:
            packed = PackedFile(file_name=check_component(packed["file"]), sha256=check_component(packed["sha256"]))
        if document.pop("file") != file_name:
            raise ValueError("it names another file")
        kept = document.pop("contents", None)
        signer = document.pop("signer", None)
        size = _count(document.pop("size"))
        fetched, reused = (_count(document.pop(key)) if key in document else None for key in _COUNTS)
        for text in (*strings.values(), *release, *release.values(), signer or ""):
            text.encode()  # JSON may have halves of characters, which nothing else takes
        check_component(strings["merge_name"])
        return Record(
            file_name=file_name,
            size=size,
            signer=None if signer is None else str(signer),
            release=release,
            packed=packed,
            identity=identity,
            contents=_contents(kept) if contents and kept is not None else None,
            other=document,
            fetched=fetched,
            reused=reused,
            **strings,
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise RecordUnreadable(f"record of {file_name}: {error}") from error


def _contents(kept: object) -> Contents | None:
    from tukit_sysext.requirements.contents import Contents  # 4 ms, which a collection does without

    return Contents.of(kept)


def _count(value: object) -> int:
    size = int(str(value))
    if not 0 <= size < _LARGEST:
        raise ValueError(f"a size of {size} bytes")
    return size


class Records:
    """The folder of records, one file ``IMAGE_FILE.json`` each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, file_name: str) -> Path:
        return self._folder / f"{check_component(file_name)}.json"

    def read(self, file_name: str, *, contents: bool = True) -> Record | None:
        """The record of an image file, as decode() reads it; None where there is none. Raises RecordUnreadable."""
        try:
            content = read_small(self._path(file_name), limit=_LIMIT)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RecordUnreadable(f"record of {file_name}: {error.strerror}") from error
        return decode(content, file_name=file_name, contents=contents)

    def write(self, record: Record) -> None:
        """Put a record in its place, durably. Raises OSError."""
        make_directory(self._folder)
        write_file(self._path(record.file_name), encode(record))

    def read_index(self, file_name: str) -> bytes | None:
        """The index of the chunks of an image (caibx), which need not be trusted; None where there is none."""
        try:
            return read_small(self._index_path(file_name), limit=INDEX_LIMIT)
        except OSError:
            return None

    def write_index(self, file_name: str, content: bytes) -> None:
        """Keep the index of the chunks of an image beside its record. Raises OSError."""
        make_directory(self._folder)
        write_file(self._index_path(file_name), content)

    def _index_path(self, file_name: str) -> Path:
        return self._folder / f"{check_component(file_name)}{INDEX_ENDING}"

    def remove(self, file_name: str) -> None:
        """Take a record away, durably, and the index before it. Raises OSError."""
        self._index_path(file_name).unlink(missing_ok=True)
        try:
            self._path(file_name).unlink()
        except FileNotFoundError:
            return  # or there is no folder of records at all
        sync_directory(self._folder)

    def sweep(self, before: int) -> None:
        """Take away what processes that were killed left here before a time (seconds). Raises OSError.

        So may an older version of this program have left an index of an image that it removed.
        """
        sweep(self._folder, before)
        recorded = set(self.names())
        for name in self._entries():
            path = self._folder / name
            if (
                name.endswith(INDEX_ENDING)
                and name.removesuffix(INDEX_ENDING) not in recorded
                and path.lstat().st_mtime < before
            ):
                path.unlink(missing_ok=True)

    def names(self) -> list[str]:
        """The image files that have a record, sorted."""
        return sorted(
            name.removesuffix(".json")
            for name in self._entries()
            if name.endswith(".json") and not name.startswith(".")
        )

    def _entries(self) -> Sequence[str]:
        try:
            return os.listdir(self._folder)
        except FileNotFoundError:
            return []
