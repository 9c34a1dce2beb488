# SPDX-License-Identifier: LGPL-2.1-or-later
"""ansible-core for a test machine: a folder of modules for the machine's Python, beside the caches of the tests."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.rpm import CACHE, TOP

REQUIREMENTS = TOP / "tests" / "requirements-ansible.txt"


def ansible(python: str) -> Path:
    """The folder, for a Python such as "3.13"; made where it is missing (needs PyPI)."""
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + python.encode()).hexdigest()[:16]
    folder = CACHE.with_name(f"ansible-{key}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name("ansible.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                made = Path(scratch) / "ansible"
                options = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore", "--no-deps"]
                options += ["--only-binary=:all:", f"--python-version={python}", "--target", str(made)]
                argv = [sys.executable, "-m", "pip", "install", *options, "-r", str(REQUIREMENTS)]
                subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
                shutil.rmtree(made / "ansible_test")
                made.rename(folder)
    return folder
