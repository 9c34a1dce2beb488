# SPDX-License-Identifier: LGPL-2.1-or-later
"""What reaches a terminal, a pipe, and a reader of JSON; screens are those of a real terminal (pty)."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys

import pytest

from tests.machine import NEW, OLD, PlainMachine, with_source
from tests.terminal import plain
from tukit_sysext import cli
from tukit_sysext.quantities import size_text
from tukit_sysext.terminal import output as output_module
from tukit_sysext.terminal.output import Output, has_colours
from tukit_sysext.terminal.text import Table, Tone, Toned

_NAMES = """
gdb strace k3s docker-ce htop debugtools incus tailscale nvidia-open-driver-G06 podman-next crun vim wireshark-cli
bpftrace perf neovim cockpit fail2ban zfs-kmp ceph-common kubernetes1.31-client sysstat tcpdump iperf nmap ethtool
mosh tmux zsh fish emacs-nox git-lfs rclone restic borgbackup syncthing wireguard-tools chrony-ng systemd-devel-257
a-very-long-name-of-an-extension-image-for-tests
"""
NAMES = tuple(_NAMES.split())

LONG = "SYSEXT_LEVEL is glibc-2.43, the system has glibc-2.42, and more words than a line of a terminal has room for"
HEAD = ("Image", "Version", "State")


def made(width: int | None = None, *, colours: bool = False, **options: bool) -> tuple[Output, io.StringIO]:
    stream = io.StringIO()
    return Output(stream=stream, errors=io.StringIO(), width=width, colours=colours, **options), stream


def drawn(width: int | None, *rows: tuple[str, ...], colours: bool = False, head: tuple[str, ...] = HEAD) -> list[str]:
    output, stream = made(width, colours=colours)
    output.table(head, rows, wraps=(-1,))
    return stream.getvalue().splitlines()


def test_a_pipe_gets_all_in_one_line() -> None:
    assert drawn(None, ("gdb", "15.2", LONG), ("strace", "-", "whole")) == [
        "Image   Version  State",
        f"gdb     15.2     {LONG}",
        "strace  -        whole",
    ]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_terminal_is_not_overrun_and_loses_nothing(width: int) -> None:
    name, version = "nvidia-open-driver-G06", "v1.31.5+k3s1"
    lines = drawn(width, (name, version, LONG), ("gdb", "1", "whole"))
    assert max(map(len, lines)) <= width
    assert f"{name}  {version}  " in lines[1]
    told = " ".join(line[len(f"{name}  {version}  ") :] for line in lines[1:-1])
    assert told == LONG
    assert lines[-1].split() == ["gdb", "1", "whole"]


def test_a_name_that_leaves_no_room_stands_alone() -> None:
    name = "n" * 70
    lines = drawn(80, ("gdb", "15.2", LONG), (name, "v1.31.5+k3s1", LONG))
    assert name in lines
    assert max(map(len, lines)) <= 80
    assert all(word in "".join(lines) for word in ("v1.31.5+k3s1", "15.2"))


def test_what_cannot_fit_is_not_cut() -> None:
    row = ("n" * 50, "v" * 50, "s" * 50)
    told = "".join("".join(drawn(60, row)).split())
    assert all(told.count(letter) >= 50 for letter in "nvs")


def test_columns_can_be_aligned_to_the_right() -> None:
    for width in (None, 40):
        output, stream = made(width, colours=width is not None)
        output.table(("Size", "Name"), [("1 B", "a"), ("100.0 KiB", "b")], right=(0,), indent=2)
        lines = plain(stream.getvalue()).splitlines()
        assert [line.rindex(end) for line, end in zip(lines, ("Size", "1 B", "KiB"), strict=True)] == [7, 8, 8]


def test_nothing_from_a_disk_commands_a_terminal() -> None:
    evil = "a\033[31m\nb\x9b"
    for width in (None, 80):
        output, stream = made(width)
        output.tell(evil)
        output.table(("A", "B"), [(evil, evil), (LONG, "x" * 90)])
        output.warn(evil, next_step=evil)
        assert isinstance(output.errors, io.StringIO)
        told = stream.getvalue() + output.errors.getvalue()
        assert "\033" not in told and "\x9b" not in told
        assert told.count("a\\x1b[31m\\nb\\x9b") == 4
        assert "next step: a\\x1b[31m\n    b\\x9b\n" in told, "each part on a line of its own"


def test_long_lines_wrap_at_words_with_their_indent() -> None:
    output, stream = made(60)
    output.tell(f"  gdb: {LONG}")
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 60 and len(lines) > 1
    assert lines[0].startswith("  gdb: ") and all(line.startswith("    ") for line in lines[1:])
    assert " ".join(line.strip() for line in lines) == f"gdb: {LONG}"


def test_colours_are_those_that_were_asked_for_and_change_no_text() -> None:
    rows = (("gdb", "15.2", Toned("whole", Tone.GOOD)), ("strace", "6", Toned(LONG, Tone.BAD)))
    coloured, without = drawn(80, *rows, colours=True), drawn(80, *rows)
    assert [plain(line).rstrip() for line in coloured] == without
    assert any("\033[32mwhole" in line for line in coloured)
    output, stream = made(80, colours=True)
    output.tell(Toned("bad", Tone.BAD))
    output.tell("as ever")
    assert stream.getvalue() == "\033[1;31mbad\033[0m\nas ever\n"


def test_who_has_colours() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    assert has_colours(terminal, {"TERM": "xterm"})
    assert not has_colours(terminal, {"TERM": "dumb"})
    assert not has_colours(terminal, {"TERM": "xterm", "NO_COLOR": "1"})
    assert not has_colours(terminal, {})
    assert not has_colours(io.StringIO(), {"TERM": "xterm"})


def test_quiet_and_json() -> None:
    quiet, stream = made(quiet=True)
    quiet.say("about it")
    quiet.tell("asked for")
    quiet.json({"a": 1})
    assert stream.getvalue() == "asked for\n"
    as_json, stream = made(wants_json=True)
    as_json.say("about it")
    as_json.show(["asked for", Table(("A",), [("b",)])])
    as_json.json({"ä": 1})
    assert json.loads(stream.getvalue()) == {"ä": 1}


def test_without_rich_tables_are_those_of_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tukit_sysext.terminal.table_drawing", raising=False)
    monkeypatch.setitem(sys.modules, "rich.table", None)
    assert drawn(80, ("gdb", "15.2", LONG), colours=True)[1] == f"gdb    15.2     {LONG}"


def test_sizes_are_in_binary_units() -> None:
    assert [size_text(size) for size in (0, 1023, 1024, 5 * 1024**2, 3 * 1024**3, 2048 * 1024**3)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "5.0 MiB",
        "3.0 GiB",
        "2.0 TiB",
    ]


@pytest.fixture(scope="module", params=[3, 40])
def many_images(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PlainMachine:
    """Images, some of which changed in eight snapshots, some of which are wanted."""
    site = with_source(tmp_path_factory.mktemp("site"))
    names = NAMES[: request.param]
    for number, name in enumerate(names):
        site.publish(name, "1.1")
        site.publish(name, f"v1.{number}.2+k3s1", OLD if number % 3 else NEW)
        if number % 4:
            site.want(name, **({"Hold": "1.1"} if number % 4 == 1 else {}))
    for number in range(1, 9):
        images = {name: f"1.{(number + place) // 5}" for place, name in enumerate(names) if (number + place) % 7}
        site.snapshot_with(number, images, default=number == 8)
    site.boot(7)
    return site


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize(
    "command",
    [
        "list",
        "list --all",
        "snapshots",
        "status",
        pytest.param("check", marks=pytest.mark.root),
        pytest.param("why-not gdb", marks=pytest.mark.root),
    ],
)
def test_screens_fit_and_no_name_or_version_is_cut(many_images: PlainMachine, command: str, columns: int) -> None:
    status, screen = many_images.on_terminal(*command.split(), columns=columns)
    lines = plain(screen).splitlines()
    piped = many_images.command(*command.split())
    assert status == piped.returncode
    wide = [line for line in lines if len(line) > columns or line != line.rstrip()]
    assert [line for line in wide if not line.startswith("  tukit-sysext ")] == [], "what is to be copied stays whole"
    words = {word for word in re.findall(r"[\w.+-]{3,}", piped.stdout) if word in NAMES or "+k3s1" in word}
    missing = words - set(re.findall(r"[\w.+-]{3,}", re.sub(r"=v", " v", plain(screen))))
    assert not missing
    assert "\033[" in screen and "\033[" not in piped.stdout
    assert "…" not in screen


def test_no_color_and_dumb_terminals(many_images: PlainMachine) -> None:
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        _, screen = many_images.on_terminal("list", environment=environment)
        assert "\033[" not in screen
        assert "Installed" in screen


def test_a_narrow_terminal_is_asked_for_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for told, width in (("100", 100), ("0", 80), ("wide", 80), ("", 80)):
        monkeypatch.setenv("COLUMNS", told)
        monkeypatch.setattr("shutil.get_terminal_size", lambda *_, **__: os.terminal_size((80, 24)))
        assert output_module.terminal_width(Terminal()) == width
    assert output_module.terminal_width(io.StringIO()) is None


def test_the_hooks_import_neither_rich_nor_commands() -> None:
    """They run in every transaction, whoever reads their output."""
    code = (
        "import sys\n"
        "import tukit_sysext.entry, tukit_sysext.update.transaction, tukit_sysext.ledger.settling\n"
        "import tukit_sysext.plugins.builtin\n"
        "import tukit_sysext.progress.notice, tukit_sysext.collect.collection, tukit_sysext.plugins.builtin.guard\n"
        "print(sorted(name for name in sys.modules if name.startswith(('rich', 'tukit_sysext.commands'))))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("command", ["list", "status", "snapshots"])
def test_a_pipe_needs_no_rich(many_images: PlainMachine, command: str) -> None:
    done = many_images.command("-v", command, environment={"PYTHONPROFILEIMPORTTIME": "1"})
    assert "tukit_sysext.terminal.output" in done.stderr
    assert not re.search(r"\brich\b", done.stderr)


@pytest.mark.parametrize(
    "words",
    ["check", "history", "gc -n", "status --follow", "status", "list -i", "list -u", "update -n", "adopt -n", "config"],
)
def test_an_empty_answer_is_one_sentence_of_one_style(
    site: PlainMachine, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    cli.main(words.split(), machine=site.machine)
    told = [line.strip() for line in capsys.readouterr().out.splitlines()]
    empty = [line for line in told if re.fullmatch(r"No [a-z ]+(?:: [^:]+)?\.", line)]
    assert empty, told
    assert not [line for line in told if re.match(r"(?:Nothing|nothing|no|There is no|The .* is empty)\b", line)]
