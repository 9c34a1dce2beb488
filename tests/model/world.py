# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine in a folder with its model: each operation is done to both.

The trees of the snapshots lie in ``fs``, and the root of the running system is one of them, as on a real machine. What
all share (/var, /run, /sys, /proc, /.snapshots) are links out of each tree.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.machine import snapper_info
from tests.model import images
from tests.model.faults import Faults
from tests.model.model import EXTENSIONS, PLACES, Etc, Model, Snap, Words
from tests.model.volume import Volume
from tukit_sysext.all_plugins import Root
from tukit_sysext.layout import STORE, Layout
from tukit_sysext.machine import Machine
from tukit_sysext.plugin_api import hookimpl
from tukit_sysext.plugins.manager import Plugins

T = TypeVar("T")
SHARED = ("var", "run", "sys", "proc")
NAMES = ("a", "b")
"""Images that the trees want."""


def pick(choices: Sequence[T], number: int) -> T | None:
    """One of some, None out of none."""
    return choices[number % len(choices)] if choices else None


class Referring:
    """A third-party plugin that keeps an image, or fails."""

    tukit_sysext_interface = ">=1"

    def __init__(self, model: Model) -> None:
        self._model = model

    @hookimpl
    def tukit_sysext_references(self) -> list[Root]:
        """See the specification."""
        if self._model.words is Words.FAILS:
            raise RuntimeError("as the test wants it")
        return [Root(image=self._model.referred, where="model")] if self._model.words is Words.REFERS else []


class World:
    """The machine below ``root``, an empty folder of ``volume``."""

    def __init__(self, root: Path, volume: Volume) -> None:
        self.root = root
        self.volume = volume
        self.model = Model()
        self.fs = root / "fs"
        self.shared = root / "shared"
        self.source = root / "source"
        self.plugins = Plugins()
        self.plugins.register(Referring(self.model), name="model")
        self.seen: Counter[str] = Counter()
        self.steps: dict[str, int] = {}
        self.trouble = 0
        self.event_mode = "once"
        self.told = 0
        self.late: list[tuple[str, ...]] = []
        self.texts: dict[str, str] = {}
        self.settled_default: int | None = None
        for folder in ("var/lib/sysext-store", "var/lib/tukit-sysext", "run", "sys/block", "proc/self"):
            (self.shared / folder).mkdir(parents=True)
        for folder in ("source", "unmounted"):
            (root / folder).mkdir()
        (self.shared / "proc/self/mountinfo").touch()
        volume.create(self.fs)
        (root / "snapshots").symlink_to(self.fs)
        self.store = self.shared / "var/lib/sysext-store"
        self.state = self.shared / "var/lib/tukit-sysext"
        self.records = self.state / "images"
        self.ledger = self.state / "ledger.db"
        self.runtime = self.shared / "run/tukit-sysext"
        self.faults = Faults(self.store)
        self.latest = self.faults.now
        self._make_first()

    def _make_first(self) -> None:
        (self.fs / "1").mkdir()
        tree = self.tree(1)
        uuid = self.volume.create(tree)
        for name in SHARED:
            (tree / name).symlink_to(self.shared / name)
        (tree / ".snapshots").symlink_to(self.root / "snapshots")
        for folder in ("sources.d", "images.d"):
            (tree / "etc/tukit-sysext" / folder).mkdir(parents=True)
        (tree / "etc/os-release").write_text(images.os_release("1"))
        source = f"[Source]\nPath={self.source}\nVerify=no\n"
        (tree / "etc/tukit-sysext/sources.d/local.conf").write_text(source)
        snap = Snap(number=1, uuid=uuid, level="1", wanted={}, links={})
        self.model.snaps[1] = snap
        for name in NAMES:
            self.want(snap, name, None)
        self.write_info(snap)
        self.volume.set_default(tree)
        self.model.latest = 1

    @property
    def machine(self) -> Machine:
        """The machine as the package sees it: its root is the tree of the running snapshot."""
        return Machine(layout=Layout(root=self.tree(self.model.running)), subvolumes=self.volume.subvolumes)

    def tree(self, number: int) -> Path:
        """The root of a snapshot."""
        return self.fs / str(number) / "snapshot"

    def etc(self, snap: Snap) -> Path:
        """A snapshot's /etc, wherever it is now."""
        return self.tree(snap.number) / ("etc" if snap.etc is Etc.THERE else ".hidden")

    @contextmanager
    def writable(self, snap: Snap) -> Iterator[None]:
        """Change a tree, read-only or not."""
        if not (snap.read_only and self.volume.enforces):
            yield
            return
        self.volume.set_read_only(self.tree(snap.number), False)
        try:
            yield
        finally:
            self.volume.set_read_only(self.tree(snap.number), True)

    def write_info(self, snap: Snap) -> None:
        """snapper's info.xml."""
        info = snapper_info(snap.number, in_progress=snap.open)
        (self.fs / str(snap.number) / "info.xml").write_text(info)

    def want(self, snap: Snap, name: str, hold: int | None) -> None:
        """Have an image wanted in a tree, required if it is "a"."""
        path = self.etc(snap) / f"tukit-sysext/images.d/{name}.conf"
        with self.writable(snap):
            path.unlink(missing_ok=True)
            policy = "required" if name == "a" else "optional"
            path.write_text(f"[Image]\nPolicy={policy}\n" + (f"Hold={hold}\n" if hold is not None else ""))
        snap.wanted[name] = hold

    def set_level(self, snap: Snap, level: str) -> None:
        """Make a tree that of another system."""
        path = self.etc(snap) / "os-release"
        with self.writable(snap):
            path.unlink()
            path.write_text(images.os_release(level))
        snap.level = level

    def hide_etc(self, snap: Snap, how: Etc) -> None:
        """Take a snapshot's /etc away, or leave an empty one in its place."""
        tree = self.tree(snap.number)
        with self.writable(snap):
            os.rename(tree / "etc", tree / ".hidden")
            if how is Etc.EMPTY:
                (tree / "etc").mkdir()
        snap.etc = how

    def bring_etc_back(self, snap: Snap) -> None:
        """Undo hide_etc()."""
        tree = self.tree(snap.number)
        with self.writable(snap):
            if snap.etc is Etc.EMPTY:
                (tree / "etc").rmdir()
            os.rename(tree / ".hidden", tree / "etc")
        snap.etc = Etc.THERE

    def reread(self, snap: Snap) -> None:
        """Take over the links that the package has made or moved."""
        snap.links = {
            (place, entry.name): self.texts.get(os.readlink(entry.path), os.path.basename(os.readlink(entry.path)))
            for place in PLACES
            for entry in _scan(self.etc(snap) / place)
            if entry.is_symlink() and not entry.name.startswith(".")
        }

    def direct(self, snap: Snap, names: Container[str] | None = None) -> Iterator[str]:
        """Files that links in /etc/extensions lead to straight; only of images with these names, where given."""
        for (place, link), image in snap.links.items():
            straight = not os.readlink(self.etc(snap) / place / link).startswith("/etc/")
            if place == EXTENSIONS and straight and (names is None or images.name_of(image) in names):
                yield image

    def occupied(self, snap: Snap, name: str) -> bool:
        """Whether something else has the name of an image's link: the image is left out then."""
        image = snap.links.get((EXTENSIONS, f"{name}.raw"))
        return image is not None and (images.name_of(image) != name or image not in self.direct(snap))

    def emit(self, *words: str) -> None:
        """An event, which comes as things go now: once, twice, never, or later."""
        if self.event_mode == "lost":
            return
        if self.event_mode == "late":
            self.late.append(words)
            return
        for _ in range(2 if self.event_mode == "twice" else 1):
            self._spool(words)

    def _spool(self, words: tuple[str, ...]) -> None:
        self.told += 1
        folder = self.runtime / "events"
        folder.mkdir(parents=True, exist_ok=True)
        # in which order they are read is chance
        (folder / f"{words[1]}-{self.told * 7919 % 1000}").write_text("\n".join(words) + "\n")

    def deliver(self) -> None:
        """What was held back comes, the last one first."""
        while self.late:
            self._spool(self.late.pop())

    def store_names(self) -> set[str]:
        """All names of the store."""
        return set(os.listdir(self.store))

    def did(self) -> None:
        """The test did something: what is needed and not there now is so by its own doing."""
        self.model.lost = self.model.needed() - self.store_names()

    def destroy(self) -> None:
        """Take everything away."""
        self.volume.release(self.root)
        for snap in self.model.trees():
            self.volume.set_read_only(self.tree(snap.number), False)
        shutil.rmtree(self.root)


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except FileNotFoundError:
        return []


def link_to(image: str, style: str) -> str:
    """One of the ways to write a link into the store."""
    return {
        "plain": f"{STORE}/{image}",
        "relative": f"../..{STORE}/{image}",
        "dotted": f"//var/lib/x/../sysext-store/./{image}",
        "through": f"/etc/through-{image}",
    }[style]
