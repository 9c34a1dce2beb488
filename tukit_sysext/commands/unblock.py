# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext unblock``: allow a blocked version again."""

from __future__ import annotations

import argparse

from tukit_sysext.commands.alone import alone
from tukit_sysext.commands.block import parse_versions
from tukit_sysext.commands.editing import edit
from tukit_sysext.commands.memory import nearest
from tukit_sysext.commands.trees import acting
from tukit_sysext.config import settings as settings_files
from tukit_sysext.config import wanted as wanted_files
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.job import wishes
from tukit_sysext.job.change import Wish
from tukit_sysext.machine import Machine
from tukit_sysext.system.tree import Tree


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> int:
    """Take a block back in each tree that has it. 0."""
    versions = parse_versions(arguments.versions)
    be = "would no longer be" if arguments.dry_run else "is no longer"
    told: list[tuple[Wish, list[str]]] = []
    found: dict[tuple[str, str], str] = {}
    for target in acting(machine, arguments):
        with Tree(target.path) as tree:
            there = {
                (name, version): image.origin
                for name, image in wanted_files.load(tree).images.items()
                for version in image.blocked
            }
            there |= {(item.name, item.version): item.origin for item in settings_files.load(tree).settings.blocked}
        found |= there
        ours = {
            name: [version for version in chosen if there.get((name, version)) == wishes.block_file(name)]
            for name, chosen in versions.items()
        }
        texts = [f"{name}: {version} {be} blocked" for name, chosen in ours.items() for version in chosen]
        if texts:
            told.append((wishes.unblocked(target, {name: chosen for name, chosen in ours.items() if chosen}), texts))
    done = {(name, version) for name, chosen in versions.items() for version in chosen}
    for name, version in sorted(done):
        origin = found.get((name, version))
        if origin is None:
            near = nearest(f"{name}={version}", [f"{other}={blocked}" for other, blocked in found])
            raise TukitSysextError(
                f"{name}={version}: expected a blocked version, found {_blocked(name, found)}",
                hint=f"did you mean {near}?" if near is not None else "tukit-sysext config shows what is blocked",
            )
        if origin != wishes.block_file(name):
            raise TukitSysextError(
                f"{name}={version}: blocked by {origin}", hint="change that file, or mask it in /etc"
            )
    return edit(machine, arguments, told)


def _blocked(name: str, found: dict[tuple[str, str], str]) -> str:
    versions = sorted(version for other, version in found if other == name)
    return f"{name} blocked in {', '.join(versions)}" if versions else f"no blocked version of {name}"
