# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the ledger's rows are to the rest of the program, and what a snapshot on the disk is as such a row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from tukit_sysext.snapshots.entries import FolderEntries
from tukit_sysext.snapshots.snapshot import Snapshot, SnapshotKey

if TYPE_CHECKING:
    from tukit_sysext.rules.release import ReleaseData

_RELEASE_KEYS = ("ID", "VERSION_ID", "SYSEXT_LEVEL", "PRETTY_NAME", "VARIANT_ID", "IMAGE_VERSION", "BUILD_ID")


class LedgerSnapshot(NamedTuple):
    """A snapshot as the ledger remembers it.

    ``gone`` is the time (UTC, RFC 3339) at which it was missing first, None while it exists. ``images`` are pairs of a
    link's name and a file of the store, ``release`` the keys of its os-release that tell it from others, ``created`` as
    snapper has it.
    """

    number: int
    uuid: str
    state: str
    read_only: bool
    gone: str | None
    images: tuple[tuple[str, str], ...]
    parent_uuid: str | None = None
    created: str = ""
    release: Mapping[str, str] = MappingProxyType({})

    @property
    def key(self) -> SnapshotKey:
        """What identifies it."""
        return self.number, self.uuid


class LedgerImage(NamedTuple):
    """An image file as the ledger remembers it.

    ``first_seen`` and ``gone`` (None while it is there) are times (UTC, RFC 3339). ``unreferenced_since`` (seconds
    since the epoch, None while something needs it) and ``unreferenced_runs`` are the collection's. Of a file without a
    record no more than its name is known: ``sha256`` is empty then.
    """

    file: str
    name: str
    version: str
    sha256: str
    size: int | None
    source: str
    first_seen: str
    gone: str | None
    unreferenced_since: int | None
    unreferenced_runs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerEvent:
    """An event: when (UTC, RFC 3339), what, to which snapshot and image, and the details.

    ``uuid`` tells snapshots of one number apart, where it is known. ``uid`` is the user whose login did it; None for
    what no person did, and to who is not root. ``fetched`` and ``reused`` are a record's: the bytes that came for the
    image, and those that were here; None where none came.
    """

    time: str
    kind: str
    snapshot: int | None
    image: str | None
    detail: str
    uuid: str | None = None
    uid: int | None = None
    fetched: int | None = None
    reused: int | None = None


def clean(text: str) -> str:
    """Text that SQLite takes: names on a disk need not be UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def images_of(content: FolderEntries) -> tuple[tuple[str, str], ...]:
    """The links into the store as the ledger has them, sorted; a link's name stands once."""
    others = ((entry.name, entry.image) for entry in content.others if entry.image is not None)
    images = {clean(name): clean(image) for name, image in (*content.images.items(), *others)}
    return tuple(sorted(images.items()))


def state_of(snapshot: Snapshot) -> str:
    """``open``, ``closed``, or ``unknown`` where its links could not be read."""
    if snapshot.open:
        return "open"
    return "unknown" if snapshot.content is None else "closed"


def key_of(snapshot: Snapshot) -> str:
    """What identifies a snapshot, as one text: its number and its UUID."""
    return f"{snapshot.number} {snapshot.subvolume.uuid}"


def release_of(release: ReleaseData | None) -> Mapping[str, str]:
    """The keys of an os-release that the ledger remembers."""
    return {key: clean(release[key]) for key in _RELEASE_KEYS if key in release} if release is not None else {}


def release_from(text: str | None) -> Mapping[str, str]:
    """The reverse, from the ledger's JSON; empty for one that is not as we write it."""
    try:
        document = json.loads(text or "{}")
        return {str(key): str(value) for key, value in document.items()}
    except (ValueError, AttributeError, RecursionError):
        return {}
