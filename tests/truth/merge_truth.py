# SPDX-License-Identifier: LGPL-2.1-or-later
"""Asks the real systemd-sysext, of the lab and of the host."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import Lab
from tests.truth.merge_cases import Case
from tukit_sysext.rules.systemd import SystemdVersion, parse_systemd_version

_PROBE = Path(__file__).with_name("merge_probe.py")
_SECONDS = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What one merge did: exit status, the extensions that were merged, and its words with debug output."""

    status: int
    merged: frozenset[str]
    messages: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """Where a systemd is: in a lab, or (None) on the host."""

    version: SystemdVersion
    lab: Lab | None

    def run(self, argv: Sequence[str], text: str) -> str:
        if self.lab is not None:
            return self.lab.run(argv, input=text, timeout=_SECONDS).stdout
        return subprocess.run(
            list(argv), input=text, capture_output=True, text=True, timeout=_SECONDS, check=True
        ).stdout


def lab_machine(lab: Lab) -> Machine:
    return Machine(version=_version(lab.run(["systemctl", "--version"]).stdout), lab=lab)


def host_machine() -> Machine | None:
    """The host's systemd; None where there is none that could be asked."""
    if os.geteuid() != 0 or shutil.which("systemd-sysext") is None:
        return None
    said = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True).stdout
    return Machine(version=_version(said), lab=None)


def _version(said: str) -> SystemdVersion:
    """Of `systemd 257 (257.13-1~deb13u1)`, the second number says more."""
    version = parse_systemd_version(said.splitlines()[0].partition("(")[2])
    assert version is not None, said
    return version


Group = dict[str, Any]
"""What is merged at a time, as merge_probe.py takes it."""


def directory_group(case: Case, name: str) -> Group:
    releases = {} if case.extension is None else {name: case.extension}
    return {
        "os_release": case.host,
        "kind": case.kind,
        "scope": case.scope,
        "name": name,
        "releases": releases,
    }


def image_group(os_release: str, images: Mapping[str, bytes]) -> Group:
    """Images by the name of their link (without `.raw`)."""
    packed = {name: base64.b64encode(zlib.compress(content, 1)).decode() for name, content in images.items()}
    return {"os_release": os_release, "images": packed}


def merge(machine: Machine, groups: Sequence[Group]) -> list[Answer]:
    """Have every group merged by itself, in one go."""
    argv = ["unshare", "--mount", "/usr/bin/python3", "-I", "-c", _PROBE.read_text(encoding="utf-8")]
    answers = json.loads(machine.run(argv, json.dumps(groups)))
    return [
        Answer(status=each["status"], merged=frozenset(each["merged"]), messages=each["messages"]) for each in answers
    ]
