# SPDX-License-Identifier: LGPL-2.1-or-later
"""Malformed images: looking into one comes to its end within the limits, and leaves nothing behind (threat L6).

Real images, damaged where readers stumble: fields of superblocks, places of tables, blocks that expand, sizes that
nobody has. The kernel and systemd-dissect read them, here as on a machine.
"""

from __future__ import annotations

import os
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.broken_tools import break_on
from tests.lab.images import ImageKind, make_image
from tukit_sysext.errors import ImageBroken, NoVerdict, ToolBroken
from tukit_sysext.system import inspect_image as inspection_module
from tukit_sysext.system.inspect_image import Inspection, inspect_image

pytestmark = pytest.mark.root
NAME = "gdb"
_MIB = 1024 * 1024


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Callable[[ImageKind], bytes]:
    """A good image of a kind."""
    made: dict[ImageKind, bytes] = {}

    def image(kind: ImageKind) -> bytes:
        if kind not in made:
            folder = tmp_path_factory.mktemp("good")
            made[kind] = make_image(folder, NAME, "1", release={"ID": "_any"}, kind=kind).read_bytes()
        return made[kind]

    return image


@dataclass(frozen=True, slots=True)
class Looking:
    """Looks into a file; afterwards nothing of that is left: no scratch file, no loop device."""

    folder: Path

    def into(self, content: bytes) -> Inspection:
        path = self.folder / "image.raw"
        path.write_bytes(content)
        return self.into_file(path)

    def into_file(self, path: Path) -> Inspection:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return inspect_image(descriptor, preferred=NAME, scratch=self.folder / "scratch")
        finally:
            os.close(descriptor)


@pytest.fixture
def looking(tmp_path: Path) -> Iterator[Looking]:
    yield Looking(tmp_path)
    left = os.listdir(tmp_path / "scratch")
    # whatever a defence that is broken left there: pytest could not remove it, in this session or in any later one
    subprocess.run(["/usr/bin/rm", "-rf", tmp_path], check=True)
    assert left == []
    attached = [file.read_text(errors="replace") for file in Path("/sys/block").glob("loop*/loop/backing_file")]
    assert [name for name in attached if str(tmp_path) in name] == []


@pytest.mark.parametrize("kind", ["squashfs", "erofs", "gpt"])
def test_a_good_one(looking: Looking, good: Callable[[ImageKind], bytes], kind: ImageKind) -> None:
    assert looking.into(good(kind)).release["ID"] == "_any"


# --- squashfs -------------------------------------------------------------------------------------------------------

_ID_TABLE, _INODES, _DIRECTORIES, _FRAGMENTS = 48, 64, 72, 80
"""Where the superblock of squashfs has the places of these tables, little endian as all of it."""


def _put(image: bytes, offset: int, form: str, value: int) -> bytes:
    changed = bytearray(image)
    struct.pack_into(form, changed, offset, value)
    return bytes(changed)


def _at(image: bytes, field: int) -> int:
    place: int = struct.unpack_from("<Q", image, field)[0]
    return place


def _block(image: bytes, content: bytes) -> bytes:
    """The inodes' first block of metadata replaced: two bytes say how long it is, and that it is compressed."""
    start = _at(image, _INODES)
    block = struct.pack("<H", len(content)) + content
    return image[:start] + block + image[start + len(block) :]


SQUASHFS: dict[str, Callable[[bytes], bytes]] = {
    "no inodes": lambda image: _put(image, 4, "<I", 0),
    "4 billion inodes": lambda image: _put(image, 4, "<I", 2**32 - 1),
    "blocks of no bytes": lambda image: _put(image, 12, "<I", 0),
    "blocks of 2 GiB": lambda image: _put(_put(image, 12, "<I", 2**31), 22, "<H", 31),
    "4 billion fragments": lambda image: _put(image, 16, "<I", 2**32 - 1),
    "an unknown compression": lambda image: _put(image, 20, "<H", 99),
    "65535 owners": lambda image: _put(image, 26, "<H", 65535),
    "the root beyond the end": lambda image: _put(image, 32, "<Q", 2**48 - 1),
    "more bytes than there are": lambda image: _put(image, 40, "<Q", 2**62),
    "fewer bytes than there are": lambda image: _put(image, 40, "<Q", 96),
    "owners beyond the end": lambda image: _put(image, _ID_TABLE, "<Q", 2**62),
    "inodes beyond the end": lambda image: _put(image, _INODES, "<Q", 2**62),
    "inodes in the superblock": lambda image: _put(image, _INODES, "<Q", 0),
    "directories where inodes are": lambda image: _put(image, _DIRECTORIES, "<Q", _at(image, _INODES)),
    "a metadata block of 32 KiB": lambda image: _put(image, _at(image, _INODES), "<H", 0x7FFF),
    "a metadata block that expands": lambda image: _block(image, zlib.compress(bytes(64 * 1024), 9)),
    "a metadata block of noise": lambda image: _block(image, bytes(range(1, 100))),
    "half of it": lambda image: image[: _at(image, _INODES) + 20],
}


@pytest.mark.parametrize("damage", SQUASHFS)
def test_squashfs(looking: Looking, good: Callable[[ImageKind], bytes], damage: str) -> None:
    image = SQUASHFS[damage](good("squashfs"))
    assert image != good("squashfs")
    _told(looking, image)


def _told(looking: Looking, image: bytes) -> None:
    """It is found to be broken, or the damage does not matter and what it says is what was put into it."""
    try:
        found = looking.into(image)
    except ImageBroken as error:
        assert str(error).isprintable()
    else:
        assert found.release["ID"] == "_any"


# --- erofs ----------------------------------------------------------------------------------------------------------

_SUPERBLOCK = 1024


def _erofs(offset: int, form: str, value: int) -> Callable[[bytes], bytes]:
    """A field of the superblock changed, and its checksum switched off, which would tell at once."""

    def damage(image: bytes) -> bytes:
        compatible = struct.unpack_from("<I", image, _SUPERBLOCK + 8)[0]
        return _put(_put(image, _SUPERBLOCK + 8, "<I", compatible & ~1), _SUPERBLOCK + offset, form, value)

    return damage


EROFS: dict[str, Callable[[bytes], bytes]] = {
    "a wrong checksum": lambda image: _put(image, _SUPERBLOCK + 4, "<I", 0x12345678),
    "blocks of 2^63 bytes": _erofs(12, "<B", 63),
    "the root nowhere": _erofs(14, "<H", 0xFFFF),
    "2^63 inodes": _erofs(16, "<Q", 2**63),
    "4 billion blocks": _erofs(36, "<I", 2**32 - 1),
    "no blocks": _erofs(36, "<I", 0),
    "inodes beyond the end": _erofs(40, "<I", 2**32 - 1),
    "attributes beyond the end": _erofs(44, "<I", 2**32 - 1),
    "all that a newer kernel may know": _erofs(80, "<I", 2**32 - 1),
    "half of it": lambda image: image[:2048],
}


@pytest.mark.parametrize("damage", EROFS)
def test_erofs(looking: Looking, good: Callable[[ImageKind], bytes], damage: str) -> None:
    image = EROFS[damage](good("erofs"))
    assert image != good("erofs")
    _told(looking, image)


# --- GPT ------------------------------------------------------------------------------------------------------------

_HEADER, _ENTRIES = 512, 1024


def _sealed(image: bytes) -> bytes:
    """The header with right checksums, so that what it says is read."""
    count, size = struct.unpack_from("<II", image, _HEADER + 80)
    entries = image[_ENTRIES : _ENTRIES + min(count * size, 16 * 1024)]
    image = _put(image, _HEADER + 88, "<I", zlib.crc32(entries))
    image = _put(image, _HEADER + 16, "<I", 0)
    return _put(image, _HEADER + 16, "<I", zlib.crc32(image[_HEADER : _HEADER + 92]))


GPT: dict[str, Callable[[bytes], bytes]] = {
    "a wrong checksum": lambda image: _put(image, _HEADER + 16, "<I", 1),
    "4 billion partitions": lambda image: _sealed(_put(image, _HEADER + 80, "<I", 2**32 - 1)),
    "entries of 2 GiB": lambda image: _sealed(_put(image, _HEADER + 84, "<I", 2**31)),
    "entries beyond the end": lambda image: _sealed(_put(image, _HEADER + 72, "<Q", 2**62)),
    "a partition beyond the end": lambda image: _sealed(_put(image, _ENTRIES + 40, "<Q", 2**62)),
    "a partition that ends before it begins": lambda image: _sealed(_put(image, _ENTRIES + 40, "<Q", 1)),
    "a partition over the table": lambda image: _sealed(_put(image, _ENTRIES + 32, "<Q", 0)),
    "a partition with a damaged file system": lambda image: _put(image, _MIB + 40, "<Q", 2**62),
    "half of it": lambda image: image[: _MIB + 50],
}


@pytest.mark.parametrize("damage", GPT)
def test_gpt(looking: Looking, good: Callable[[ImageKind], bytes], damage: str) -> None:
    image = GPT[damage](good("gpt"))
    assert image != good("gpt")
    _told(looking, image)


# --- what is well formed and too much -------------------------------------------------------------------------------


_DEEP = 1500


def _packed(tree: Path) -> Path:
    image = tree.with_suffix(".raw")
    pack = ["/usr/bin/mksquashfs", str(tree), str(image), "-noappend", "-no-progress", "-quiet"]
    subprocess.run(pack, check=True, capture_output=True)
    return image


def _dig(folder: Path) -> None:
    """Folders in folders, deeper than Python's recursion goes."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(_DEEP):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    folder = tmp_path / "tree/usr/lib/extension-release.d"
    folder.mkdir(parents=True)
    (folder / f"extension-release.{NAME}").write_text("ID=_any\n")
    return folder


def test_a_file_that_expands_to_much(looking: Looking, releases: Path) -> None:
    """256 MiB out of an image that has less than one. What is taken out of it has a limit."""
    with open(releases / f"extension-release.{NAME}", "r+b") as file:
        file.truncate(1 << 28)
    image = _packed(looking.folder / "tree")
    assert image.stat().st_size < _MIB
    with pytest.raises(NoVerdict, match="killed by signal"):
        looking.into_file(image)


def test_folders_in_folders(looking: Looking, releases: Path) -> None:
    """What was taken out is removed all the same."""
    _dig(releases)
    assert looking.into_file(_packed(looking.folder / "tree")).release["ID"] == "_any"


def test_what_a_killed_run_left_is_swept(looking: Looking, good: Callable[[ImageKind], bytes]) -> None:
    """Whatever it is: else nothing could be looked into any more."""
    left = looking.folder / "scratch/inspect-left"
    left.mkdir(parents=True)
    _dig(left)
    os.utime(left, (0, 0))
    assert looking.into(good("squashfs")).release["ID"] == "_any"


def test_a_reader_that_hangs(
    looking: Looking, good: Callable[[ImageKind], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = break_on(tmp_path / "dissect", inspection_module.DISSECT, "hangs")
    monkeypatch.setattr(inspection_module, "DISSECT", str(hanging))
    monkeypatch.setattr(inspection_module, "_TIMEOUT", 3.0)
    with pytest.raises(NoVerdict, match="no end after 3 s"):
        looking.into(good("squashfs"))


def test_the_limits_of_the_reader(
    looking: Looking, good: Callable[[ImageKind], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    asking = tmp_path / "dissect"
    asking.write_text(f"#!/bin/sh\nexec >>'{said}'\nulimit -t\nulimit -f\nulimit -c\nexit 1\n")
    asking.chmod(0o755)
    monkeypatch.setattr(inspection_module, "DISSECT", str(asking))
    with pytest.raises(ToolBroken):
        looking.into(good("squashfs"))
    limits = ["60", str(16 * _MIB // 512), "0"]
    assert said.read_text().split() == [*limits, *limits], "of the image and of the known good one"


def test_a_confext_is_told_apart(looking: Looking, tmp_path: Path) -> None:
    """Whatever its file is called: it has no release of a sysext."""
    folder = tmp_path / "tree/etc/extension-release.d"
    folder.mkdir(parents=True)
    (folder / f"extension-release.{NAME}").write_text("ID=_any\n")
    image = tmp_path / "confext"
    subprocess.run(["/usr/bin/mksquashfs", str(tmp_path / "tree"), str(image), "-quiet", "-no-progress"], check=True)
    with pytest.raises(ImageBroken, match="is a confext, for /etc, and no sysext"):
        looking.into(image.read_bytes())
