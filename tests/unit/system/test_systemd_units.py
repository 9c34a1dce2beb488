# SPDX-License-Identifier: LGPL-2.1-or-later
"""What systemctl says of units, as it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tukit_sysext.errors import UnknownState
from tukit_sysext.system import systemd_units
from tukit_sysext.system.systemd_units import UnitState, unit_states

SAID = """\
Id=tukit-sysext-settle.path
LoadState=loaded
ActiveState=failed
Result=trigger-limit-hit
NeedDaemonReload=yes
ConditionTimestampMonotonic=2345678

ConditionTimestampMonotonic=0
Id=systemd-sysext.service
LoadState=not-found
ActiveState=inactive
NeedDaemonReload=no
"""


def says(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    program = folder / "systemctl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(systemd_units, "SYSTEMCTL", str(program))


def test_each_unit_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "said").write_text(SAID)
    says(monkeypatch, tmp_path, f'echo "$@" > {tmp_path}/asked; cat {tmp_path}/said')
    names = ["systemd-sysext.service", "tukit-sysext-settle.path"]
    assert unit_states(names) == {
        "tukit-sysext-settle.path": UnitState(
            name="tukit-sysext-settle.path",
            loaded=True,
            active="failed",
            result="trigger-limit-hit",
            stale=True,
            tried=True,
        ),
        "systemd-sysext.service": UnitState(
            name="systemd-sysext.service", loaded=False, active="inactive", result="", stale=False, tried=False
        ),
    }
    assert (tmp_path / "asked").read_text().endswith(f" -- {' '.join(names)}\n")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'Failed to connect to bus' >&2; exit 1", "Failed to connect to bus"),
        ("kill -9 $$", "killed by signal 9"),
        ("exec sleep 60", "no end after"),
        ("echo Id=another.service", "how a.service is"),
        ("", "how a.service is"),
    ],
)
def test_who_does_not_answer_says_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, words: str
) -> None:
    monkeypatch.setattr(systemd_units, "PATIENCE", 0.5)
    says(monkeypatch, tmp_path, script)
    with pytest.raises(UnknownState, match=words):
        unit_states(["a.service"])


def test_without_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(systemd_units, "SYSTEMCTL", str(tmp_path / "nothing"))
    with pytest.raises(UnknownState, match="not installed"):
        unit_states(["a.service"])
