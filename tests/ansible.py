# SPDX-License-Identifier: LGPL-2.1-or-later
"""ansible-core for a test machine: a folder of modules for the machine's Python, beside the caches of the tests."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.kept import kept
from tests.rpm import TOP

REQUIREMENTS = TOP / "tests" / "requirements-ansible.txt"


def ansible(python: str) -> Path:
    """The folder, for a Python such as "3.13"; made where it is missing (needs PyPI)."""

    def install(folder: Path) -> Path:
        made = folder / "ansible"
        options = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore", "--no-deps"]
        options += ["--only-binary=:all:", f"--python-version={python}", "--target", str(made)]
        argv = [sys.executable, "-m", "pip", "install", *options, "-r", str(REQUIREMENTS)]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
        shutil.rmtree(made / "ansible_test")
        return made

    key = hashlib.sha256(REQUIREMENTS.read_bytes() + python.encode()).hexdigest()[:16]
    return kept(f"ansible-{key}", install)
