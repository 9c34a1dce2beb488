# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests download, kept beside the caches of the tests."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.rpm import CACHE, TOP


def kept(name: str, make: Callable[[Path], Path]) -> Path:
    """The file or folder of this name; made where it is missing, once, also when several processes ask.

    :param make: makes it in an empty folder, and returns its path
    """
    target = CACHE.with_name(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                make(Path(scratch)).rename(target)
    return target


def requirements(name: str) -> Path:
    """The file that says which packages of PyPI these are."""
    return TOP / "tests" / f"requirements-{name}.txt"


def modules(name: str, *options: str, python: str, complete: Callable[[Path], object]) -> Path:
    """A folder with the packages of such a file, for one Python; made where it is missing (needs PyPI).

    :param options: pip's
    :param complete: is given the folder once pip has filled it
    """

    def install(scratch: Path) -> Path:
        made = scratch / name
        pip("install", *options, "--root-user-action=ignore", "--target", str(made), "-r", str(requirements(name)))
        complete(made)
        return made

    key = hashlib.sha256(requirements(name).read_bytes() + python.encode()).hexdigest()[:16]
    return kept(f"{name}-{key}", install)


def pip(*arguments: str) -> None:
    """Run pip of this Python, quietly; what a package requires stands in the file of requirements, too."""
    argv = [sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
