# SPDX-License-Identifier: LGPL-2.1-or-later
"""Indexes as casync writes them, and files that are none."""

from __future__ import annotations

import hashlib
import random
import struct
import subprocess
from pathlib import Path

import pytest

from tukit_sysext.formats.caibx import LIMIT, MOST_CHUNKS, ChunkSizes, IndexRefused, compose, parse

CONTENT = random.Random(3).randbytes(300_000)
SIZES = ChunkSizes.around(16384)


def casync(folder: Path, content: bytes, *options: str) -> bytes:
    """The index that casync makes of a file."""
    (folder / "file").write_bytes(content)
    command = ["casync", "make", f"--store={folder}/store", *options, f"{folder}/file.caibx", f"{folder}/file"]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "file.caibx").read_bytes()


@pytest.mark.tool("casync")
@pytest.mark.parametrize("content", [CONTENT, CONTENT[:100], b"\0" * 300_000, b""], ids=["long", "short", "0", "empty"])
@pytest.mark.parametrize("digest", ["sha256", "sha512-256"])
def test_what_casync_writes_is_read(tmp_path: Path, content: bytes, digest: str) -> None:
    index = parse(casync(tmp_path, content, f"--digest={digest}", "--chunk-size=16384"), where="index")
    assert index.size == len(content)
    assert index.sizes == SIZES
    assert [index.is_chunk(number, content[begin:end]) for number, (begin, end, _) in enumerate(index.chunks())] == [
        True
    ] * len(index)
    assert not any(index.is_chunk(number, b"other") for number in range(len(index)))


@pytest.mark.tool("casync")
def test_what_is_written_is_what_casync_writes(tmp_path: Path) -> None:
    theirs = casync(tmp_path, CONTENT, "--digest=sha256", "--chunk-size=16384")
    index = parse(theirs, where="index")
    assert compose(index.sizes, [(end, chunk) for _, end, chunk in index.chunks()]) == theirs


@pytest.mark.tool("casync")
def test_casync_reads_what_is_written(tmp_path: Path) -> None:
    casync(tmp_path, CONTENT, "--digest=sha256", "--chunk-size=16384")
    ends = [
        index.end(number)
        for index in [parse((tmp_path / "file.caibx").read_bytes(), where="")]
        for number in range(len(index))
    ]
    chunks = [(end, hashlib.sha256(CONTENT[begin:end]).digest()) for begin, end in zip([0, *ends], ends, strict=False)]
    (tmp_path / "ours.caibx").write_bytes(compose(SIZES, chunks))
    command = ["casync", "extract", f"--store={tmp_path}/store", f"{tmp_path}/ours.caibx", f"{tmp_path}/again"]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "again").read_bytes() == CONTENT


CHUNKS = [(5000, b"a" * 32), (21_000, b"b" * 32), (21_001, b"c" * 32)]
GOOD = compose(SIZES, CHUNKS)


def test_a_small_one() -> None:
    index = parse(GOOD, where="index")
    assert (len(index), index.size, index.digest) == (3, 21_001, "sha256")
    assert list(index.chunks()) == [(0, 5000, b"a" * 32), (5000, 21_000, b"b" * 32), (21_000, 21_001, b"c" * 32)]
    assert list(index.ids()) == [chunk for _, chunk in CHUNKS]


def with_number(content: bytes, offset: int, value: int) -> bytes:
    return content[:offset] + struct.pack("<Q", value) + content[offset + 8 :]


REFUSED = {
    "nothing": b"",
    "a page": b"<html>" * 100,
    "cut": GOOD[:-1],
    "longer": GOOD + b"\0",
    "a chunk less": GOOD[:64] + GOOD[104:],
    "another header": with_number(GOOD, 0, 56),
    "another type": with_number(GOOD, 8, 1),
    "another table": with_number(GOOD, 56, 1),
    "a table with an end": with_number(GOOD, 48, 5),
    "another tail": with_number(GOOD, len(GOOD) - 8, 1),
    "a tail of another place": with_number(GOOD, len(GOOD) - 24, 0),
    "no least size": with_number(GOOD, 24, 0),
    "average above most": with_number(GOOD, 32, 1 << 17),
    "chunks without bounds": with_number(GOOD, 40, 1 << 40),
    "chunks that are too small": compose(SIZES, [(1, b"a" * 32), *CHUNKS]),
    "chunks that are too large": compose(SIZES, [(65_537, b"a" * 32)]),
    "chunks that go back": compose(SIZES, [(21_000, b"a" * 32), (5000, b"b" * 32)]),
    "an empty chunk": compose(SIZES, [(21_000, b"a" * 32), (21_000, b"b" * 32)]),
    "a chunk beyond everything": compose(SIZES, [(2**64 - 1, b"a" * 32)]),
    "too many": compose(SIZES, [(16384 * (number + 1), b"a" * 32) for number in range(MOST_CHUNKS + 1)]),
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_what_is_no_index_is_refused(content: bytes) -> None:
    with pytest.raises(IndexRefused, match=r"^index: "):
        parse(content, where="index")


def test_the_largest_is_within_the_limit() -> None:
    content = compose(SIZES, [(16384 * (number + 1), b"a" * 32) for number in range(MOST_CHUNKS)])
    assert len(content) == LIMIT
    assert parse(content, where="index").size == MOST_CHUNKS * 16384
