# SPDX-License-Identifier: LGPL-2.1-or-later
"""SELinux labels. No kernel with SELinux is at hand: a stand-in for libselinux's bindings says what was asked of it.

What this shows is which path is looked up, that the label is set when the file is made and at no other time, and that
nothing fails for want of one. That the bindings take these arguments was tried by hand against the real ones.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.records import record
from tests.trees import make_tree
from tests.unit.ledger.samples import StoreFolder
from tukit_sysext.config.own_files import write
from tukit_sysext.integrity.quarantine_folder import Quarantine
from tukit_sysext.layout import Layout
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.snapshots.entries import Entry, EntryKind, LinkWriter
from tukit_sysext.sources.seen import Seen
from tukit_sysext.store.record import Records
from tukit_sysext.system import label, lock
from tukit_sysext.system.durable import write_file
from tukit_sysext.system.label import FILE, FOLDER, LINK, labelled
from tukit_sysext.system.tree import Tree

_CREATE = os.O_CREAT | (os.O_TMPFILE & ~os.O_DIRECTORY)


class Bindings(ModuleType):
    """The module ``selinux`` as python3-selinux has it: results are lists, failures OSError."""

    SELABEL_CTX_FILE = 0

    def __init__(self) -> None:
        super().__init__("selinux")
        self.now: str | None = None
        self.asked: list[tuple[str, int]] = []
        self.opened = 0
        self.fails: Exception | None = None
        self.unknown = "/unknown"

    def is_selinux_enabled(self) -> int:
        return 1

    def selabel_open(self, backend: int, options: None, count: int) -> str:
        assert (backend, options, count) == (self.SELABEL_CTX_FILE, None, 0)
        self.opened += 1
        return "handle"

    def selabel_lookup_raw(self, handle: str, path: str, kind: int) -> list[Any]:
        assert handle == "handle"
        self.asked.append((path, kind))
        if self.fails is not None:
            raise self.fails
        if path.startswith(self.unknown):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return [0, f"label of {path}"]

    def setfscreatecon_raw(self, context: str | None) -> int:
        self.now = context
        return 0


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What is kept for the life of a process is not kept from one test to the next."""

    def forget() -> None:
        label._policy.cache_clear()
        label._warn_once.cache_clear()

    forget()
    yield
    forget()


@pytest.fixture
def selinux(monkeypatch: pytest.MonkeyPatch) -> Bindings:
    """A kernel that has SELinux on, as far as is looked."""
    monkeypatch.setattr(label, "ON", Path("/"))
    bindings = Bindings()
    monkeypatch.setitem(sys.modules, "selinux", bindings)
    return bindings


@pytest.fixture
def made(selinux: Bindings, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """Everything that is made from now on: its name, and the label that is set at that moment."""
    found: list[tuple[str, str | None]] = []
    real_open, real_mkdir, real_symlink = os.open, os.mkdir, os.symlink

    def new(path: Any) -> None:
        found.append((os.path.basename(os.fspath(path)), selinux.now))

    def opened(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & _CREATE and not os.path.isfile(path):
            new(path)
        return real_open(path, flags, *arguments, **options)

    def mkdir(path: Any, *arguments: Any, **options: Any) -> None:
        real_mkdir(path, *arguments, **options)
        new(path)

    def symlink(target: str, path: Any, **options: Any) -> None:
        new(path)
        real_symlink(target, path, **options)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "mkdir", mkdir)
    monkeypatch.setattr(os, "symlink", symlink)
    return found


def test_without_selinux_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is the module looked for: it costs time, and need not be there."""
    monkeypatch.setattr(label, "ON", tmp_path / "enforce")
    monkeypatch.setitem(sys.modules, "selinux", None)  # an import would fail
    write_file(tmp_path / "file", b"")
    assert (tmp_path / "file").exists()


def test_it_is_opened_once(selinux: Bindings, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_file(tmp_path / name, b"")
    assert selinux.opened == 1


def test_the_label_is_set_for_the_block_alone(selinux: Bindings) -> None:
    with pytest.raises(KeyboardInterrupt), labelled("/etc/x"):
        assert selinux.now == "label of /etc/x"
        raise KeyboardInterrupt
    assert selinux.now is None


def test_what_the_policy_does_not_know_is_left_alone(selinux: Bindings, caplog: pytest.LogCaptureFixture) -> None:
    with labelled("/unknown/x"):
        assert selinux.now is None
    assert caplog.records == []


@pytest.mark.parametrize("error", [OSError(errno.EINVAL, "Invalid argument"), TypeError("no text")])
def test_a_label_that_cannot_be_had_is_told_once(
    selinux: Bindings, tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    selinux.fails = error
    for _ in range(2):
        write_file(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    (told,) = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.WARNING]
    assert str(tmp_path / "file") in told and "restorecon" in told


def test_missing_bindings_are_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(label, "ON", Path("/"))
    monkeypatch.setitem(sys.modules, "selinux", None)
    for name in ("one", "two"):
        write_file(tmp_path / name, b"")
    (told,) = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.WARNING]
    assert told.endswith("next step: install python3-selinux")
    assert sorted(os.listdir(tmp_path)) == ["one", "two"]


def in_a_snapshot(root: Path) -> None:
    with Tree(root) as tree:
        LinkWriter(tree).apply({"gdb.raw": "gdb-1.x86-64.raw"}, ())


def quarantined(root: Path) -> None:
    with Tree(root) as tree:
        Quarantine(tree).take(Entry(name="gdb.raw", kind=EntryKind.LINK), "damaged", "")


def configured(root: Path) -> None:
    with Tree(root) as tree:
        write(tree, "images.d", "gdb.conf", "[Image]\n")


def in_the_store(root: Path) -> None:
    StoreFolder(root).publish()


def recorded(root: Path) -> None:
    Records(Layout(root=root).records).write(record())


def in_the_ledger(root: Path) -> None:
    with Ledger(Layout(root=root).ledger):
        pass


def seen(root: Path) -> None:
    Seen(Layout(root=root).seen, writable=True).remember("main", {"0" * 40: 1})


def locked(root: Path) -> None:
    with lock.shared(Layout(root=root).lock):
        pass


RECORD = "gdb-15.2.x86-64.raw.json"
PLACES: dict[Callable[[Path], None], list[tuple[str, int]]] = {
    # below a snapshot, by the path that it will have when it runs
    in_a_snapshot: [("/etc/extensions", FOLDER), ("/etc/extensions/gdb.raw", LINK)],
    quarantined: [
        ("/etc/tukit-sysext/quarantine", FOLDER),
        ("/etc/tukit-sysext/quarantine/gdb.raw.reason", FILE),
    ],
    configured: [
        ("/etc/tukit-sysext", FOLDER),
        ("/etc/tukit-sysext/images.d", FOLDER),
        ("/etc/tukit-sysext/images.d/gdb.conf", FILE),
    ],
    in_the_store: [("{}/var/lib/sysext-store", FOLDER), ("{}/var/lib/sysext-store/image.raw", FILE)],
    recorded: [("{}/var/lib/tukit-sysext/images", FOLDER), (f"{{}}/var/lib/tukit-sysext/images/{RECORD}", FILE)],
    in_the_ledger: [("{}/var/lib/tukit-sysext", FOLDER), ("{}/var/lib/tukit-sysext/ledger.db", FILE)],
    seen: [("{}/var/lib/tukit-sysext/seen", FOLDER), ("{}/var/lib/tukit-sysext/seen/main", FILE)],
    locked: [("{}/run/tukit-sysext", FOLDER), ("{}/run/tukit-sysext/lock", FILE)],
}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: str(place.__name__))
def test_everything_that_is_made_has_the_label_of_its_place(
    selinux: Bindings, made: list[tuple[str, str | None]], tmp_path: Path, place: Callable[[Path], None]
) -> None:
    """``root`` is a snapshot's; what is not of a snapshot has the path that it has now."""
    root = tmp_path / ".snapshots/7/snapshot"
    held = {"etc/extensions/gdb.raw": b"", "etc/tukit-sysext": None}
    make_tree(root, held if place is quarantined else {"etc": None})
    del made[:], selinux.asked[:]
    place(root)
    for path, kind in PLACES[place]:
        assert (path.format(root), kind) in selinux.asked
    assert made
    assert [name for name, found in made if found is None] == []
    assert selinux.now is None


def test_a_folder_of_a_snapshot_is_not_labelled_by_the_way_to_it(selinux: Bindings, tmp_path: Path) -> None:
    root = make_tree(tmp_path / ".snapshots/7/snapshot", {"etc": None})
    in_a_snapshot(root)
    assert not [path for path, _ in selinux.asked if ".snapshots" in path]
    assert stat.S_ISLNK(os.lstat(root / "etc/extensions/gdb.raw").st_mode)
