# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext remove``: stop wanting images, and take their links out."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence

from tukit_sysext.change import requests
from tukit_sysext.commands.common.changing import carry
from tukit_sysext.commands.common.trees import acting, alone
from tukit_sysext.commands.common.typed_names import parse_name, unknown_image
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.layout import EXTENSIONS
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.entries import Entry, shared_entries
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.output import Output


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Remove images from each tree that wants them. 0."""
    names = [parse_name(name) for name in arguments.names]
    targets = acting(machine, arguments)
    trees = [(target, requests.installed(target)) for target in targets]
    for name in names:
        if any(name in installed.wanted and name in installed.names for _, installed in trees):
            continue
        if any(name in installed.linked for _, installed in trees):
            raise TukitSysextError(
                f"{name}: linked, but not wanted: not ours", next_step=f"tukit-sysext adopt {name}\n{arguments.typed}"
            )
        raise unknown_image(name, requests.known_names(targets), "is wanted", next_step="tukit-sysext status")
    found = [
        requests.to_remove(target, [name for name in names if name in installed.wanted])
        for target, installed in trees
        if any(name in installed.wanted for name in names)
    ]
    status = carry(machine, arguments, found)
    for target, installed in trees:
        for name in names:
            if name not in installed.wanted and name in installed.linked.keys() | installed.others:
                Output.of(arguments).warn(
                    f"{target}: {name} is in {target.path / EXTENSIONS}, but not wanted: it is not ours and stays",
                    next_step=f"tukit-sysext adopt {name}\n{arguments.typed}",
                )
    for target in targets:
        for entry in _hidden_before(target, names) if target.running else ():
            Output.of(arguments).warn(
                f"{target}: {entry.shown} takes the place of what is removed, and is not ours",
                next_step=shlex.join(("mv", entry.shown, f"{entry.shown}.off")),
            )
    return status


def _hidden_before(target: Target, names: Sequence[str]) -> Sequence[Entry]:
    """What systemd-sysext takes from a weaker folder when /etc/extensions has these names no more."""
    with Tree(target.path) as tree:
        return [entry for entry in shared_entries(tree) if entry.stem in names]
