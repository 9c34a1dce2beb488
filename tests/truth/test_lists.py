# SPDX-License-Identifier: LGPL-2.1-or-later
"""formats.checksums against ``sha256sum -c`` of this machine and systemd-sysupdate 257 of the lab."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.truth.list_cases import CASES, CONTENT, FILES, ONE, TWO, ListCase
from tests.truth.merge_truth import Machine
from tukit_sysext.formats.checksums import ListRefused, parse

AT_LEAST = 20
"""How many lists have to be compared."""

_IMAGES = frozenset((ONE, TWO))

_LIST_AND_ASK = r"""
import json, os, subprocess, sys, tempfile
answers = []
with tempfile.TemporaryDirectory(dir="/tmp") as top:
    for folder in ("definitions", "source", "target"):
        os.mkdir(f"{top}/{folder}")
    with open(f"{top}/definitions/gdb.transfer", "w") as file:
        file.write(f"[Transfer]\nVerify=no\n[Source]\nType=url-file\nPath=file://{top}/source/\n"
                   f"MatchPattern=gdb-@v.x86-64.raw\n[Target]\nType=regular-file\nPath={top}/target\n"
                   "MatchPattern=gdb-@v.raw\n")
    for content in json.load(sys.stdin):
        with open(f"{top}/source/SHA256SUMS", "wb") as file:
            file.write(bytes.fromhex(content))
        argv = ["/usr/lib/systemd/systemd-sysupdate", f"--definitions={top}/definitions", "--json=short", "list"]
        done = subprocess.run(argv, capture_output=True, text=True)
        answers.append(json.loads(done.stdout)["all"] if done.returncode == 0 else [])
print(json.dumps(answers))
"""


def ours(case: ListCase) -> frozenset[str]:
    """The images that we take of a list; none of one that is refused."""
    try:
        return frozenset(parse(case.content, where="LIST").hashes) & _IMAGES
    except ListRefused:
        return frozenset()


def of_sha256sum(case: ListCase, folder: Path) -> frozenset[str]:
    """The images that ``sha256sum -c`` finds as the list says."""
    for name in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(CONTENT)
    (folder / "SHA256SUMS").write_bytes(case.content)
    argv = ["/usr/bin/sha256sum", "-c", "SHA256SUMS"]
    done = subprocess.run(argv, cwd=folder, env={"LC_ALL": "C"}, capture_output=True, text=True)
    good = {line.removesuffix(": OK") for line in done.stdout.splitlines() if line.endswith(": OK")}
    return frozenset(str(Path(name)) for name in good) & _IMAGES


@pytest.fixture(scope="session")
def of_sysupdate(newer: Machine) -> dict[str, frozenset[str]]:
    """The images that systemd-sysupdate offers of each list."""
    argv = ["/usr/bin/python3", "-I", "-c", _LIST_AND_ASK]
    answers = json.loads(newer.run(argv, json.dumps([case.content.hex() for case in CASES])))
    return {
        case.name: frozenset(f"gdb-{version}.x86-64.raw" for version in versions)
        for case, versions in zip(CASES, answers, strict=True)
    }


def test_there_are_enough_lists() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= AT_LEAST


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_sha256sum_reads_what_we_read(case: ListCase, tmp_path: Path) -> None:
    """But where the table says why not, and then it does differ."""
    assert (ours(case) == of_sha256sum(case, tmp_path)) is not bool(case.not_sha256sum), case.not_sha256sum


@pytest.mark.lab
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_sysupdate_reads_what_we_read(case: ListCase, of_sysupdate: dict[str, frozenset[str]]) -> None:
    assert (ours(case) == of_sysupdate[case.name]) is not bool(case.not_sysupdate), case.not_sysupdate
