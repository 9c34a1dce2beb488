# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who is at work: the kernel's word first, then sudo's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trees import make_tree
from tukit_sysext.system import environment
from tukit_sysext.system.login_uid import login_uid


@pytest.mark.parametrize(
    ("kernel", "sudo", "uid"),
    [
        ("1000", "1001", 1000),
        ("0\n", "1001", 0),
        ("4294967295", "1001", 1001),
        ("4294967295", "", None),
        (None, "1001", 1001),
        (None, None, None),
        ("", "1001", 1001),
        (None, "4294967295", None),
        (None, "-1", None),
        (None, "root", None),
        (None, "\u0661", None),
    ],
)
def test_who(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: str | None, sudo: str | None, uid: int | None
) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    if kernel is not None:
        make_tree(tmp_path, {"proc/self/loginuid": kernel})
    if sudo is not None:
        monkeypatch.setenv("SUDO_UID", sudo)
    assert login_uid(tmp_path) == uid


def test_sudo_is_not_forgotten_with_the_rest_of_the_environment() -> None:
    program = (
        f"from {environment.__name__} import make_our_own; make_our_own(); import os; print(os.environ['SUDO_UID'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "SUDO_UID": "7"}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "7\n"
