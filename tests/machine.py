# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine in a plain folder: what most tests run on."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.trees import Content, make_tree
from tukit_sysext.layout import Layout
from tukit_sysext.machine import Machine
from tukit_sysext.system.subvolume import Subvolume

OS_RELEASE = "ID=opensuse-microos\nVERSION_ID=20261101\nSYSEXT_LEVEL=glibc-2.42\n"


class PlainSubvolumes:
    """Directories that play subvolumes in unit tests: each has a file ``.subvolume`` with what btrfs would know.

    ``root`` is the top of the tree; its file ``.default-subvolume`` has the identifier of the default one.
    """

    FILE = ".subvolume"
    DEFAULT = ".default-subvolume"

    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, path: Path, *, parent: Subvolume | None = None, read_only: bool = False) -> Subvolume:
        """Make ``path`` a subvolume."""
        path.mkdir(parents=True, exist_ok=True)
        number = self._root / ".next-subvolume"
        identifier = int(number.read_text()) if number.exists() else 256
        number.write_text(str(identifier + 1))
        made = Subvolume(
            identifier=identifier,
            uuid=str(uuid.uuid4()),
            parent_uuid=parent.uuid if parent is not None else None,
            read_only=read_only,
        )
        document = {key: getattr(made, key) for key in ("identifier", "uuid", "parent_uuid", "read_only")}
        (path / self.FILE).write_text(json.dumps(document))
        return made

    def set_default(self, identifier: int) -> None:
        """Choose the default subvolume."""
        (self._root / self.DEFAULT).write_text(str(identifier))

    def find(self, path: Path) -> Subvolume | None:
        """See Subvolumes."""
        try:
            return Subvolume(**json.loads((path / self.FILE).read_text()))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def default(self, path: Path) -> int:
        """See Subvolumes."""
        return int((self._root / self.DEFAULT).read_text())


def open_machine(root: Path, *, privileged: bool) -> Machine:
    """The machine that is in a folder; ``privileged`` says whether root looks at it, or so it seems."""
    return Machine(layout=Layout(root=root), subvolumes=PlainSubvolumes(root), privileged=privileged)


class PlainMachine:
    """A machine below a plain folder, with snapshots that PlainSubvolumes play."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.subvolumes = PlainSubvolumes(root)
        self.running = self.subvolumes.create(root)
        self.subvolumes.set_default(self.running.identifier)
        self.layout = Layout(root=root)
        self.machine = Machine(layout=self.layout, subvolumes=self.subvolumes, privileged=True)
        make_tree(root, {"etc/os-release": OS_RELEASE, "sys/block": None, "proc/self/mountinfo": ""})
        self.subvolumes.create(root / ".snapshots")

    def as_user(self) -> None:
        """From now on an ordinary user looks at it."""
        self.machine = replace(self.machine, privileged=False)

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
