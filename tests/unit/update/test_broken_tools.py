# SPDX-License-Identifier: LGPL-2.1-or-later
"""Updates with programs that do not work, or that die of one image or list: who is to blame decides (threat P3).

Real images, signatures and programs; a broken one is a script in its place. The running system has gdb 1, which does
not fit the tree of the update: without gdb 2 the update would take gdb away.
"""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.broken_tools import INPUT_WAYS, WAYS, break_on, break_tool
from tests.lab.images import make_image, write_checksums
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.machine import OS_RELEASE, PlainMachine
from tests.trees import Content, make_tree
from tukit_sysext import entry
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.system import gpgv, inspect_image, process
from tukit_sysext.system.control import CONTROL
from tukit_sysext.update import content_judge
from tukit_sysext.update.transaction import Transaction, finalize

pytestmark = pytest.mark.root

OLD, NEW = "glibc-2.42", "glibc-2.43"
NUMBER = 7


class Site(PlainMachine):
    """A machine that has gdb 1, and the tree of an update for which there is gdb 2."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "machine")
        self.images = folder / "images"
        self.key = SigningKey.shared()
        self.publish_gdb("1", OLD)
        make_tree(self.root, self.configured(f"Path={self.images}"))
        finalize(Transaction(machine=self.machine, path=self.root, number=1), Plugins())
        assert self.linked(self.root) == "gdb-1.x86-64.raw"
        self.publish_gdb("2", NEW)
        tree: dict[str, Content] = {"etc/os-release": OS_RELEASE.replace(OLD, NEW), "etc/extensions": None}
        self.snapshot(NUMBER, {**tree, **self.configured(f"Path={self.images}")})
        os.symlink(os.readlink(self.root / "etc/extensions/gdb.raw"), self.tree(NUMBER) / "etc/extensions/gdb.raw")

    def configured(self, where: str) -> Mapping[str, Content]:
        return {
            "etc/tukit-sysext/images.d/gdb.conf": "[Image]\n",
            "etc/tukit-sysext/sources.d/main.conf": f"[Source]\n{where}\nKeyring=/etc/keys.gpg\n",
            "etc/tukit-sysext/tukit-sysext.conf": "[Network]\nDeadline=2s\nConnectTimeout=2s\n",
            "etc/keys.gpg": self.key.public(),
        }

    def publish_gdb(self, version: str, level: str) -> None:
        release = {"ID": "opensuse-microos", "SYSEXT_LEVEL": level}
        make_image(self.images, "gdb", version, release=release)
        write_checksums(self.images)
        Repository(self.images).sign(self.key)

    def served(self, where: str) -> None:
        make_tree(self.tree(NUMBER), self.configured(where))

    def linked(self, root: Path) -> str | None:
        path = root / "etc/extensions/gdb.raw"
        return os.path.basename(os.readlink(path)) if path.is_symlink() else None

    def update(self) -> ExitStatus:
        arguments = ["tukit", "finalize-pre", str(self.tree(NUMBER)), str(NUMBER)]
        return entry.main(arguments, machine=self.machine)


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook_process: None) -> Site:
    monkeypatch.setattr(gpgv, "_TIMEOUT", 3.0)
    monkeypatch.setattr(inspect_image, "_TIMEOUT", 3.0)
    return Site(tmp_path)


PLACES = {"gpgv": (gpgv, "GPGV"), "dissect": (inspect_image, "DISSECT"), "prlimit": (process, "PRLIMIT")}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tool", PLACES)
def test_an_update_passes_loudly_and_the_next_one_has_its_image(
    impatient: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tool: str, way: str
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(*PLACES[tool], str(break_tool(impatient.root / "tool", way)))
        assert impatient.update() is ExitStatus.DONE
    err = capsys.readouterr().err
    assert "tukit-sysext: FAULT: " in err and "stops no transaction" in err
    assert ("/usr/bin/gpgv" if tool == "prlimit" and str(impatient.root) not in err else "/tool") in err
    assert "publisher" not in err and "broken" not in err
    assert impatient.layout.refused.exists(), "status shows it, and a unit that fails"
    assert impatient.linked(impatient.root) == "gdb-1.x86-64.raw"
    forget(monkeypatch)
    assert impatient.update() is ExitStatus.DONE
    assert impatient.linked(impatient.tree(NUMBER)) == "gdb-2.x86-64.raw"


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next process."""
    monkeypatch.setattr(CONTROL, "_faults", {})


def test_a_broken_dissect_has_one_image_fetched_and_not_all(impatient: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("2.1", "2.2", "2.3"):
        impatient.publish_gdb(version, NEW)
    monkeypatch.setattr(inspect_image, "DISSECT", str(break_tool(impatient.root / "tool", "killed")))
    with Server(impatient.images) as server:
        impatient.served(f"URL={server.url}")
        assert impatient.update() is ExitStatus.DONE
        fetched = [request.path for request in server.requests if request.path.endswith(".raw")]
    assert fetched == ["/gdb-2.3.x86-64.raw"]


def test_an_entry_of_others_that_cannot_be_looked_into_stays(
    impatient: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether it would be merged is not known, and no reason to refuse an update."""
    entry_of_others = impatient.tree(NUMBER) / "etc/extensions/gdb.raw"
    entry_of_others.unlink()
    entry_of_others.write_bytes((impatient.images / "gdb-2.x86-64.raw").read_bytes())
    monkeypatch.setattr(inspect_image, "DISSECT", str(break_tool(impatient.root / "tool", "killed")))
    assert impatient.update() is ExitStatus.DONE
    assert "FAULT: gdb.raw: cannot be looked into: " in capsys.readouterr().err
    assert entry_of_others.is_file() and not entry_of_others.is_symlink()


# --- the program works, and dies of this ------------------------------------------------------------------------------


@pytest.mark.parametrize("way", INPUT_WAYS)
def test_an_image_of_which_dissect_dies_refuses_and_convicts_nobody(
    impatient: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    """Else who makes such an image could switch "required" off."""
    monkeypatch.setattr(inspect_image, "DISSECT", str(break_on(impatient.root / "tool", inspect_image.DISSECT, way)))
    assert impatient.update() is ExitStatus.REFUSED
    err = capsys.readouterr().err
    assert "gdb: image cannot be used: 2 of source main: " in err
    assert "FAULT" not in err and "tell the publisher" not in err
    assert os.listdir(impatient.layout.store) == ["gdb-1.x86-64.raw"]


def test_the_next_version_is_tried(impatient: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the newest one makes it die."""
    impatient.publish_gdb("3", NEW)
    dying = break_on(impatient.root / "tool", inspect_image.DISSECT, "crashes")
    once = f'rm {impatient.root}/first || exec {inspect_image.DISSECT} "$@"; kill -SEGV'
    dying.write_text(dying.read_text().replace("kill -SEGV", once))
    (impatient.root / "first").touch()
    monkeypatch.setattr(inspect_image, "DISSECT", str(dying))
    assert impatient.update() is ExitStatus.DONE
    assert impatient.linked(impatient.tree(NUMBER)) == "gdb-2.x86-64.raw"


@pytest.mark.parametrize("way", INPUT_WAYS)
def test_a_signature_of_which_gpgv_dies_refuses_and_convicts_nobody(
    impatient: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    impatient.publish_gdb("3", NEW)  # nothing is remembered of this list
    monkeypatch.setattr(gpgv, "GPGV", str(break_on(impatient.root / "tool", gpgv.GPGV, way)))
    assert impatient.update() is ExitStatus.REFUSED
    err = capsys.readouterr().err
    assert "its signature cannot be used" in err
    assert "FAULT" not in err and "tell the publisher" not in err


def test_the_next_mirror_is_tried(impatient: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One mirror has a list with a signature of which gpgv dies."""
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for path in impatient.images.iterdir():
        (hostile / path.name).write_bytes(path.read_bytes())
    (hostile / "SHA256SUMS").write_text((impatient.images / "SHA256SUMS").read_text() + f"{'0' * 64}  hostile-1.raw\n")
    Repository(hostile).sign(impatient.key)
    dying = break_on(impatient.root / "tool", gpgv.GPGV, "crashes")
    dying.write_text(dying.read_text().replace("kill", f'grep -q hostile "$last" || exec {gpgv.GPGV} "$@"; kill'))
    monkeypatch.setattr(gpgv, "GPGV", str(dying))
    with Server(hostile) as first, Server(impatient.images) as second:
        impatient.served(f"URL={first.url}\nURL={second.url}")
        assert impatient.update() is ExitStatus.DONE
    assert impatient.linked(impatient.tree(NUMBER)) == "gdb-2.x86-64.raw"


def test_a_broken_image_is_looked_into_once_a_day(
    impatient: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a program that works: the next run fetches other contents in its place, not the same one again."""
    (impatient.images / "gdb-2.x86-64.raw").write_bytes(bytes(100_000))
    write_checksums(impatient.images)
    Repository(impatient.images).sign(impatient.key)
    looked: list[object] = []

    def counted(*given: object, **named: object) -> object:
        looked.append(given)
        return inspect_image.inspect_image(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(content_judge, "inspect_image", counted)
    for times in (1, 1):
        assert impatient.update() is ExitStatus.REFUSED
        assert "image broken: 2 of source main" in capsys.readouterr().err
        assert len(looked) == times
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86401)
    impatient.update()
    assert len(looked) == 2


@contextmanager
def scratch_on(site: Site, *options: str, full: bool = False) -> Iterator[None]:
    """Another file system where images are looked into."""
    scratch = site.layout.cache
    scratch.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", *options, "none", scratch], check=True)
    try:
        if full:
            with suppress(OSError):
                (scratch / "full").write_bytes(bytes(1 << 20))
        yield
    finally:
        subprocess.run(["umount", scratch], check=True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("-o", "size=64k"), "No space left on device"),
        (("-o", "nr_inodes=1"), "No space left on device"),
        (("-o", "ro"), "Read-only file system"),
    ],
)
def test_where_images_cannot_be_looked_into_an_update_passes_loudly(
    impatient: Site, capsys: pytest.CaptureFixture[str], options: tuple[str, str], says: str
) -> None:
    """The disk of the store has room, and takes the image as soon as it can be looked into."""
    with scratch_on(impatient, *options, full="size" in options[1]):
        assert impatient.update() is ExitStatus.DONE
    err = capsys.readouterr().err
    assert f"{impatient.layout.cache}: images cannot be looked into: {says}" in err
    assert "tukit-sysext: FAULT: " in err and "stops no transaction" in err
    assert impatient.linked(impatient.root) == "gdb-1.x86-64.raw"
    assert impatient.update() is ExitStatus.DONE
    assert impatient.linked(impatient.tree(NUMBER)) == "gdb-2.x86-64.raw"


def test_where_the_disk_of_the_store_has_no_room_either_policy_decides(
    impatient: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_judge, "not_writable", lambda folder: OSError(errno.ENOSPC, f"{folder}: no room"))
    with scratch_on(impatient, "-o", "size=64k", full=True):
        assert impatient.update() is ExitStatus.REFUSED
    assert "the store cannot take it" in capsys.readouterr().err
