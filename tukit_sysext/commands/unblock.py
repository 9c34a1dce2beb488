# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext unblock``: allow a blocked version again."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tukit_sysext.change import requests
from tukit_sysext.change.requests import ChangeRequest
from tukit_sysext.commands.common.changing import edit
from tukit_sysext.commands.common.trees import acting, alone
from tukit_sysext.commands.common.typed_names import parse_versions
from tukit_sysext.config.main_settings import Blocked, block_file
from tukit_sysext.config.settings import load_configuration
from tukit_sysext.config.wanted import load_wanted
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.rules.version import compare
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.suggest import nearest


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Take a block back in each tree that has it. 0; names what other files still block."""
    versions = parse_versions(arguments.versions)
    be = "would no longer be" if arguments.dry_run else "is no longer"
    changes: list[tuple[ChangeRequest, list[str]]] = []
    everywhere: list[Blocked] = []
    for target in acting(machine, arguments):
        with Tree(target.path) as tree:
            images = load_wanted(tree).images.values()
            there = [Blocked(name=i.name, version=version, origin=i.origin) for i in images for version in i.blocked]
            there += load_configuration(tree).settings.blocked
        everywhere += there
        ours: dict[str, list[str]] = {}
        texts: list[str] = []
        for name, version in _each(versions):
            for block in _matching(name, version, there):
                if block.origin == block_file(name):
                    ours.setdefault(name, []).append(block.version)
                    others = sorted({other.origin for other in _matching(name, version, there)} - {block.origin})
                    still = f" here, but by {', '.join(others)} all the same" if others else ""
                    texts.append(f"{name}: {block.version} {be} blocked{still}")
        if texts:
            changes.append((requests.to_unblock(target, ours), texts))
    for name, version in _each(versions):
        matching = _matching(name, version, everywhere)
        if not matching:
            near = nearest(f"{name}={version}", [f"{block.name}={block.version}" for block in everywhere])
            raise TukitSysextError(
                f"{name}={version}: expected a blocked version, found {_blocked(name, everywhere)}",
                next_step=f"did you mean {near}?" if near is not None else "tukit-sysext config",
            )
        if all(block.origin != block_file(name) for block in matching):
            raise TukitSysextError(
                f"{name}={version}: blocked by {matching[0].origin}", next_step="change that file, or mask it in /etc"
            )
    return edit(machine, arguments, changes)


def _each(versions: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    return ((name, version) for name, chosen in sorted(versions.items()) for version in chosen)


def _matching(name: str, version: str, blocked: Iterable[Blocked]) -> list[Blocked]:
    """The blocks of a version; versions that UAPI.10 holds for equal are the same."""
    return [block for block in blocked if block.name == name and compare(block.version, version) == 0]


def _blocked(name: str, blocks: Iterable[Blocked]) -> str:
    versions = sorted({block.version for block in blocks if block.name == name})
    return f"{name} blocked in {', '.join(versions)}" if versions else f"no blocked version of {name}"
