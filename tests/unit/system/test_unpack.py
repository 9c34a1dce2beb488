# SPDX-License-Identifier: LGPL-2.1-or-later
"""Unpacking in a child: what comes out, what it may not, and who is to blame (threat N32)."""

from __future__ import annotations

import os
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.packing import PACKINGS, PROGRAMS, layer, no_zstandard, packed
from tukit_sysext.errors import ImageBroken, NoVerdict, StoreError
from tukit_sysext.rules.image_names import LAYER
from tukit_sysext.system import unpack, unpacker

CONTENT = os.urandom(3_000_000) + bytes(5_000_000)


@contextmanager
def opened(content: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("packed", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield descriptor
    finally:
        os.close(descriptor)


def unpacked(content: bytes, packing: str) -> bytes:
    taken = bytearray()
    with opened(content) as descriptor:
        unpack.unpack(descriptor, packing, taken.extend)
    return bytes(taken)


@pytest.mark.parametrize("packing", PACKINGS)
def test_what_is_in_it_comes_out(packing: str) -> None:
    content = packed(CONTENT, packing)
    assert unpacked(content, packing) == CONTENT
    assert unpacked(content + packed(b"more", packing), packing) == CONTENT + b"more", "several parts are one file"
    assert unpacked(packed(b"", packing), packing) == b""


@pytest.mark.parametrize("compression", ["", "gz", pytest.param("zst", marks=no_zstandard)])
def test_the_one_file_of_a_container_image(compression: str) -> None:
    """As podman build makes it of FROM scratch and COPY gdb.raw /usr/share/."""
    content = layer({"usr": None, "usr/share": None, "usr/share/gdb.raw": CONTENT}, compression)
    assert unpacked(content, LAYER) == CONTENT


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (layer({}), "expected one file that ends in .raw, found none"),
        (layer({"a.raw": b"x", "b.raw": b"y"}), "found 'b.raw' as well"),
        (layer({"usr/bin/hello": b"x"}), "found 'usr/bin/hello' as well"),
        (layer({"gdb.raw": b"x", ".wh.old": b""}), "found '.wh.old' as well"),
        (layer({"gdb.raw": b""}, kind=tarfile.SYMTYPE), "found 'gdb.raw' as well"),
        (layer({"gdb.raw": b""}, kind=tarfile.LNKTYPE), "found 'gdb.raw' as well"),
        (layer({"gdb.raw": b""}, kind=tarfile.CHRTYPE), "found 'gdb.raw' as well"),
        (layer({"gdb.raw": CONTENT[:100_000]})[:-5000], r"\w+"),
        (layer({"gdb.raw": CONTENT[:100_000]}, "")[:-60_000], "unexpected end of data"),
        (b"no", "ReadError"),
        (b"", "ReadError"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_another_layer_is_the_publishers(content: bytes, words: str) -> None:
    with pytest.raises(ImageBroken, match=rf"it cannot be unpacked \(layer\): .*{words}"):
        unpacked(content, LAYER)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("spoil", [lambda content: content[:-20], lambda content: b"no" + content, lambda _: b"x"])
def test_bad_data_is_the_publishers(packing: str, spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ImageBroken, match=rf"it cannot be unpacked \({packing}\): \w+") as caught:
        unpacked(spoil(packed(CONTENT[:100_000], packing)), packing)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("packing", PACKINGS)
def test_whoever_takes_it_stops_it(packing: str) -> None:
    """A bomb: of 2 GiB that 2 MiB make, no more comes than is wanted."""
    zeros = packed(bytes(64 * 1024 * 1024), packing)
    taken: list[int] = []

    def take(piece: bytes) -> None:
        taken.append(len(piece))
        if sum(taken) > 1_000_000:
            raise StoreError("enough")

    begun = time.monotonic()
    with opened(zeros * 32) as descriptor, pytest.raises(StoreError, match="enough"):
        unpack.unpack(descriptor, packing, take)
    assert sum(taken) < 3_000_000
    assert time.monotonic() - begun < 5


def child(path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(script)
    monkeypatch.setattr(unpacker, "__file__", str(path))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (f"import sys; print('no', file=sys.stderr); sys.exit({unpacker.BAD_DATA})", "no"),
        (f"import sys; print('No module', file=sys.stderr); sys.exit({unpacker.NO_LIBRARY})", "No module"),
        ("import os; os.kill(os.getpid(), 9)", "killed by signal 9"),
        ("import sys; sys.exit(3)", "status 3"),
    ],
)
def test_one_that_does_not_work_convicts_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    """It says so of everything, of what is known to be good as well."""
    child(tmp_path / "child.py", script, monkeypatch)
    with pytest.raises(NoVerdict, match=words):
        unpacked(packed(CONTENT, "xz"), "xz")


def test_one_that_hangs_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child(tmp_path / "child.py", "import signal; signal.pause()", monkeypatch)
    monkeypatch.setattr(unpack, "_TIMEOUT", 0.3)
    with pytest.raises(NoVerdict, match="no end after"):
        unpacked(packed(CONTENT, "xz"), "xz")


@pytest.mark.root
def test_it_may_write_nowhere_and_is_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where anybody may."""
    descriptor, name = tempfile.mkstemp(dir="/var/tmp")
    os.fchmod(descriptor, 0o666)
    place = Path(name)
    attempt = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(unpacker.__file__).parent)!r})
import unpacker
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
status = unpacker.main(sys.argv[1], int(sys.argv[2]))
try:
    os.write(os.open({name!r}, os.O_WRONLY), b"x" * 10)
except OSError as error:
    print(os.getresuid(), os.getgroups(), error.strerror)
"""
    child(tmp_path / "child.py", attempt, monkeypatch)
    try:
        content = unpacked(packed(b"hello\n", "gz"), "gz").decode()
        assert content == "hello\n(65534, 65534, 65534) [] File too large\n"
        assert place.read_bytes() == b""
    finally:
        os.close(descriptor)
        place.unlink()


def test_too_much_memory_is_bad_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "_MEMORY", 100 << 20)
    content = __import__("subprocess").run(
        ["xz", "-c", "--lzma2=dict=256MiB"], input=CONTENT, capture_output=True, check=True
    )
    with pytest.raises(ImageBroken, match="memory"):
        unpacked(content.stdout, "xz")


def test_every_packing_has_a_known_good_input() -> None:
    assert set(unpack._KNOWN_GOOD) == {*PROGRAMS, LAYER}
