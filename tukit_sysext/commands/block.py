# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext block``: never use a version."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tukit_sysext.commands.changing import parse_names
from tukit_sysext.commands.editing import edit
from tukit_sysext.commands.trees import acting
from tukit_sysext.errors import UsageError
from tukit_sysext.job import wishes
from tukit_sysext.job.change import Wish
from tukit_sysext.machine import Machine


def run(machine: Machine, arguments: argparse.Namespace) -> int:
    """Block versions in each tree. 0."""
    versions = parse_versions(arguments.versions)
    told: list[tuple[Wish, list[str]]] = []
    for target in acting(machine, arguments):
        linked = wishes.have(target).linked
        texts: list[str] = []
        for name, found in versions.items():
            for version in found:
                there = f" (it is linked: tukit-sysext update {name})" if version in linked.get(name, ()) else ""
                texts.append(f"{name}: {version} is blocked{there}")
        told.append((wishes.blocked(target, versions), texts))
    return edit(machine, arguments, told)


def parse_versions(texts: Sequence[str]) -> dict[str, list[str]]:
    """``NAME=VERSION``, several of one name too. Raises UsageError."""
    found: dict[str, list[str]] = {}
    for text in texts:
        ((name, version),) = parse_names([text]).items()
        if version is None:
            raise UsageError(f"{text!r}: expected NAME=VERSION")
        found.setdefault(name, []).append(version)
    return found
