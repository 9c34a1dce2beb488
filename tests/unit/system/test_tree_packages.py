# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a tree offers to images, with databases that rpm itself has made."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.rpm_databases import BASH, GLIBC, LIBSSL, USUAL, MadePackage, make_database, needs_rpm
from tests.trees import make_tree
from tukit_sysext.errors import UnknownState
from tukit_sysext.requirements.capabilities import UNKNOWN, Package
from tukit_sysext.requirements.requirement import Requirement, parse_requirement
from tukit_sysext.system import rpm_database
from tukit_sysext.system.process import ProcessResult, run
from tukit_sysext.system.rpm_database import FOLDERS, RpmDatabase
from tukit_sysext.system.tree import Tree
from tukit_sysext.system.tree_packages import Memory, TreePackages

pytestmark = needs_rpm

SYSIMAGE = FOLDERS[0]
OPENSSL = Package("libopenssl3", "3.2.4-1.1")
SH = Package("bash", "1:5.2-4")


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_database(tmp_path_factory.mktemp("usual"))


@pytest.fixture
def top(tmp_path: Path, usual: Path) -> Path:
    """The root of a tree with the usual database."""
    folder = tmp_path / "tree" / SYSIMAGE
    make_tree(folder, {path.name: path.read_bytes() for path in usual.iterdir()})
    return tmp_path / "tree"


@contextmanager
def packages(top: Path, memory: Memory | None = None) -> Iterator[TreePackages]:
    with Tree(top) as tree:
        yield TreePackages(tree, scratch=top.parent / "scratch", memory=memory)


def provided(top: Path, requirement: str) -> object:
    with packages(top) as found:
        return found.provides(parse_requirement(requirement))


@pytest.mark.parametrize(
    ("requirement", "package"),
    [
        ("libssl.so.3()(64bit)", OPENSSL),
        ("libssl.so.3(OPENSSL_3.0.0)(64bit)", OPENSSL),
        ("libssl.so.3(OPENSSL_3.4.0)(64bit)", None),
        ("libssl.so.3()", None),
        ("libcrypt.so.1()(64bit)", None),
        ("libopenssl3", OPENSSL),
        ("libopenssl3 >= 3.2", OPENSSL),
        ("libopenssl3 < 3.2.4", None),
        ("bash >= 5.0", SH),
        ("bash < 1:5.0", None),
        ("bash = 1:5.2", SH),
        ("/usr/bin/sh", SH),
        ("/usr/bin/fish", None),
    ],
)
def test_what_meets_a_requirement(top: Path, requirement: str, package: Package | None) -> None:
    assert provided(top, requirement) == package


def test_many_are_asked_for_at_once(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """300 and the packages of two names cost one process."""
    started: list[object] = []

    def counted(argv: Sequence[str], **options: Any) -> ProcessResult:
        started.append(argv)
        return run(argv, **options)

    monkeypatch.setattr(rpm_database, "run", counted)
    requirements = [Requirement(f"lib{number}.so.1()(64bit)") for number in range(300)]
    with packages(top) as found:
        found.prepare(requirements, ["glibc", "nobody"])
        assert [found.provides(each) for each in requirements] == [None] * 300
        assert found.installed("glibc") == Package("glibc", "2.40-3.1")
        assert found.installed("nobody") is None
    assert len(started) == 1


class PlainMemory:
    def __init__(self) -> None:
        self.kept: dict[str, Mapping[str, Any]] = {}

    def recall(self, identity: str) -> Mapping[str, Any]:
        return self.kept.get(identity, {})

    def keep(self, identity: str, answers: Mapping[str, Any]) -> None:
        self.kept[identity] = json.loads(json.dumps(answers))


def test_what_was_asked_before_is_not_asked_again(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not there neither, but for a file, which no database tells of; with other packages all is asked anew."""
    memory, missing = PlainMemory(), Requirement("libmore.so.1()(64bit)")
    with packages(top, memory) as found:
        assert found.provides(Requirement("libssl.so.3()(64bit)")) == OPENSSL
        assert found.provides(missing) is None
        assert found.installed("glibc") == Package("glibc", "2.40-3.1")
    with monkeypatch.context() as patch:
        patch.setattr(rpm_database, "run", None)
        with packages(top, memory) as found:
            assert found.provides(Requirement("libssl.so.3()(64bit)")) == OPENSSL
            assert found.provides(missing) is None
            assert found.installed("glibc") == Package("glibc", "2.40-3.1")
        make_tree(top, {"usr/lib64/libmore.so.1": b""})
        with packages(top, memory) as found:
            assert found.provides(missing) == Package("/usr/lib64/libmore.so.1")
        (top / "usr/lib64/libmore.so.1").unlink()
    make_database(top / SYSIMAGE, [MadePackage("libmore1", "1-1", [missing.name])])
    with packages(top, memory) as found:
        assert found.provides(missing) == Package("libmore1", "1-1")


@pytest.mark.parametrize("answers", [{}, {"met": 1}, {"met": {"glibc": 3}, "installed": {}}, {"met": {"glibc": None}}])
def test_what_is_kept_and_damaged_is_asked_anew(top: Path, answers: Mapping[str, Any]) -> None:
    memory = PlainMemory()
    with Tree(top) as tree:
        memory.keep(RpmDatabase(tree).identity, answers)
    with packages(top, memory) as found:
        assert found.provides(Requirement("glibc")) == Package("glibc", "2.40-3.1")


def test_of_several_versions_of_a_package_the_newest(tmp_path: Path) -> None:
    kernels = [MadePackage("kernel-default", f"{version}-1") for version in ("6.9.1", "6.16.2", "6.16.1")]
    make_database(tmp_path / "tree" / SYSIMAGE, [*USUAL, *kernels])
    with packages(tmp_path / "tree") as found:
        assert found.installed("kernel-default") == Package("kernel-default", "6.16.2-1")
    assert provided(tmp_path / "tree", "kernel-default = 6.9.1") == Package("kernel-default", "6.9.1-1")


@pytest.mark.parametrize("folder", FOLDERS)
def test_wherever_it_is(tmp_path: Path, usual: Path, folder: str) -> None:
    make_tree(tmp_path / "tree" / folder, {path.name: path.read_bytes() for path in usual.iterdir()})
    for empty in FOLDERS[: FOLDERS.index(folder)]:
        (tmp_path / "tree" / empty).mkdir(parents=True)
    assert provided(tmp_path / "tree", "libopenssl3") == OPENSSL


def test_a_link_is_followed_within_the_tree_alone(tmp_path: Path, usual: Path) -> None:
    """As on openSUSE, where /var/lib/rpm is a link; one that leads out of the tree leads to nothing there."""
    make_tree(tmp_path / "tree/usr/lib/moved", {path.name: path.read_bytes() for path in usual.iterdir()})
    (tmp_path / "tree/var/lib").mkdir(parents=True)
    (tmp_path / "tree/var/lib/rpm").symlink_to("/usr/lib/moved")
    assert provided(tmp_path / "tree", "libopenssl3") == OPENSSL
    (tmp_path / "tree/var/lib/rpm").unlink()
    (tmp_path / "tree/var/lib/rpm").symlink_to(usual)
    assert provided(tmp_path / "tree", "libopenssl3") is UNKNOWN


def test_what_is_in_its_log_alone_counts(top: Path) -> None:
    """SQLite's -wal has what rpm wrote last, as long as nobody has moved it into the database."""
    keeps_it_open = sqlite3.connect(top / SYSIMAGE / "rpmdb.sqlite")
    keeps_it_open.execute("PRAGMA wal_autocheckpoint = 0")
    keeps_it_open.execute("DELETE FROM Providename WHERE key = 'bash'")
    keeps_it_open.commit()
    assert (top / SYSIMAGE / "rpmdb.sqlite-wal").stat().st_size > 0
    assert provided(top, "bash") is None
    assert provided(top, "glibc") == Package("glibc", "2.40-3.1")
    keeps_it_open.close()


class TestFilesThatNoPackageBrought:
    @pytest.mark.parametrize(
        ("file", "requirement", "answer"),
        [
            ("usr/lib64/libown.so.1", "libown.so.1()(64bit)", Package("/usr/lib64/libown.so.1")),
            ("usr/local/lib64/libown.so.1", "libown.so.1()(64bit)", Package("/usr/local/lib64/libown.so.1")),
            ("usr/lib64/libown.so.1", "libown.so.1(OWN_1.0)(64bit)", UNKNOWN),
            ("usr/lib64/libown.so.1", "libown.so.1()", None),
            ("usr/lib/libown.so.1", "libown.so.1()", Package("/usr/lib/libown.so.1")),
            ("usr/lib64/libssl.so.3", "libssl.so.3(OPENSSL_3.4.0)(64bit)", None),
            ("usr/bin/own", "/usr/bin/own", Package("/usr/bin/own")),
            ("usr/bin/own", "own", None),
        ],
    )
    def test_they_count(self, top: Path, file: str, requirement: str, answer: object) -> None:
        make_tree(top, {file: ""})
        assert provided(top, requirement) == answer

    def test_without_a_database_too(self, tmp_path: Path) -> None:
        top = make_tree(tmp_path / "tree", {"usr/bin/own": ""})
        assert provided(top, "/usr/bin/own") == Package("/usr/bin/own")
        assert provided(top, "/usr/bin/other") is UNKNOWN


def truncated(folder: Path) -> None:
    os.truncate(folder / "rpmdb.sqlite", 5000)


def garbage(folder: Path) -> None:
    (folder / "rpmdb.sqlite").write_bytes(b"no database\n" * 1000)


def torn(folder: Path) -> None:
    """Every page but the first is lost."""
    with open(folder / "rpmdb.sqlite", "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def of_a_newer_rpm(folder: Path) -> None:
    connection = sqlite3.connect(folder / "rpmdb.sqlite")
    connection.execute("ALTER TABLE Packages RENAME TO Packages6")
    connection.commit()
    connection.close()


def broken_headers(folder: Path) -> None:
    """rpm passes over what is no header of a package, and ends well."""
    connection = sqlite3.connect(folder / "rpmdb.sqlite")
    connection.execute("UPDATE Packages SET blob = x'00' WHERE hnum > 1")
    connection.commit()
    connection.close()


def empty_file(folder: Path) -> None:
    (folder / "rpmdb.sqlite").write_bytes(b"")


def without_packages(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    subprocess.run(["rpmdb", "--dbpath", folder, "--initdb"], check=True)


def gone(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def a_folder(folder: Path) -> None:
    gone(folder)
    (folder / "rpmdb.sqlite").mkdir()


def a_fifo(folder: Path) -> None:
    gone(folder)
    os.mkfifo(folder / "rpmdb.sqlite")


def a_link(folder: Path) -> None:
    """Followed, it would lead out of the tree."""
    (folder / "rpmdb.sqlite").rename(folder.parents[4] / "elsewhere")
    (folder / "rpmdb.sqlite").symlink_to(folder.parents[4] / "elsewhere")


def of_another_kind(folder: Path) -> None:
    """A cut ndb, of which rpm's library dies with SIGSEGV, or that it does not know."""
    gone(folder)
    (folder / "Packages.db").write_bytes(b"RpmP" + b"\0" * 28 + b"\xff" * 100)
    (folder / "Index.db").write_bytes(b"RpmX")


@pytest.mark.parametrize(
    "break_it",
    [
        truncated,
        garbage,
        torn,
        of_a_newer_rpm,
        broken_headers,
        empty_file,
        without_packages,
        gone,
        a_folder,
        a_fifo,
        a_link,
        of_another_kind,
    ],
)
def test_what_cannot_be_read_is_unknown_and_said(
    top: Path, break_it: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    break_it(top / SYSIMAGE)
    with packages(top) as found:
        assert found.provides(Requirement("glibc")) is UNKNOWN
        assert found.provides(Requirement("nothing-of-that-name")) is UNKNOWN
        assert found.installed("glibc") is UNKNOWN
        assert found.unknown is not None and str(top) in found.unknown
        assert caplog.messages == [f"{found.unknown}: what images need of its packages is not known"], "once"


def test_while_rpm_writes_it_is_unknown(top: Path) -> None:
    script = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
    command = [sys.executable, "-c", script, str(top / SYSIMAGE / ".rpm.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with packages(top) as found:
            assert found.provides(Requirement("glibc")) is UNKNOWN
            assert found.unknown is not None and "rpm is writing to it" in found.unknown
        writer.communicate(b"\n")
    assert provided(top, "glibc") == Package("glibc", "2.40-3.1")


def test_an_ndb_that_is_written_to_is_unknown(top: Path) -> None:
    """rpm locks that one as a whole."""
    of_another_kind(top / SYSIMAGE)
    with open(top / SYSIMAGE / "Packages.db") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with Tree(top) as tree, pytest.raises(UnknownState, match="rpm is writing to it"):
            RpmDatabase(tree).ask([Requirement("glibc")], [], scratch=top.parent / "scratch")


def test_one_that_changes_while_it_is_read_is_unknown(top: Path) -> None:
    with Tree(top) as tree:
        database = RpmDatabase(tree)
        make_database(top / SYSIMAGE, [MadePackage("late", "1-1")])
        with pytest.raises(UnknownState, match="written to meanwhile"):
            database.ask([Requirement("late")], [], scratch=top.parent / "scratch")


def test_without_rpms_module_it_is_unknown(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = tmp_path / "reader.py"
    reader.write_text("""raise ModuleNotFoundError("No module named 'rpm'")""")
    monkeypatch.setattr(rpm_database, "_READER", reader)
    with packages(top) as found:
        assert found.provides(Requirement("glibc")) is UNKNOWN
        assert found.unknown is not None and "Python has no module rpm" in found.unknown


@pytest.mark.parametrize("end", ["import os; os.kill(os.getpid(), 11)", "while True: pass", "bytes(2**40)"])
def test_a_library_that_dies_of_it_or_does_not_end(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    reader = tmp_path / "reader.py"
    reader.write_text(end)
    monkeypatch.setattr(rpm_database, "_READER", reader)
    monkeypatch.setattr(rpm_database, "_TIMEOUT", 1.0)
    assert provided(top, "glibc") is UNKNOWN


def state(top: Path) -> dict[str, tuple[int, ...]]:
    """All of a tree but the times of being read."""
    found: dict[str, tuple[int, ...]] = {}
    for path in sorted([top, *top.rglob("*")]):
        each = path.lstat()
        found[str(path)] = (each.st_ino, each.st_mode, each.st_size, each.st_mtime_ns, each.st_ctime_ns)
    return found


@pytest.mark.parametrize("break_it", [lambda _: None, truncated, garbage, without_packages, gone, of_another_kind])
def test_nothing_changes_in_the_tree(top: Path, break_it: Callable[[Path], None]) -> None:
    """Not a file beside it, as rpm makes -wal and -shm where it reads, and a database where there is none."""
    break_it(top / SYSIMAGE)
    before = state(top)
    provided(top, "glibc")
    assert state(top) == before
    assert list((top.parent / "scratch").glob("*")) == []


def test_whether_it_changed_is_known_without_reading_it(top: Path) -> None:
    def identity() -> str:
        with Tree(top) as tree:
            return RpmDatabase(tree).identity

    before = identity()
    provided(top, "glibc")
    assert identity() == before
    make_database(top / SYSIMAGE, [GLIBC, BASH, LIBSSL])
    assert identity() != before


def test_where_the_scratch_folder_cannot_be_made_it_is_unknown(top: Path) -> None:
    (top.parent / "scratch").write_text("in the way")
    assert provided(top, "glibc") is UNKNOWN
