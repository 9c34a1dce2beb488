# SPDX-License-Identifier: LGPL-2.1-or-later
"""Completions: what the shells offer, and that every argument is thought of."""

from __future__ import annotations

from pathlib import Path

import pytest

from spec.completions.kinds import DIRECTORY, FILE, NOTHING, kind
from spec.man import described
from tests.unit.documents.shells import SHELLS, offered
from tukit_sysext.commands import complete
from tukit_sysext.grammar.machine_commands import COMPLETED

NAMES = {
    "wanted": "gdb\nstrace\n",
    "images": "gdb\nhtop\nstrace\n",
    "versions": "gdb\ngdb=15.1\ngdb=15.2\nhtop\nhtop=3.4\n",
    "snapshots": "41\n42\n",
    "sources": "main\nstick\n",
    "trees": "41\n42\ndefault\twhat boots next\nrunning\tthe running system\n",
}
COMMANDS = sorted(command.words[0] for command in described.commands() if len(command.words) == 1)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tukit-sysext ", COMMANDS),
        ("tukit-sysext un", ["unblock", "unhold"]),
        ("tukit-sysext --v", ["--verbose", "--version"]),
        ("tukit-sysext remove ", ["gdb", "strace"]),
        ("tukit-sysext -q remove --now gdb s", ["strace"]),
        ("tukit-sysext why-not ht", ["htop", "htop=3.4"]),
        ("tukit-sysext check --snapshot ", ["41", "42"]),
        ("tukit-sysext install --policy ", ["optional", "required"]),
        ("tukit-sysext install --source m", ["main"]),
        ("tukit-sysext diff running d", ["default"]),
        ("tukit-sysext sources re", ["refresh", "remove", "reset"]),
        ("tukit-sysext sources reset ", ["main", "stick"]),
        ("tukit-sysext sources add main ./some", ["./somewhere/"]),
        ("tukit-sysext sources add main ./somewhere --key ke", ["key.asc"]),
        ("tukit-sysext gc --un", ["--unknown-origin"]),
        ("tukit-sysext doctor ", []),
        ("tukit-sysext install --version ", []),
    ],
)
def test_what_a_shell_offers(shell: str, line: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "somewhere").mkdir()
    (tmp_path / "key.asc").touch()
    found = offered(shell, tmp_path, line, NAMES)
    if line.endswith("./some"):
        found = [f"./{word.removeprefix('./').rstrip('/')}/" for word in found]  # each shell shows them in its own way
    assert found == sorted(expected)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_version_behind_its_image(shell: str, tmp_path: Path) -> None:
    """bash takes NAME=VERSION apart, and replaces what stands behind the = alone."""
    found = offered(shell, tmp_path, "tukit-sysext install gdb=15", NAMES)
    assert found == (["15.1", "15.2"] if shell == "bash" else ["gdb=15.1", "gdb=15.2"])


def test_an_option_with_its_value_behind_it(tmp_path: Path) -> None:
    assert offered("bash", tmp_path, "tukit-sysext check --snapshot=4", NAMES) == ["41", "42"]


def test_every_value_is_thought_of() -> None:
    for command in described.commands():
        for argument in command.arguments:
            if argument.metavar is not None and not argument.choices:
                assert kind(command, argument) in (DIRECTORY, FILE, NOTHING, *COMPLETED)


def test_the_helper_knows_every_kind() -> None:
    assert sorted(complete._LOOKS) == sorted(COMPLETED)
