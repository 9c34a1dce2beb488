# SPDX-License-Identifier: LGPL-2.1-or-later
"""Some of the power cuts of ``python -m tests.powercuts`` (threat L12)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.leaving import SYNCS
from tests.lab import Flavour
from tests.rpm import INPUTS, TOP
from tests.virtual.machine import QEMU

pytestmark = [pytest.mark.long, pytest.mark.root, pytest.mark.lab, pytest.mark.tool(QEMU), pytest.mark.timeout(3600)]


def cut(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.powercuts", *options]
    return subprocess.run(command, cwd=TOP, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("layout", [flavour.value for flavour in Flavour])
def test_nothing_is_lost(layout: str) -> None:
    done = cut("--layout", layout, "--points", "40")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_order_that_lost_every_image_loses_some(tmp_path: Path) -> None:
    """What is judged can fail: with the order of calls that this kernel does not make last, images are damaged."""
    for name in INPUTS:
        source = TOP / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    (sync,) = [each for each in SYNCS if each.what == "content of an image, under a name and not before"]
    name, now, former = sync.edit
    file = tmp_path / "tukit_sysext" / name
    assert file.read_text().count(now) == 1
    file.write_text(file.read_text().replace(now, former))

    done = cut("--points", "40", "--look", "--project", str(tmp_path))

    assert done.returncode == 1, done.stdout + done.stderr
    assert "debug-1.0.x86-64.raw, which is damaged" in done.stdout
