# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fills the disk of a lab to the last byte, in each of the ways in which a btrfs can be full, and makes room again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from tests.on_lab.site import STATE, STORE, Site

_FILL = "/home/fill"
_SIZES = ("1G", "640M")
"""It becomes smaller in steps, as btrfs hands it out in pieces that depend on its size. What is installed fits."""

_ATTRIBUTE = 15 << 10
"""Bytes of an extended attribute, which lies in the metadata: nearly a block of it."""

_STEPS = (64 << 20, 8 << 20, 1 << 20, 128 << 10, 16 << 10, 4 << 10)

_OURS = (STORE, STATE, "/var/cache/tukit-sysext", "/etc/tukit-sysext", "/etc/extensions", "/run/tukit-sysext")
"""Where we write in the running system."""


class Full(Enum):
    """In which way a btrfs is full."""

    DATA = "data"
    """What is larger than some two thousand bytes cannot be written; links and small files can."""

    METADATA = "metadata"
    """Nothing can be made, though there is room for data."""

    QUOTA = "quota"
    """/var, and what else is named, is at its quota; the file system says that there is room."""

    @property
    def says(self) -> str:
        """What the kernel says then."""
        return "Disk quota exceeded" if self is Full.QUOTA else "No space left on device"


class Disk:
    """The disk of a lab."""

    def __init__(self, site: Site) -> None:
        """Make it small, so that filling it takes a moment."""
        self.site = site
        self._limited: list[str] = []
        for size in _SIZES:
            self._run("filesystem", "resize", size, "/var")
            # gives the metadata room of their own, that the data cannot take
            self._run("balance", "start", "-m", "-f", "/var")

    @contextmanager
    def full(self, kind: Full, *also: str) -> Iterator[None]:
        """The disk is full meanwhile; by QUOTA, that are /var and the subvolumes ``also``."""
        self.fill(kind, *also)
        try:
            yield
        finally:
            self.make_room()

    def fill(self, kind: Full, *also: str) -> None:
        """Leave no room."""
        if kind is Full.QUOTA:
            self._limit("/var", *also)
            return
        folder = self.site.lab.path(_FILL)
        folder.mkdir()
        if kind is Full.DATA:
            _allocate(folder / "data")
        else:
            _fill_metadata(folder)

    def make_room(self) -> None:
        """All the room that there was."""
        if self._limited:
            self._run("quota", "disable", "/var")
            self._limited.clear()
            return
        self.site.lab.run(["rm", "-rf", _FILL])
        self._run("filesystem", "sync", "/var")

    def _limit(self, *paths: str) -> None:
        self._run("filesystem", "sync", "/var")
        self._run("quota", "enable", "/var")
        self._run("quota", "rescan", "-w", "/var")
        for path in paths:
            used = self.site.lab.run(["btrfs", "qgroup", "show", "--raw", "-f", path]).stdout.split()[-2]
            self._run("qgroup", "limit", used, path)
            self._limited.append(path)

    def _run(self, *words: str) -> None:
        self.site.lab.run(["btrfs", *words])


def _allocate(path: Path) -> None:
    with open(path, "wb") as file:
        end = 0
        for step in _STEPS:
            while True:
                try:
                    os.posix_fallocate(file.fileno(), end, step)
                except OSError:
                    break
                end += step


def _fill_metadata(folder: Path) -> None:
    number = 0
    content = os.urandom(_ATTRIBUTE)
    while True:
        try:
            descriptor = os.open(folder / str(number), os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError:
            return
        try:
            os.setxattr(descriptor, "user.fill", content)
        except OSError:
            content = content[: len(content) // 2]
            if not content:
                return
        finally:
            os.close(descriptor)
        number += 1


def contents(site: Site) -> dict[str, str]:
    """What the store and /etc hold for us: links, and the hashes of files, by path."""
    found: dict[str, str] = {}
    for place in (STORE, f"{STATE}/images", f"{STATE}/seen", "/etc/extensions", "/etc/tukit-sysext"):
        root = site.lab.path(place)
        for path in sorted(root.rglob("*")) if root.is_dir() else ():
            name = f"{place}/{path.relative_to(root)}"
            if path.is_symlink():
                found[name] = f"-> {os.readlink(path)}"
            elif path.is_file():
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def leavings(site: Site, *trees: int) -> list[str]:
    """Files of a passing kind that are still there, in the running system and in these snapshots."""
    roots = [site.lab.path(place) for place in _OURS]
    roots += [site.lab.snapshot(number) / "etc" for number in trees]
    return [
        str(path)
        for root in roots
        if root.is_dir()
        for path in root.rglob("*")
        if path.name.startswith((".tukit-sysext.", "inspect-")) or path.name.endswith("-journal")
    ]
