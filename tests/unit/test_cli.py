# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line: usage, rights, and a reader that goes away."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

from tests.machine import PlainMachine
from tests.trees import make_tree
from tukit_sysext import __version__, cli
from tukit_sysext.grammar import PARTS, parser
from tukit_sysext.grammar.questions import INSTEAD, ONE_LINE


def commands() -> list[str]:
    (action,) = [found for found in parser()._actions if isinstance(found, argparse._SubParsersAction)]
    return sorted(choice.dest for choice in action._choices_actions)  # those without help are hidden


def choices(words: Sequence[str]) -> set[str]:
    """What can follow these words' program, hidden commands too."""
    (action,) = [found for found in parser(words)._actions if isinstance(found, argparse._SubParsersAction)]
    return set(action.choices)


@pytest.mark.parametrize("command", commands())
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert f"tukit-sysext {command}" in out
    assert len(out.splitlines()) > 4


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert [command for command in commands() if command not in out] == []


def test_help_has_a_line_for_each_command_below_headings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    out = capsys.readouterr().out
    headings = re.findall(r"^([A-Z].*):$", out, re.M)
    assert headings == [*(part.TITLE for part in PARTS), "Options"]
    for part in PARTS:
        below = out.partition(f"\n{part.TITLE}:\n")[2].partition("\n\n")[0].splitlines()
        assert [line.split()[0] for line in below] == list(part.NAMES), "a line for each"
    assert "complete" not in out


@pytest.mark.parametrize("command", commands())
def test_help_says_what_a_command_answers_and_which_one_else(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    out = capsys.readouterr().out
    first = ONE_LINE[command]
    assert f"\n\n{first[:1].upper()}{first[1:]}.\n\n" in out
    beside = out.partition("\nfor another question:\n")[2].splitlines()
    assert [line.split()[0] for line in beside] == list(INSTEAD[command])
    assert all(len(line) <= 80 and line.endswith(ONE_LINE[line.split()[0]]) for line in beside)


def every_parser(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser, and those of its commands and their actions."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from every_parser(below)


@pytest.mark.parametrize("columns", [30, 60, 80, 81, 100])
def test_help_breaks_no_path_and_no_option(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    seen = list(every_parser(parser()))
    for each in seen:
        formatter = each._get_formatter()
        texts = [each.description or "", each.epilog or ""]
        texts += [formatter._expand_help(action) for action in each._actions if action.help]
        words = {word for text in texts for word in text.split() if "-" in word or "/" in word}
        assert words - set(each.format_help().split()) == set(), each.prog
    assert len(seen) > 30


def test_commands_that_are_mixed_up_lead_to_each_other() -> None:
    checking = {"check", "preflight", "verify", "doctor", "status"}
    for command in checking:
        assert checking - {command} == checking & set(INSTEAD[command]), command
    assert set(ONE_LINE) == set(INSTEAD) == set(commands())


@pytest.mark.parametrize(
    ("argv", "told", "step"),
    [
        (
            ["instal", "gdb"],
            'No command "instal". Did you mean install?',
            "tukit-sysext --help",
        ),
        (["unheard-of"], 'No command "unheard-of".', "tukit-sysext --help"),
        (["completes"], 'No command "completes".', "tukit-sysext --help"),
        (["x\x1b"], 'No command "x\\x1b".', "tukit-sysext --help"),
        (
            ["sources", "ad"],
            'No command "ad". Did you mean add?',
            "tukit-sysext sources --help",
        ),
    ],
)
def test_no_command_that_there_is(capsys: pytest.CaptureFixture[str], argv: list[str], told: str, step: str) -> None:
    """No list of all, with those that only shells and units use."""
    with pytest.raises(SystemExit) as ended:
        cli.main(argv)
    assert (ended.value.code, capsys.readouterr().err) == (2, f"tukit-sysext: {told}\n  next step:\n    {step}\n")


def test_no_command_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    told = capsys.readouterr().err
    assert (ended.value.code, told.splitlines()[0]) == (2, "tukit-sysext: No command was given. Often used:")
    assert "  status        which images this machine has now, and what is wrong\n" in told
    assert told.endswith("\n  next step:\n    tukit-sysext --help\n")
    assert "complete" not in told and "usage" not in told and len(told.splitlines()) < 10


def test_an_option_that_a_command_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["check", "--unheard\x1b"])
    told = capsys.readouterr().err
    assert told.startswith("usage: tukit-sysext check ")
    assert told.endswith("tukit-sysext check: error: unrecognized arguments: --unheard\\x1b\n")


@pytest.mark.parametrize(
    "argv",
    [["check", "--unheard-of"], ["check", "--root"], ["status", "word"], ["adopt", "--policy=x"]],
)
def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(argv)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: tukit-sysext")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"tukit-sysext {__version__}\n")


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__.rpartition(".")[2])
def test_a_command_is_parsed_without_those_of_other_subjects(part: ModuleType) -> None:
    for name in part.NAMES:
        assert choices([name]) - {"complete"} == set(part.NAMES)
    assert choices(["unheard-of"]) == choices([]) > set(part.NAMES)


@pytest.mark.parametrize("command", ["adopt", "settle"])
def test_what_changes_something_needs_root(
    snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Threat L8: said before anything is touched."""
    snapshot_7.as_user()
    assert cli.main([command], machine=snapshot_7.machine) == 1
    err = capsys.readouterr().err
    assert f"{command} needs root" in err
    assert f"sudo tukit-sysext {command}" in err
    assert not (snapshot_7.root / "var").exists()
    assert not (snapshot_7.root / "run").exists()


@pytest.mark.parametrize(
    "line",
    [
        "gc --dry-run",
        "why gdb",
        "install gdb --version '>=15,<16' --optional",
        "remove gdb --now",
        "hold gdb=15.2 --root 'a tree'",
        "verify --boot",
        "sources reset main",
        "purge --json",
    ],
)
def test_who_is_told_to_be_root_is_told_all_that_he_typed(
    snapshot_7: PlainMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    """What is typed by that is what was meant: without --dry-run it would delete images."""
    snapshot_7.as_user()
    monkeypatch.chdir(make_tree(snapshot_7.root, {"etc/tukit-sysext/images.d/gdb.conf": "[Image]\n"}))
    make_tree(snapshot_7.root / "a tree", {"etc/tukit-sysext/images.d/gdb.conf": "[Image]\n"})
    assert cli.main(shlex.split(line), machine=snapshot_7.machine) == 1
    assert capsys.readouterr().err.endswith(f" needs root\n  next step:\n    sudo tukit-sysext {line}\n")


def test_a_password_that_was_typed_is_not_told_in_a_next_step(
    snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such an address is refused to root, too."""
    snapshot_7.as_user()
    assert (
        cli.main(
            ["sources", "add", "web", "https://lab:geheim@images.example.org/", "--fingerprint", "F" * 40],
            machine=snapshot_7.machine,
        )
        == 2
    )
    assert "geheim" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("argv", [["check"], ["check", "--json"], ["status"], ["status", "--json"], ["snapshots"]])
def test_what_reads_works_for_everybody_and_writes_nothing(
    snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    snapshot_7.as_user()
    before = sorted(snapshot_7.root.rglob("*"))
    argv = [*argv, "--root", str(snapshot_7.tree(7))] if argv[0] == "check" else argv
    assert cli.main(argv, machine=snapshot_7.machine) == 0
    out, err = capsys.readouterr()
    assert out
    assert err == ""
    assert sorted(snapshot_7.root.rglob("*")) == before


def test_check_tells_a_refusal(snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(snapshot_7.tree(7), {"etc/tukit-sysext/images.d/gdb.conf": "[Image]\n"})
    snapshot_7.has_for_former_system("gdb")
    assert cli.main(["check", "--root", str(snapshot_7.tree(7))], machine=snapshot_7.machine) == 75
    assert "REFUSES THE UPDATE" in capsys.readouterr().out


def test_a_tree_that_is_none(snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--root", "/nowhere"], machine=snapshot_7.machine) == 1
    assert "/nowhere" in capsys.readouterr().err


def test_a_fault_of_ours_is_1_without_a_traceback(
    snapshot_7: PlainMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr("tukit_sysext.commands.status.scan_in_use", failing)
    assert cli.main(["status"], machine=snapshot_7.machine) == 1
    err = capsys.readouterr().err
    assert "injected" in err
    assert "Traceback" not in err


def started(root: Path, stdout: int, *, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Status and messages of a real process that checks a tree."""
    done = subprocess.run(
        [sys.executable, "-m", "tukit_sysext.cli", "check", "--root", str(root)],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    return done.returncode, done.stderr


@pytest.mark.btrfsutil
def test_a_reader_that_goes_away(snapshot_7: PlainMachine) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert started(snapshot_7.tree(7), writer) == (141, "")
    finally:
        os.close(writer)


@pytest.mark.btrfsutil
def test_names_that_the_terminal_cannot_show(snapshot_7: PlainMachine) -> None:
    os.makedirs(os.fsencode(snapshot_7.tree(7)) + b"/etc/extensions/\xff")
    assert started(snapshot_7.tree(7), subprocess.DEVNULL, environment={"PYTHONIOENCODING": "ascii:strict"}) == (0, "")


def test_names_that_would_command_the_terminal(snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot_7.layout.store.mkdir(parents=True)
    for name in ("a\nb.raw", "\x1b[31mred.raw"):
        (snapshot_7.layout.store / name).touch()
    assert cli.main(["gc"], machine=snapshot_7.machine) == 0
    assert cli.main(["why", "\x1b[31mred.raw"], machine=snapshot_7.machine) == 0
    assert cli.main(["why", "\x1b[31mgreen.raw"], machine=snapshot_7.machine) == 1
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\\x1b[31mred.raw" in out and "a\\nb.raw" in out and "\\x1b[31mgreen.raw" in err


@pytest.mark.parametrize("command", ["gc", "settle"])
def test_a_ledger_that_cannot_be_written_is_no_fault_of_ours(
    snapshot_7: PlainMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    snapshot_7.layout.store.mkdir(parents=True)
    assert cli.main([command], machine=snapshot_7.machine) == 0
    monkeypatch.setattr("tukit_sysext.ledger.schema._BUSY_SECONDS", 0.0)
    with closing(sqlite3.connect(snapshot_7.layout.ledger, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert cli.main([command], machine=snapshot_7.machine) == 1
    err = capsys.readouterr().err
    assert "ledger.db: cannot be used: database is locked for more than 0 s by" in err
    assert "next step:" in err and "fault of tukit-sysext" not in err


def test_a_full_disk_is_no_fault_of_ours(
    snapshot_7: PlainMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "/run/lock")

    monkeypatch.setattr("tukit_sysext.commands.gc.collect", full)
    assert cli.main(["gc"], machine=snapshot_7.machine) == 1
    assert capsys.readouterr().err == (
        "tukit-sysext: /run/lock: No space left on device\n"
        "  next step: delete snapshots that are not needed, or enlarge the file system\n"
    )


def test_a_file_is_not_called_by_its_descriptor(
    snapshot_7: PlainMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error", "/proc/self/fd/12/gdb.conf")

    monkeypatch.setattr("tukit_sysext.commands.gc.collect", full)
    assert cli.main(["gc"], machine=snapshot_7.machine) == 1
    assert capsys.readouterr().err == "tukit-sysext: gdb.conf: Input/output error\n"
