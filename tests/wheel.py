# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds and unpacks a distribution of pure Python, without the network: plugins, as a package of theirs would be."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def unpack_wheel(source: Path, destination: Path) -> None:
    """Build the distribution in the folder `source` and unpack its wheel into `destination`, made if need be.

    Built from a copy, since building leaves files behind. The tools are those of the Python that runs this.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy, wheels = Path(folder, "source"), Path(folder, "wheels")
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
        done = subprocess.run(
            [*command, "--no-cache-dir", "--wheel-dir", str(wheels), str(copy)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{source}: pip wheel ended with {done.returncode}:\n{done.stdout}")
        (wheel,) = wheels.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(destination)
