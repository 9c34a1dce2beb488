# SPDX-License-Identifier: LGPL-2.1-or-later
"""Chunks are cut where casync cuts them, and ``publish --chunks`` lists an index of them beside each image."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.packing import pack
from tests.unit.publish.publisher import Publisher, days_later
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.formats import caibx
from tukit_sysext.formats.caibx import LARGEST_CHUNK, ChunkSizes, parse
from tukit_sysext.publish import chunking
from tukit_sysext.publish.chunking import chunk_index, is_index_of
from tukit_sysext.sources.repository import index_name

_RANDOM = random.Random(5)
_HALF = _RANDOM.randbytes(3_000_000)
FILES = {
    "random": _RANDOM.randbytes(5_000_000),
    "zeros": b"\0" * 1_000_000,
    "what cannot be told apart": b"abcdefg" * 100_000,
    "the same twice": _HALF + b"x" + _HALF,
    "text": "".join(f"line {number}\n" for number in range(200_000)).encode(),
    "zeros in between": _HALF[:100_000] + b"\0" * 500_000 + _HALF[:100_000],
    "one byte": b"x",
    "less than the window": b"x" * 47,
    "the window": _HALF[:48],
    "the least chunk": _HALF[:1024],
    "the largest chunk": b"\0" * 16_384,
    "one block": _HALF[: 1 << 20],
    "one byte more than a block": _HALF[: (1 << 20) + 1],
    "nothing": b"",
}


def casync(folder: Path, content: bytes, average: int = 4096) -> bytes:
    """The index that casync makes."""
    (folder / "file").write_bytes(content)
    options = ["--digest=sha256", f"--chunk-size={average}", f"--store={folder}/store"]
    subprocess.run(
        ["casync", "make", *options, folder / "casync.caibx", folder / "file"], check=True, capture_output=True
    )
    return (folder / "casync.caibx").read_bytes()


@pytest.fixture
def numpy() -> None:
    """Skips where it is not installed, as by ``tests/run --quick``."""
    pytest.importorskip("numpy")


@pytest.mark.tool("casync")
@pytest.mark.usefixtures("numpy")
@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_chunks_are_those_of_casync(tmp_path: Path, content: bytes) -> None:
    index = casync(tmp_path, content)
    assert chunk_index(tmp_path / "file") == index
    assert is_index_of(parse(index, where=""), tmp_path / "file")


@pytest.mark.tool("casync")
@pytest.mark.usefixtures("numpy")
@pytest.mark.parametrize("average", [8192, 16_384, 65_536, 1 << 20])
def test_so_are_larger_and_smaller_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, average: int) -> None:
    monkeypatch.setattr(chunking, "_AVERAGE", average)
    index = casync(tmp_path, FILES["random"], average)
    assert chunk_index(tmp_path / "file") == index


def test_the_largest_images_have_larger_chunks() -> None:
    """So that machines read their indexes."""
    sizes = [chunking._sizes(size) for size in (0, 1 << 28, (1 << 28) + 1, 2 << 30, 32 << 30)]
    assert [size.average >> 10 for size in sizes] == [4, 4, 8, 32, 512]
    assert all(size.most <= LARGEST_CHUNK for size in sizes)
    assert sizes[0] == ChunkSizes(least=1024, average=4096, most=16_384)


@pytest.mark.usefixtures("numpy")
def test_what_is_inserted_changes_the_chunks_around_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(FILES["random"])
    old = set(parse(chunk_index(path), where="").ids())
    path.write_bytes(FILES["random"][:1_000_000] + b"new" + FILES["random"][1_000_000:])
    new = list(parse(chunk_index(path), where="").ids())
    assert len(set(new) - old) <= 2


def test_an_index_of_another_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    sizes = ChunkSizes(least=1, average=4, most=8)
    lies = [
        caibx.compose(sizes, [(5, b"a" * 32), (10, b"b" * 32)]),
        caibx.compose(sizes, [(5, b"a" * 32)]),
        caibx.compose(sizes, []),
    ]
    assert not any(is_index_of(parse(lie, where=""), path) for lie in lies)


def test_without_numpy_it_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(TukitSysextError, match="numpy is not installed") as caught:
        chunk_index(tmp_path / "file")
    assert caught.value.next_step == "install python3-numpy"


GDB = "gdb-1.0.x86-64.raw"


@pytest.fixture(params=[pytest.param(None, marks=[pytest.mark.root, pytest.mark.tool("gpg", "mksquashfs", "casync")])])
def images(publisher: Publisher, numpy: None) -> Publisher:
    """A publisher with an image."""
    publisher.image("gdb", "1.0", size_mib=1)
    return publisher


def test_indexes_are_listed(images: Publisher, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images.run("--chunks", "--dry-run", key=False)
    assert f"{index_name(GDB)}: would be written, has the chunks of its image" in capsys.readouterr().out
    assert not (images.folder / index_name(GDB)).exists()
    images.run("--chunks")
    assert index_name(GDB) in images.listed
    assert (images.folder / index_name(GDB)).read_bytes() == casync(tmp_path, (images.folder / GDB).read_bytes())
    assert images.offered() == {"gdb": ["1.0"]}, "no index is taken for an image"
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=images.folder, check=True)


def test_what_is_there_is_not_made_again(
    images: Publisher, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images.run("--chunks")
    monkeypatch.setattr("tukit_sysext.publish.indexing.chunk_index", None)
    monkeypatch.setattr("tukit_sysext.publish.indexing.is_index_of", None)
    capsys.readouterr()
    images.run("--chunks", "--json")
    assert [each["index_written"] for each in json.loads(capsys.readouterr().out)["images"]] == [None]
    images.run()
    assert index_name(GDB) in images.listed, "nobody has to ask for it again"


def test_an_index_that_casync_made_is_listed(images: Publisher) -> None:
    image = images.folder / GDB
    store = images.folder.parent / "store"
    subprocess.run(["casync", "make", f"--store={store}", f"{image}.caibx", image], check=True, capture_output=True)
    made = Path(f"{image}.caibx").read_bytes()
    images.run("--chunks")
    assert index_name(GDB) in images.listed
    assert Path(f"{image}.caibx").read_bytes() == made


@pytest.mark.parametrize("wrong", ["of another image", "damaged", "nothing"])
def test_an_index_that_is_wrong_is_not_listed(images: Publisher, wrong: str) -> None:
    images.image("gdb", "2.0", size_mib=2)
    images.run("--chunks")
    path = images.folder / index_name(GDB)
    good = path.read_bytes()
    match wrong:
        case "of another image":
            path.write_bytes((images.folder / index_name("gdb-2.0.x86-64.raw")).read_bytes())
        case "damaged":
            path.write_bytes(good[:80] + b"x" + good[81:])
        case "nothing":
            path.write_bytes(b"")
    images.run()
    assert index_name(GDB) not in images.listed
    images.run("--chunks")
    assert index_name(GDB) in images.listed
    assert path.read_bytes() == good


def test_a_packed_image_has_none(images: Publisher) -> None:
    pack(images.folder / GDB, "zst")
    images.run("--chunks")
    assert not list(images.folder.glob("*.caibx"))


def test_it_goes_with_its_image(images: Publisher) -> None:
    images.image("gdb", "2.0", size_mib=1)
    images.run("--chunks")
    images.run("--chunks", "--keep", "1")
    assert (images.folder / index_name(GDB)).exists(), "machines may still ask for it"
    days_later(images, 91)
    images.run("--chunks", "--keep", "1")
    assert [path.name for path in images.folder.glob("*.caibx")] == [index_name("gdb-2.0.x86-64.raw")]


def test_bounds_are_kept(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    for name, content in FILES.items():
        path = tmp_path / name
        path.write_bytes(content)
        index = parse(chunk_index(path), where=name)
        ends = [0, *(end for _, end, _ in index.chunks())]
        assert all(1024 <= behind - begin <= 16_384 for begin, behind in list(pairwise(ends))[:-1])
