# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that do not work, and inputs that make one die: who is to blame shows the control run (threats P3, P14)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from tests.broken_tools import INPUT_WAYS, WAYS, break_on, break_tool
from tests.known_good import make_known_good_image
from tests.lab.images import make_image
from tests.lab.signing import SigningKey
from tukit_sysext.errors import ImageBroken, NoVerdict, ToolBroken
from tukit_sysext.formats.gpgv_status import SignatureCheck
from tukit_sysext.system import gpgv, inspect_image, process
from tukit_sysext.system.control import KNOWN_GOOD, Control
from tukit_sysext.system.inspect_image import Inspection

LIST = b"a list\n"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has tried no program yet, and does not wait long for one that hangs."""
    control = Control()
    for module in (gpgv, inspect_image):
        monkeypatch.setattr(module, "CONTROL", control)
        monkeypatch.setattr(module, "_TIMEOUT", 2.0)


def tool_at(monkeypatch: pytest.MonkeyPatch, tool: str, path: Path) -> None:
    """Have another program in the place of one of ours."""
    module, name = {"gpgv": (gpgv, "GPGV"), "dissect": (inspect_image, "DISSECT"), "prlimit": (process, "PRLIMIT")}[
        tool
    ]
    monkeypatch.setattr(module, name, str(path))


@contextmanager
def runs_counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """The command lines that are run meanwhile."""
    ran: list[list[str]] = []
    real = process.run

    def counted(argv: list[str], **options: object) -> process.ProcessResult:
        ran.append(list(argv))
        return real(argv, **options)  # type: ignore[arg-type]  # as it was called

    for module in (gpgv, inspect_image):
        monkeypatch.setattr(module, "run", counted)
    yield ran


def check_good() -> SignatureCheck:
    key = SigningKey.shared()
    return gpgv.check_signature(LIST, key.sign(LIST), [key.public()])


def look(path: Path, scratch: Path) -> Inspection:
    return inspect_image.inspect_image(path, preferred="gdb", scratch=scratch)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return make_image(tmp_path / "images", "gdb", "1", release={"ID": "_any"}, manifest=None)


# --- a program that does not work: nobody else is to blame ------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tool", ["gpgv", "prlimit"])
def test_a_broken_gpgv_is_a_fault_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str, way: str
) -> None:
    tool_at(monkeypatch, tool, break_tool(tmp_path / "tool", way))
    with pytest.raises(ToolBroken) as caught:
        check_good()
    assert caught.value.next_step is not None


@pytest.mark.root
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tool", ["dissect", "prlimit"])
def test_a_broken_dissect_is_a_fault_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: Path, tool: str, way: str
) -> None:
    tool_at(monkeypatch, tool, break_tool(tmp_path / "tool", way))
    with pytest.raises(ToolBroken):
        look(image, tmp_path / "scratch")
    assert os.listdir(tmp_path / "scratch") == []


@pytest.mark.root
@pytest.mark.parametrize("content", [b"", b"<html>\n", os.urandom(8192)])
def test_a_broken_dissect_convicts_no_image_that_is_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """Nothing is known without a program that works: what is bad is found to be bad when there is one."""
    bad = tmp_path / "bad.raw"
    bad.write_bytes(content)
    with monkeypatch.context() as broken:
        tool_at(broken, "dissect", break_tool(tmp_path / "tool", "fails at everything"))
        with pytest.raises(ToolBroken):
            look(bad, tmp_path / "scratch")
    with pytest.raises(ImageBroken):
        look(bad, tmp_path / "scratch")


def test_what_hangs_is_waited_for_twice_and_not_for_each_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool_at(monkeypatch, "gpgv", break_tool(tmp_path / "tool", "hangs"))
    monkeypatch.setattr(gpgv, "_TIMEOUT", 1.0)
    with runs_counted(monkeypatch) as ran:
        for _ in range(5):
            with pytest.raises(ToolBroken, match="fails on a good input too"):
                check_good()
    assert len(ran) == 2


# --- an input that makes a program die: the program works, nobody is convicted ---------------------------------------


@pytest.mark.parametrize("way", INPUT_WAYS)
def test_a_signature_of_which_gpgv_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    tool_at(monkeypatch, "gpgv", break_on(tmp_path / "tool", gpgv.GPGV, way))
    with pytest.raises(NoVerdict, match="gpgv"):
        check_good()


def test_a_signature_of_which_gpgv_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool_at(monkeypatch, "gpgv", break_on(tmp_path / "tool", gpgv.GPGV, "says nothing"))
    with pytest.raises(NoVerdict, match="it says nothing"):
        check_good()


@pytest.mark.root
@pytest.mark.parametrize("way", INPUT_WAYS)
def test_an_image_of_which_dissect_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: Path, way: str) -> None:
    tool_at(monkeypatch, "dissect", break_on(tmp_path / "tool", inspect_image.DISSECT, way))
    with pytest.raises(NoVerdict, match="systemd-dissect"):
        look(image, tmp_path / "scratch")
    assert os.listdir(tmp_path / "scratch") == []


@pytest.mark.root
@pytest.mark.parametrize(
    "words",
    [
        "Cannot allocate memory",
        "Device or resource busy",
        "No such device",
        "Operation not supported",
    ],
)
def test_what_is_short_on_the_machine_convicts_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: Path, words: str
) -> None:
    """It may have come after the control run, or be of one kind of image alone."""
    dissect = break_on(tmp_path / "tool", inspect_image.DISSECT, "killed")
    dissect.write_text(dissect.read_text().replace(WAYS["killed"], f"echo Failed to mount image: {words} >&2; exit 1"))
    tool_at(monkeypatch, "dissect", dissect)
    with pytest.raises(NoVerdict, match=words):
        look(image, tmp_path / "scratch")


# --- the good path, and what is shipped ------------------------------------------------------------------------------


@pytest.mark.root
def test_what_is_good_costs_no_control_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: Path) -> None:
    with runs_counted(monkeypatch) as ran:
        assert check_good().good
        look(image, tmp_path / "scratch")
    assert not [argv for argv in ran if str(KNOWN_GOOD) in " ".join(argv)]
    assert len(ran) == 3


@pytest.mark.root
def test_what_is_bad_costs_one_control_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "bad.raw"
    bad.write_bytes(b"<html>\n")
    with runs_counted(monkeypatch) as ran:
        for _ in range(3):
            with pytest.raises(ImageBroken):
                look(bad, tmp_path / "scratch")
    assert len([argv for argv in ran if str(KNOWN_GOOD) in " ".join(argv)]) == 2  # release folder, os-release


@pytest.mark.parametrize("year", ["1970-01-02", "2100-01-01"])
def test_what_is_shipped_is_good_in_any_year(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, year: str) -> None:
    """A clock of its own, so that gpgv has another day."""
    clock = tmp_path / "clock.so"
    source = tmp_path / "clock.c"
    now = int(datetime.fromisoformat(f"{year}T00:00+00:00").timestamp())
    source.write_text(f"#include <time.h>\ntime_t time(time_t *t) {{ if (t) *t = {now}; return {now}; }}\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", clock, source], check=True)
    aged = tmp_path / "gpgv"
    aged.write_text(f'#!/bin/sh\nLD_PRELOAD={clock} exec {gpgv.GPGV} "$@"\n')
    aged.chmod(0o755)
    tool_at(monkeypatch, "gpgv", aged)
    gpgv.try_gpgv()


@pytest.mark.root
@pytest.mark.tool("mksquashfs")
def test_what_is_shipped_can_be_made_again(tmp_path: Path) -> None:
    made = tmp_path / "image.raw"
    make_known_good_image(tmp_path / "tree", made)
    names = [
        inspect_image.inspect_image(path, preferred="known-good", scratch=tmp_path / "scratch").merge_name
        for path in (made, KNOWN_GOOD / "image.raw")
    ]
    assert names == ["known-good", "known-good"]


def test_what_is_shipped_is_small() -> None:
    sizes = {path.name: path.stat().st_size for path in KNOWN_GOOD.iterdir()}
    assert sizes.keys() == {"image.raw", "keyring.gpg", "list", "list.sig"}
    assert max(sizes.values()) <= 4096
