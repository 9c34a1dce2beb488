# SPDX-License-Identifier: LGPL-2.1-or-later
"""Next steps can be followed: a command stands alone on its line and can be pasted; what else is said has its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.machine import PlainMachine
from tests.rpm import TOP
from tukit_sysext.errors import COMMAND, TukitSysextError, next_step_lines

_PROGRAM = re.compile(rf"(?<![\w./(-]){COMMAND}")
_PROSE = re.compile(
    r"[;,](?=\s|$)|\b(?:and|or|to|the|that|them|it|lists|tells|makes|shows|brings|where|after|then|what)\b|\("
)


def problem(line: str) -> str:
    """What is wrong with one line of a next step; empty where nothing is."""
    found = _PROGRAM.search(line)
    if found is None:
        return ""
    if found.start():
        return "prose in front of a command"
    rest = re.sub(r"&& (?=\w)", "", line[found.end() :])
    return "prose behind a command" if _PROSE.search(re.sub(r"\[[^]]*\]|\S*[<>=(]\S*", "", rest)) else ""


def texts(node: ast.expr) -> Iterator[str]:
    """All that an expression may be, with an X for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else "X" for each in values)
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*texts(body), *texts(orelse))
        case ast.BoolOp(values=values):
            for value in values:
                yield from texts(value)
        case ast.BinOp(left=left, right=right, op=ast.Add()):
            yield from (one + other for one in list(texts(left)) or ["X"] for other in list(texts(right)) or ["X"])


_NAMES = {"next_step", "step", "FAULTY", "_LATER", "_ADD_KEY", "ENABLE", "_MAKE", "_NOT_KNOWN"}
_DOCTOR = {"problem", "warning", "hint", "_unit", "_on_disk"}


def next_steps(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every next step that is written down, with its line."""
    for node in ast.walk(tree):
        values: list[ast.expr] = []
        match node:
            case ast.Call(func=function, args=arguments, keywords=keywords):
                values += [keyword.value for keyword in keywords if keyword.arg == "next_step"]
                name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
                values += arguments[2:3] if name in _DOCTOR else []
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if name in _NAMES:
                    values.append(value)
                elif name == "_NEXT_STEP" and isinstance(value, ast.Dict):
                    values += value.values
        for value in values:
            yield from ((value.lineno, text) for text in texts(value))
        if isinstance(node, ast.JoinedStr | ast.Constant):
            for text in texts(node):
                if "next step: " in text.lower():
                    before, _, after = text.partition("ext step: ")
                    yield node.lineno, after
                    if before.strip("nN ") and not before.startswith(" ") and "%s" not in text:
                        yield node.lineno, f"{before} {after}" if _PROGRAM.search(after) else after


def all_next_steps() -> list[tuple[str, str]]:
    return [
        (f"{path.relative_to(TOP)}:{line}", text)
        for path in sorted((TOP / "tukit_sysext").rglob("*.py"))
        for line, text in next_steps(ast.parse(path.read_text()))
    ]


_ENDS = re.compile(rf"(?:: |\(){COMMAND}")


def messages(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every line of a text in the code, but docstrings, with its line there."""
    inside = [value for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values]
    inside += [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr | ast.Constant) and not any(node is other for other in inside):
            yield from ((node.lineno, line) for text in texts(node) for line in text.splitlines())


def ends_with_a_command(line: str) -> bool:
    """Whether a message has a command behind its prose, where nobody can copy it as a line."""
    found = _ENDS.search(line)
    if found is None or "next step: " in line[: found.end()].lower():
        return "; next step: " in line
    return "; next step: " in line or problem(line[found.start() :].lstrip(": (").rstrip(")")) == ""


_OF_SNAPSHOTS = "; what settles it: "
"""Reasons of several snapshots stand side by side on a line; the command is all behind the last colon of each."""
_OF_PLUGINS = "; next step: X"
"""What a plugin's exception says is anybody's text: one line whatever is in it."""


def test_no_message_ends_with_a_command() -> None:
    lines = [
        (f"{path.relative_to(TOP)}:{number}", line)
        for path in sorted((TOP / "tukit_sysext").rglob("*.py"))
        if path.parent.name != "grammar"  # help is prose
        for number, line in messages(ast.parse(path.read_text()))
    ]
    assert len(lines) > 4000
    assert [
        (where, line)
        for where, line in lines
        if ends_with_a_command(line) and _OF_SNAPSHOTS not in line and line != _OF_PLUGINS
    ] == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("IMAGES HAVE TO BE REPAIRED: tukit-sysext verify --repair", True),
        ("it is linked (tukit-sysext update X)", True),
        ("already merged; next step: wait", True),
        ("next step: tukit-sysext status", False),
        ("a fault of tukit-sysext itself: X: X", False),
        ("tukit-sysext: X", False),
        ("tukit-sysext status lists them", False),
    ],
)
def test_what_ends_with_a_command(line: str, expected: bool) -> None:
    assert ends_with_a_command(line) is expected


def test_a_command_stands_alone_on_its_line() -> None:
    found = all_next_steps()
    assert len(found) > 120
    wrong = [(where, line, why) for where, text in found for line in text.splitlines() if (why := problem(line))]
    assert wrong == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tukit-sysext snapshots lists them", "prose behind a command"),
        ("tukit-sysext adopt gdb, and remove it then", "prose behind a command"),
        ("nothing was changed; tukit-sysext check", "prose in front of a command"),
        ("tukit-sysext check --snapshot 4", ""),
        ("sudo tukit-sysext settle", ""),
        ("chown root:root X && chmod 0600 X", ""),
        ("add the line to /etc/tukit-sysext/sources.d/main.conf", ""),
        ("is the clock right?", ""),
    ],
)
def test_what_is_wrong_with_a_line(line: str, expected: str) -> None:
    assert problem(line) == expected


def test_how_several_lines_are_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from tukit_sysext import cli

    def fails(*_: object) -> None:
        raise TukitSysextError("no", next_step="raise it, or:\ntukit-sysext \x1b gc")

    monkeypatch.setattr(cli, "_run", fails)
    assert cli.main(["status"]) == 1
    assert capsys.readouterr().err == ("tukit-sysext: no\n  next step: raise it, or:\n    tukit-sysext \\x1b gc\n")
    assert list(next_step_lines("")) == []
    several = "tukit-sysext why-not gdb\nor do without:\n  tukit-sysext install --optional gdb"
    expected = ["next step:", "  tukit-sysext why-not gdb", "or do without:", "  tukit-sysext install --optional gdb"]
    assert list(next_step_lines(several)) == expected


@pytest.mark.parametrize("columns", [80, 160])
def test_messages_wrap_on_a_terminal_and_commands_stay_whole(linked_gdb: PlainMachine, columns: int) -> None:
    name = "an-image-whose-name-is-so-long-that-no-message-about-it-fits"
    status, text = linked_gdb.on_terminal("update", f"{name}-{name}", columns=columns)
    *message, label, step = text.splitlines()
    assert (status, label, step) == (1, "  next step:", f"    tukit-sysext install {name}-{name}")
    assert all(len(line) <= max(columns, 125) for line in message)
    status, text = linked_gdb.on_terminal("diff", "zzz", "running", columns=columns)
    *message, label, step = text.splitlines()
    assert (status, label, step) == (1, "  next step:", "    tukit-sysext snapshots")
    assert all(len(line) <= columns for line in message) and len(message) == (2 if columns == 80 else 1)
    assert all(line.startswith("  ") for line in message[1:])
    in_a_pipe = linked_gdb.command("diff", "zzz", "running").stderr.splitlines()
    assert " ".join(line.strip() for line in message) == in_a_pipe[0]
