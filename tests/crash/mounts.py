# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mounts and loop devices of the crash matrix, all of them in a mount namespace that ends with it."""

from __future__ import annotations

import ctypes
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.lab import disk

_MS_RDONLY, _MS_REMOUNT, _MS_BIND = 1, 32, 4096
_BTRFS_FORGET = 0x50009405
"""BTRFS_IOC_FORGET_DEV of <linux/btrfs.h>."""
_VOLUME_ARGUMENTS = 4096

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path, kind: str | None = None, flags: int = 0, data: str = "") -> None:
    """mount(2). Raises OSError."""
    encoded = kind.encode() if kind is not None else None
    done = _libc.mount(source.encode(), os.fsencode(target), encoded, ctypes.c_ulong(flags), data.encode())
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mounting {source}: {os.strerror(number)}", str(target))


def bind(source: Path, target: Path, *, read_only: bool = False) -> None:
    """Show a folder in another place."""
    mount(str(source), target, flags=_MS_BIND)
    if read_only:
        mount("none", target, flags=_MS_BIND | _MS_REMOUNT | _MS_RDONLY)


def unmount(target: Path) -> None:
    """umount(2), to its end: what was mounted is free then. Raises OSError."""
    if _libc.umount2(os.fsencode(target), 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unmounting: {os.strerror(number)}", str(target))


def attached(image: Path) -> tuple[str, int]:
    """A file as a block device: its path, and a descriptor that keeps it as long as nothing else does."""
    descriptor = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    try:
        return disk.attach_loop(descriptor, f"tukit-crash-{os.getpid()}")
    finally:
        os.close(descriptor)


@contextmanager
def device(image: Path) -> Iterator[str]:
    """A file with a btrfs as a block device."""
    path, keeper = attached(image)
    try:
        yield path
        _forget(path)
    finally:
        os.close(keeper)


def _forget(path: str) -> None:
    """The kernel remembers what was mounted, and would refuse an older state of it that has the same identity."""
    control = os.open("/dev/btrfs-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        # mutable, as Python takes no longer ones else
        arguments = bytearray((bytes(8) + path.encode()).ljust(_VOLUME_ARGUMENTS, b"\0"))
        fcntl.ioctl(control, _BTRFS_FORGET, arguments)
    finally:
        os.close(control)


@contextmanager
def mounted(*what: tuple[str, Path, str | None, str]) -> Iterator[None]:
    """Mount several (source, target, type, data), one upon the other, and unmount them in the end.

    Without a type it is a bind mount, read-only where its data say ``ro``.
    """
    with ExitStack() as stack:
        for source, target, kind, data in what:
            if kind is None:
                bind(Path(source), target, read_only=data == "ro")
            else:
                mount(source, target, kind, data=data)
            stack.callback(unmount, target)
        yield


def copy(source: Path, target: Path) -> None:
    """Copy a sparse file, holes remaining holes."""
    target.unlink(missing_ok=True)
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        disk.copy_sparse(source, descriptor)
    finally:
        os.close(descriptor)
