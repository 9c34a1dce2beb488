# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plain trees for unit tests."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tukit_sysext.layout import Layout
from tukit_sysext.machine import Machine
from tukit_sysext.system.subvolume import PlainSubvolumes, Subvolume

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

OS_RELEASE = "ID=opensuse-microos\nVERSION_ID=20261101\nSYSEXT_LEVEL=glibc-2.42\n"


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link with this text."""

    text: str


Content = str | bytes | Link | None
"""What stands at a path: a file's content, a link, or (None) an empty directory."""


def make_tree(root: Path, entries: Mapping[str, Content]) -> Path:
    """Make files, links and directories below ``root``, with the folders that they need."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in entries.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match content:
            case None:
                path.mkdir(exist_ok=True)
            case Link():
                path.symlink_to(content.text)
            case str():
                path.write_text(content)
            case bytes():
                path.write_bytes(content)
    return root


def listing(root: Path) -> dict[str, Content]:
    """The reverse of make_tree: everything below ``root``."""
    found: dict[str, Content] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = Link(os.readlink(path))
        elif path.is_dir():
            found[name] = None
        else:
            found[name] = path.read_bytes()
    return found


class PlainMachine:
    """A machine below a plain folder, with snapshots that PlainSubvolumes play."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.subvolumes = PlainSubvolumes(root)
        self.running = self.subvolumes.create(root)
        self.subvolumes.set_default(self.running.identifier)
        self.layout = Layout(root=root)
        self.machine = Machine(layout=self.layout, subvolumes=self.subvolumes)
        make_tree(root, {"etc/os-release": OS_RELEASE, "sys/block": None, "proc/self/mountinfo": ""})
        self.subvolumes.create(root / ".snapshots")

    def snapshot(
        self,
        number: int,
        entries: Mapping[str, Content] | None = None,
        *,
        info: str | None = "",
        read_only: bool = False,
    ) -> Subvolume:
        """Make a snapshot with os-release, ``entries`` and an info.xml (None: without)."""
        folder = self.layout.snapshots / str(number)
        made = self.subvolumes.create(folder / "snapshot", read_only=read_only)
        content = {"etc/os-release": OS_RELEASE} if entries is None else entries
        make_tree(folder / "snapshot", content)
        if info is not None:
            (folder / "info.xml").write_text(info or snapper_info(number))
        return made

    def snapshot_folder(self, number: int, info: str) -> Path:
        """A number with an info.xml and no tree."""
        folder = self.layout.snapshots / str(number)
        make_tree(folder, {"info.xml": info})
        return folder

    def tree(self, number: int) -> Path:
        """Root of a snapshot."""
        return self.layout.snapshots / str(number) / "snapshot"


def snapper_info(number: int, *, in_progress: bool = False) -> str:
    """What snapper writes for a snapshot."""
    userdata = (
        "<userdata><key>transactional-update-in-progress</key><value>yes</value></userdata>" if in_progress else ""
    )
    return (
        f'<?xml version="1.0"?>\n<snapshot><type>single</type><num>{number}</num><date>2026-11-01 10:00:00</date>'
        f"<description>Snapshot Update of #1</description>{userdata}</snapshot>\n"
    )


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Run with another umask."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
