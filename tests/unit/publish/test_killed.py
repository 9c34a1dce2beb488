# SPDX-License-Identifier: LGPL-2.1-or-later
"""Killed at every call that changes a folder which is being published (R1): what is listed is there, and signed."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.unit.publish.publisher import Publisher, days_later
from tests.unit.publish.test_switching import Countdown, Killed

pytestmark = [pytest.mark.root, pytest.mark.tool("gpg", "mksquashfs")]

CALLS = ("rename", "unlink", "symlink", "mkdir", "rmdir")
MANY = 100


def check(publisher: Publisher) -> None:
    """As a client does, and every file of the list."""
    argv = ["gpgv", "-q", "--keyring", str(publisher.keyring), "SHA256SUMS.gpg", "SHA256SUMS"]
    subprocess.run(argv, cwd=publisher.folder, check=True, capture_output=True)
    subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=publisher.folder, check=True, capture_output=True)


def test_killed_at_any_step(publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("1.0", "1.1"):
        publisher.image("gdb", version)
    publisher.run("--best-before", "14d")
    publisher.run("--best-before", "14d", "--keep", "1")
    days_later(publisher, 90)
    publisher.image("strace", "6.1")
    before = tmp_path / "before"
    shutil.copytree(publisher.folder, before)
    listed = set()
    for steps in range(MANY):
        shutil.rmtree(publisher.folder)
        shutil.copytree(before, publisher.folder)
        count = Countdown(steps)
        with monkeypatch.context() as patched, suppress(Killed):
            for call in CALLS:
                patched.setattr(os, call, count.dying(getattr(os, call), below=publisher.folder))
            publisher.run("--best-before", "15d", "--keep", "1")
        check(publisher)
        listed.add(tuple(publisher.listed))
        if count.left:
            break
        if steps % 5 == 0:
            publisher.run("--best-before", "15d", "--keep", "1")
            check(publisher)
            assert not [path for path in publisher.folder.iterdir() if path.name.startswith(".tukit-sysext.")]
    assert (len(listed), 15 < steps < MANY - 1) == (2, True)
    assert not (publisher.folder / "gdb-1.0.x86-64.raw").exists()
