# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is published: images, their descriptions, and lists, of which some are to be believed and most are not."""

from __future__ import annotations

import atexit
import gzip
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from random import Random

from tests.lab.chunks import index_in_pieces
from tests.lab.images import SHA256_OF_NOTHING
from tests.lab.signing import Digest, SigningKey
from tukit_sysext.formats import oci
from tukit_sysext.formats.oci import Descriptor, Manifest
from tukit_sysext.formats.oci_names import LIST_REPOSITORY, LIST_TAG, repository_of
from tukit_sysext.system.system_release import machine_architecture

OLD_LEVEL, NEW_LEVEL = "glibc-2.42", "glibc-2.43"
NAMES = ("gdb", "strace")
_MAGIC = "extension image"
_END = b"\nwhole\n"
_SIZES = {"gdb": 30_000, "strace": 250_000}
_CHUNK = 1000
_OWN = 3000
"""Bytes at the beginning, and at the end, that are those of one version alone."""
WITHDRAWN, FORGED = "2.5", "66"
"""Versions that an old list alone has, and that only lists have which nobody must believe."""


def sha256(content: bytes) -> str:
    """In hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def file_of(name: str, version: str) -> str:
    """The name of an image's file."""
    return f"{name}-{version}.{machine_architecture()}.raw"


def image(name: str, version: str, level: str, *, built: str = "") -> bytes:
    """The content of an image: what stands in for a file system says what it is in its first line.

    Versions have everything in common but its beginning and its end.
    """
    same = Random(name).randbytes(_SIZES[name] - 2 * _OWN)
    own = Random(f"{name} {version}{built}")
    noise = own.randbytes(_OWN) + same + own.randbytes(_OWN)
    noise = DEADLY + noise if version == KILLER else noise
    return f"{_MAGIC}\n{name}\n{level}\n".encode() + noise + _END


def index(content: bytes) -> bytes:
    """The index of a content's chunks."""
    return index_in_pieces(content, _CHUNK)


def says(content: bytes) -> tuple[str, str] | None:
    """Name and level of an image's content; None where it is none."""
    lines = content[:200].split(b"\n")
    if len(lines) < 4 or lines[0] != _MAGIC.encode() or not content.endswith(_END):
        return None
    return lines[1].decode(), lines[2].decode()


BELIEVED = (
    "good", "newer", "newer, armoured", "descriptions not listed", "replayed", "of nothing", "of which dissect dies",
    "rebuilt", "among lines of others", "indexes that lie",
)  # fmt: skip
"""Lists of the publisher, that are to be believed as long as no newer one was seen."""
REFUSED = (
    "unsigned", "of another key", "of another list", "empty signature", "garbage as signature", "text mode",
    "weak hash", "from the future", "stale", "a name of two hashes", "a bad hash", "too large",
    "garbage", "an error page", "of which gpgv dies",
)  # fmt: skip
"""Lists of which nothing must be believed; nearly all offer forged images."""

DEADLY = b"deadly"
"""What a signature has of which the victim's gpgv dies, and an image of which its systemd-dissect does."""

KILLER, FOREIGN = "4", "9999"
"""Versions: of which systemd-dissect dies, and of a weaker source that has another key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """A list and its signature. ``made`` is when a list that may be believed was signed; None for the others.

    ``files`` are those that are published with it in the place of others of the same name.
    """

    content: bytes
    signature: bytes | None
    made: datetime | None = None
    suffix: str = ".gpg"
    files: Mapping[str, bytes] = field(default_factory=dict)


def _old_key(name: str) -> SigningKey:
    """A key that could sign a year ago."""
    folder = Path(tempfile.mkdtemp(prefix="evil-key-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return SigningKey.make(folder, name=name, created=datetime.now(UTC) - timedelta(days=365))


@dataclass(frozen=True)
class World:
    """Everything that is ever published, made once."""

    key: SigningKey = field(default_factory=lambda: _old_key("Lab <lab@localhost>"))
    other_key: SigningKey = field(default_factory=lambda: _old_key("Somebody else <else@localhost>"))
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """Images and descriptions by the names of their files."""
        found: dict[str, bytes] = {}
        for name in NAMES:
            for version in ("1", "2", WITHDRAWN, "3", KILLER, FORGED, FOREIGN):
                level = OLD_LEVEL if version == "1" else NEW_LEVEL
                file_name = file_of(name, version)
                found[file_name] = image(name, version, level)
                found[f"{file_name}.caibx"] = index(found[file_name])
                document = {"manifest_version": 1, "config": {"name": name, "version": version}}
                keys = {"ID": "opensuse-microos", "SYSEXT_LEVEL": level}
                plain = json.dumps({**document, "extension": keys}).encode()
                found[f"{file_name.removesuffix('.raw')}.manifest.gz"] = gzip.compress(plain, mtime=0)
        return found

    @cached_property
    def rebuilt(self) -> Mapping[str, bytes]:
        """Images that were built anew under their old names: they fit, and have another content."""
        return {file_of(name, "2"): image(name, "2", NEW_LEVEL, built=" again") for name in NAMES}

    @cached_property
    def lies(self) -> Mapping[str, bytes]:
        """Indexes that say other things of images than what is in them."""
        random = Random("lies")

        def other_chunks(content: bytes) -> bytes:
            wrong = bytearray(content)
            for offset in range(64 + 8, len(wrong) - 40, 120):
                wrong[offset : offset + 32] = random.randbytes(32)
            return bytes(wrong)

        gdb, strace = file_of("gdb", "2"), file_of("strace", "2")
        return {
            f"{gdb}.caibx": other_chunks(index(self.files[gdb])),
            f"{file_of('gdb', '1')}.caibx": index(self.files[gdb]),
            f"{strace}.caibx": index(self.files[strace] + self.files[gdb]),
        }

    @staticmethod
    def denial(file_name: str) -> bytes:
        """A description that says no: of this image, for a system that nobody has."""
        name, _, rest = file_name.partition("-")
        version = rest.partition(f".{machine_architecture().split('-')[0]}")[0]
        keys = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-9"}
        document = {"manifest_version": 1, "config": {"name": name, "version": version}, "extension": keys}
        return gzip.compress(json.dumps(document).encode(), mtime=0)

    def _list(self, *versions: str, described: bool = True, instead: Mapping[str, bytes] | None = None) -> bytes:
        lines = []
        for name, content in sorted({**self.files, **(instead or {})}.items()):
            version = name.split("-")[1].partition(f".{machine_architecture().split('-')[0]}")[0]
            if version in versions and (described or name.endswith((".raw", ".caibx"))):
                lines.append(f"{sha256(content)}  {name}\n")
        return "".join(lines).encode()

    def _signed(self, content: bytes, age: timedelta, *, believed: bool = True, armoured: bool = False) -> Listing:
        made = self.now - age
        return Listing(
            content=content,
            signature=self.key.sign(content, time=made, armoured=armoured),
            made=made if believed else None,
            suffix=".asc" if armoured else ".gpg",
        )

    def _lines_of_others(self) -> bytes:
        """What leads elsewhere, or is no file of ours: the image of a forged version, under names that lead to it."""
        one = next(line for line in self._list(FORGED).splitlines() if line.endswith(b".raw"))
        names = (
            b"../../../../etc/extensions/x.raw",
            b"/etc/passwd",
            b"sub/" + one[66:],
            b"a b.raw",
            b".x.raw",
            b"-x.raw",
        )
        return b"".join(one[:66] + name + b"\r\n" for name in names) + b"# " + one + b"\nMD5 (x) = 0"

    @cached_property
    def believed(self) -> Mapping[str, Listing]:
        """Those of BELIEVED."""
        hour = timedelta(hours=1)
        return {
            "good": self._signed(self._list("1", "2"), 2 * hour),
            "newer": self._signed(self._list("1", "2", "3"), hour),
            "newer, armoured": self._signed(self._list("1", "2", "3"), hour, armoured=True),
            "descriptions not listed": self._signed(self._list("1", "2", described=False), 2 * hour),
            "replayed": self._signed(self._list("1", "2", WITHDRAWN), 90 * 24 * hour),
            "of nothing": self._signed(b"", hour),
            "of which dissect dies": self._signed(self._list("1", "2", "3", KILLER), 1.5 * hour),
            "among lines of others": self._signed(
                b"\xef\xbb\xbf" + self._list("1", "2").replace(b"\n", b"\r\n") + self._lines_of_others(), 1.5 * hour
            ),
            "rebuilt": replace(
                self._signed(self._list("1", "2", instead=self.rebuilt), 1.5 * hour), files=self.rebuilt
            ),
            "indexes that lie": replace(
                self._signed(self._list("1", "2", instead=self.lies), 1.5 * hour), files=self.lies
            ),
        }

    @cached_property
    def foreign(self) -> Listing:
        """What the weaker source lists, which has its own key and does nothing wrong but to be there."""
        content = self._list(FOREIGN)
        return Listing(content=content, signature=self.other_key.sign(content, time=self.now - timedelta(hours=1)))

    @cached_property
    def refused(self) -> Mapping[str, Listing]:
        """Those of REFUSED."""
        forged, good = self._list("1", "2", FORGED), self._list("1", "2")
        hour, lines = timedelta(hours=1), forged.split(b"\n")

        def by_us(content: bytes, digest: Digest = "SHA512") -> Listing:
            return Listing(content=content, signature=self.key.sign(content, digest=digest))

        stale = f"{SHA256_OF_NOTHING}  BEST-BEFORE-2020-01-01\n".encode()
        return {
            "unsigned": Listing(content=forged, signature=None),
            "of another key": Listing(content=forged, signature=self.other_key.sign(forged)),
            "of another list": Listing(content=forged, signature=self.key.sign(good)),
            "empty signature": Listing(content=forged, signature=b""),
            "garbage as signature": Listing(content=forged, signature=b"\x88\x75\x04\x00garbage" * 20),
            "text mode": Listing(content=forged, signature=self.key.sign(forged, text_mode=True)),
            "weak hash": by_us(forged, "SHA1"),
            "from the future": self._signed(forged, -24 * 30 * hour, believed=False),
            "stale": by_us(forged + stale),
            "a name of two hashes": by_us(forged + bytes(reversed(lines[0][:64])) + lines[0][64:] + b"\n"),
            "a bad hash": by_us(forged + lines[0][1:64] + b"  x.raw\n"),
            "too large": by_us(forged + b"".join(b"%064x  pad-%d.raw\n" % (n, n) for n in range(15_000))),
            "garbage": by_us(bytes(range(256)) * 8),
            "an error page": by_us(b"<html>404 Not Found</html>\n"),
            "of which gpgv dies": Listing(content=forged, signature=b"\x88\x75\x04\x00" + DEADLY),
        }

    def list_of(self, name: str) -> Listing:
        """A list by its name."""
        return self.believed[name] if name in self.believed else self.refused[name]

    def publish(self, folder: Path, listing: Listing, *, registry: bool = False) -> None:
        """Make a folder that a server serves: all files, and this list; with ``registry`` by the paths of its API."""
        folder.mkdir()
        if registry:
            (folder / PROJECT).mkdir(parents=True)
        for name, content in self.files.items():
            _put(self.place(folder, name), content)
        self.publish_list(folder, listing)

    def place(self, folder: Path, name: str) -> Path:
        """Where a published file is in such a folder."""
        return _place(folder, name, self.files[name])

    @staticmethod
    def publish_list(folder: Path, listing: Listing) -> None:
        """Put another list into a folder."""
        for name, content in listing.files.items():
            _put(_place(folder, name, content), content)
        signature = {f"SHA256SUMS{listing.suffix}": listing.signature} if listing.signature is not None else {}
        lists = {"SHA256SUMS": listing.content, **signature}
        if is_registry(folder):
            layers = [Descriptor.of(oci.PLAIN_LAYER, content, title=name) for name, content in lists.items()]
            manifest = Manifest(config=Descriptor.of(oci.EMPTY_CONFIG, oci.EMPTY), layers=tuple(layers))
            for content in lists.values():
                _put(folder / PROJECT / LIST_REPOSITORY / f"blobs/sha256:{sha256(content)}", content)
            _put(folder / PROJECT / LIST_MANIFEST, oci.compose_manifest(manifest))
            return
        for path in folder.glob("SHA256SUMS*"):
            path.unlink()
        for name, content in lists.items():
            (folder / name).write_bytes(content)


PROJECT = "v2/images"
"""What a registry has is below this path."""
LIST_MANIFEST = f"{LIST_REPOSITORY}/manifests/{LIST_TAG}"
"""Where it has the manifest of the list."""


def is_registry(folder: Path) -> bool:
    """Whether a folder is served as a registry is."""
    return (folder / PROJECT).is_dir()


def _place(folder: Path, name: str, content: bytes) -> Path:
    if not is_registry(folder):
        return folder / name
    image = name.removesuffix(".caibx").removesuffix(".manifest.gz").removesuffix(".raw") + ".raw"
    return folder / PROJECT / repository_of(image) / f"blobs/sha256:{sha256(content)}"


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
