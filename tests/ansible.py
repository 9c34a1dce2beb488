# SPDX-License-Identifier: LGPL-2.1-or-later
"""ansible-core for a test machine: a folder of modules for the machine's Python, beside the caches of the tests."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.kept import modules


def ansible(python: str) -> Path:
    """The folder, for a Python such as "3.13"; made where it is missing (needs PyPI)."""
    options = ("--only-binary=:all:", f"--python-version={python}")
    return modules("ansible", *options, python=python, complete=lambda made: shutil.rmtree(made / "ansible_test"))
