# SPDX-License-Identifier: LGPL-2.1-or-later
"""The code of a commit, taken from the project's history."""

from __future__ import annotations

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from tests.rpm import FORMER_INPUTS, INPUTS, TOP


class NoHistory(Exception):
    """The commit cannot be had; the message says why, and what helps."""


def take(commit: str, folder: Path, *, repository: Path = TOP) -> Path:
    """Unpack what the RPM of a commit is made of into a new folder, and return it. Raises NoHistory."""
    if _git(repository, "cat-file", "-e", f"{commit}^{{commit}}").returncode != 0:
        raise NoHistory(f"{repository}: {_reason(repository, commit)}")
    there = _git(repository, "ls-tree", "--name-only", commit).stdout.decode().split("\n")
    inputs = [name for name in (*INPUTS, *FORMER_INPUTS) if name in there]
    archive = _git(repository, "archive", "--format=tar", commit, "--", *inputs)
    if archive.returncode != 0:
        raise NoHistory(f"{repository}: git archive {commit}: {archive.stderr.decode().strip()}")
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as members:
        members.extraction_filter = lambda member, _: member  # newer versions of Python ask for it
        members.extractall(folder)  # noqa: S202  # our own
    for name in set(INPUTS) - set(there):
        (folder / name).mkdir()  # a former commit had nothing in it
    return folder


def _reason(repository: Path, commit: str) -> str:
    asked = _git(repository, "rev-parse", "--is-shallow-repository")
    if asked.returncode != 0:
        return f"the code of {commit} is needed, and this is no git repository: {asked.stderr.decode().strip()}"
    if asked.stdout.strip() == b"true":
        return f"a shallow clone, without commit {commit}; next step: git fetch --unshallow"
    return f"the history has no commit {commit}; next step: git fetch"


def _git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    # root may test what somebody else has cloned
    command = ["git", "-C", str(repository), "-c", f"safe.directory={repository}", *arguments]
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, env=environment, timeout=60)
