# SPDX-License-Identifier: LGPL-2.1-or-later
"""rules.patterns against systemd-sysupdate 257 of the lab: the patterns of pattern_cases, and those of publishers."""

from __future__ import annotations

import json

import pytest

from tests.published_names import NAMES, SYSTEM, PublishedName
from tests.truth.merge_truth import Machine
from tests.truth.pattern_cases import NOT_FOLLOWED, PATTERNS
from tukit_sysext.rules.patterns import Pattern, expand, specifiers
from tukit_sysext.rules.version import compare

pytestmark = pytest.mark.lab

_VALUES = specifiers(SYSTEM, architecture="x86-64", kernel="6.12")
_CASES = [(pattern, name) for pattern, names in PATTERNS.items() for name in names]
_PUBLISHED = [row for row in NAMES if row.pattern]

_ASK = r"""
import json, os, shutil, subprocess, sys, tempfile
release, cases = json.load(sys.stdin)
answers = []
with tempfile.TemporaryDirectory(dir="/tmp") as top:
    with open(f"{top}/os-release", "w") as file:
        file.write("".join(f"{key}={value}\n" for key, value in release.items()))
    subprocess.run(["mount", "--bind", f"{top}/os-release", os.path.realpath("/etc/os-release")], check=True)
    for pattern, name in cases:
        for folder in ("definitions", "source", "target"):
            os.mkdir(f"{top}/{folder}")
        open(f"{top}/source/{name}", "w").close()
        with open(f"{top}/definitions/one.transfer", "w") as file:
            file.write(f"[Transfer]\nVerify=no\n[Source]\nType=regular-file\nPath={top}/source\nMatchPattern={pattern}\n"
                       f"[Target]\nType=regular-file\nPath={top}/target\nMatchPattern=target-@v\n")
        argv = ["/usr/lib/systemd/systemd-sysupdate", f"--definitions={top}/definitions", "--json=short", "list"]
        done = subprocess.run(argv, capture_output=True, text=True)
        answers.append(json.loads(done.stdout)["all"] if done.returncode == 0 else None)
        for folder in ("definitions", "source", "target"):
            shutil.rmtree(f"{top}/{folder}")
print(json.dumps(answers))
"""

Seen = dict[tuple[str, str], str]


@pytest.fixture(scope="session")
def seen(newer: Machine) -> Seen:
    """The version that sysupdate sees by a pattern in a name; empty where it sees none."""
    cases = [*_CASES, *((row.pattern, row.file) for row in _PUBLISHED)]
    argv = ["/usr/bin/unshare", "--mount", "/usr/bin/python3", "-I", "-c", _ASK]
    answers = json.loads(newer.run(argv, json.dumps([SYSTEM, cases])))
    return {case: (versions or [""])[0] for case, versions in zip(cases, answers, strict=True)}


def ours(pattern: str, name: str) -> str:
    """The version that we see."""
    try:
        matched = Pattern.parse(expand(pattern, _VALUES)).match(name)
    except ValueError:
        return ""
    return matched.version if matched is not None else ""


@pytest.mark.parametrize("case", _CASES, ids=repr)
def test_we_see_what_sysupdate_sees(case: tuple[str, str], seen: Seen) -> None:
    """But where the table says why not, and then it does differ."""
    assert (ours(*case) == seen[case]) is (case not in NOT_FOLLOWED), NOT_FOLLOWED.get(case)


@pytest.mark.parametrize("row", _PUBLISHED, ids=lambda row: row.file)
def test_what_publishers_have(row: PublishedName, seen: Seen) -> None:
    """By the publisher's pattern, and without one: it is the same version, but where the table says otherwise."""
    of_sysupdate = seen[row.pattern, row.file]
    assert ours(row.pattern, row.file) == of_sysupdate
    assert of_sysupdate == (row.version if row.seen is None else row.seen)


def test_the_cases_are_of_both_kinds(seen: Seen) -> None:
    """Else nothing would be compared."""
    known = [bool(seen[case]) for case in _CASES]
    assert known.count(True) >= 30
    assert known.count(False) >= 30
    assert compare(seen["a-@v.raw", "a-1.raw"], "1") == 0
