# SPDX-License-Identifier: LGPL-2.1-or-later
"""One contract for subvolumes, held by real ones on a loopback btrfs and by the plain ones of unit tests."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.machine import PlainSubvolumes
from tukit_sysext.system.subvolume import BtrfsSubvolumes, Subvolumes


class Site(Protocol):
    """A file system, and how its subvolumes are changed."""

    @property
    def root(self) -> Path: ...
    @property
    def subvolumes(self) -> Subvolumes: ...

    def create(self, path: Path) -> None: ...
    def snapshot(self, source: Path, path: Path, *, read_only: bool) -> None: ...
    def delete(self, path: Path) -> None: ...
    def choose(self, path: Path) -> None: ...


class PlainSite:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.subvolumes = self._plain = PlainSubvolumes(root)
        self.choose_identifier(self._plain.create(root).identifier)

    def create(self, path: Path) -> None:
        self._plain.create(path)

    def snapshot(self, source: Path, path: Path, *, read_only: bool) -> None:
        self._plain.create(path, parent=self._plain.find(source), read_only=read_only)

    def delete(self, path: Path) -> None:
        shutil.rmtree(path)

    def choose(self, path: Path) -> None:
        found = self._plain.find(path)
        assert found is not None
        self.choose_identifier(found.identifier)

    def choose_identifier(self, identifier: int) -> None:
        self._plain.set_default(identifier)


class BtrfsSite:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.subvolumes = BtrfsSubvolumes()

    def create(self, path: Path) -> None:
        _command("btrfs", "subvolume", "create", str(path))

    def snapshot(self, source: Path, path: Path, *, read_only: bool) -> None:
        _command("btrfs", "subvolume", "snapshot", *(["-r"] if read_only else []), str(source), str(path))

    def delete(self, path: Path) -> None:
        _command("btrfs", "subvolume", "delete", "-c", str(path))

    def choose(self, path: Path) -> None:
        _command("btrfs", "subvolume", "set-default", str(path))


def _command(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


@pytest.fixture(scope="module")
def btrfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A mounted loopback btrfs."""
    folder = tmp_path_factory.mktemp("btrfs")
    image, mount = folder / "image", folder / "mount"
    with open(image, "wb") as file:
        file.truncate(256 << 20)
    mount.mkdir()
    _command("mkfs.btrfs", "-q", str(image))
    _command("mount", "-o", "loop", str(image), str(mount))
    yield mount
    _command("umount", str(mount))


@pytest.fixture(params=["plain", pytest.param("btrfs", marks=pytest.mark.root)])
def file_system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    if request.param == "plain":
        yield PlainSite(tmp_path)
        return
    top = Path(request.getfixturevalue("btrfs"))
    root = top / uuid.uuid4().hex
    _command("btrfs", "subvolume", "create", str(root))
    _command("btrfs", "subvolume", "set-default", str(root))
    yield BtrfsSite(root)
    _command("btrfs", "subvolume", "set-default", str(top))


class TestContract:
    """What both must do."""

    def test_a_subvolume(self, file_system: Site) -> None:
        file_system.create(file_system.root / "a")
        found = file_system.subvolumes.find(file_system.root / "a")
        assert found is not None
        assert str(uuid.UUID(found.uuid)) == found.uuid
        assert uuid.UUID(found.uuid).int != 0
        assert found.parent_uuid is None
        assert not found.read_only
        assert found.identifier > 0

    def test_each_is_another(self, file_system: Site) -> None:
        file_system.create(file_system.root / "a")
        file_system.create(file_system.root / "b")
        a, b = (file_system.subvolumes.find(file_system.root / name) for name in "ab")
        assert a is not None
        assert b is not None
        assert a.identifier != b.identifier
        assert a.uuid != b.uuid
        assert file_system.subvolumes.find(file_system.root / "a") == a

    def test_the_identifier_alone(self, file_system: Site) -> None:
        """What is made anew in the same place has another one."""
        path = file_system.root / "a"
        identifiers: list[int | None] = []
        for _ in range(3):
            file_system.create(path)
            found = file_system.subvolumes.find(path)
            assert found is not None
            assert file_system.subvolumes.identifier(path) == found.identifier
            identifiers.append(found.identifier)
            file_system.delete(path)
        assert len(set(identifiers)) == 3

    @pytest.mark.parametrize("read_only", [False, True])
    def test_a_snapshot_knows_its_parent(self, file_system: Site, read_only: bool) -> None:
        file_system.create(file_system.root / "a")
        file_system.snapshot(file_system.root / "a", file_system.root / "b", read_only=read_only)
        a, b = (file_system.subvolumes.find(file_system.root / name) for name in "ab")
        assert a is not None
        assert b is not None
        assert b.parent_uuid == a.uuid
        assert b.read_only is read_only
        assert not a.read_only

    def test_the_default_is_told_by_its_identifier(self, file_system: Site) -> None:
        file_system.create(file_system.root / "a")
        found = file_system.subvolumes.find(file_system.root / "a")
        assert found is not None
        assert file_system.subvolumes.default(file_system.root) != found.identifier
        file_system.choose(file_system.root / "a")
        assert file_system.subvolumes.default(file_system.root) == found.identifier

    def test_the_root_itself(self, file_system: Site) -> None:
        found = file_system.subvolumes.find(file_system.root)
        assert found is not None
        assert file_system.subvolumes.default(file_system.root) == found.identifier

    @pytest.mark.parametrize(
        "make",
        [
            lambda path: None,
            lambda path: path.mkdir(),
            lambda path: path.write_text("a file"),
            lambda path: path.symlink_to("nowhere"),
        ],
        ids=["missing", "directory", "file", "dangling link"],
    )
    def test_what_is_none(self, file_system: Site, make: Callable[[Path], object]) -> None:
        make(file_system.root / "a")
        for path in (file_system.root / "a", file_system.root / "a" / "below"):
            assert file_system.subvolumes.find(path) is None
            assert file_system.subvolumes.identifier(path) is None


@pytest.mark.root
def test_on_another_file_system_there_is_none() -> None:
    assert BtrfsSubvolumes().find(Path("/proc")) is None
    assert BtrfsSubvolumes().identifier(Path("/proc")) is None


@pytest.mark.root
def test_a_question_that_cannot_be_answered_is_an_error() -> None:
    with pytest.raises(OSError, match="/proc"):
        BtrfsSubvolumes().default(Path("/proc"))
