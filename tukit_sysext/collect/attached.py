# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images that are in use right now, linked or not: behind loop devices (loop(4)), mounted as files, bound elsewhere.

A file is recognised by device and inode where they are known: another machine's store, or a user's folder, may have
a file of the same name. Else by its name.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress

from tukit_sysext.collect.mounts import PATIENCE, mounts
from tukit_sysext.layout import Layout
from tukit_sysext.system.time_limit import NoAnswer, answered

_LOOP_GET_STATUS64 = 0x4C05
_STATUS_SIZE = 232
_DEVICE_AND_INODE = struct.Struct("=QQ")
_DELETED = " (deleted)"

_Identity = tuple[int, int]


def in_use(layout: Layout) -> Iterator[tuple[str, str]]:
    """File names of the store that are in use, each with how. Raises OSError."""
    stored = _stored(layout)
    for device in sorted(os.listdir(layout.root / "sys/block")):
        name = _behind(layout, device, stored)
        if name is not None:
            yield name, f"mounted (/dev/{device})"
    for mount in mounts(layout):
        if mount.source.startswith("/") and not mount.source.startswith("/dev/"):
            name = _by_path(layout, mount.source, stored, called=mount.source)
            if name is not None:
                yield name, "mounted"
        # elsewhere a mount point may be a dead server's
        if os.path.basename(mount.root) in stored.values():
            name = _by_path(layout, mount.point, stored, called=mount.root)
            if name is not None:
                yield name, f"bound to {mount.point}"


def _stored(layout: Layout) -> Mapping[_Identity, str]:
    stored: dict[_Identity, str] = {}
    try:
        with os.scandir(layout.store) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # it went meanwhile
                    stored[_identity(entry.stat(follow_symlinks=False))] = entry.name
    except (FileNotFoundError, NotADirectoryError):
        pass  # there is no store
    return stored


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino


def _behind(layout: Layout, device: str, stored: Mapping[_Identity, str]) -> str | None:
    """The file of the store behind a loop device; None for another device or file."""
    try:
        with open(layout.root / "sys/block" / device / "loop/backing_file", "rb") as file:
            path = os.fsdecode(file.read()).rstrip("\n")
    except OSError:
        return None  # no loop device, or one without a file
    try:
        descriptor = os.open(layout.root / "dev" / device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = fcntl.ioctl(descriptor, _LOOP_GET_STATUS64, bytes(_STATUS_SIZE))
        finally:
            os.close(descriptor)
    except OSError:
        return _by_path(layout, path, stored, called=path.removesuffix(_DELETED))
    return stored.get(_DEVICE_AND_INODE.unpack_from(status))


def _by_path(layout: Layout, path: str, stored: Mapping[_Identity, str], *, called: str) -> str | None:
    """The file of the store that is at a path; where there is none, the last part of its path."""
    try:
        where = layout.root / path.lstrip("/")
        return stored.get(_identity(answered(lambda: os.stat(where), PATIENCE)))
    except (OSError, ValueError, NoAnswer):  # gone, hidden, no path at all, or a dead server's
        return os.path.basename(called)
