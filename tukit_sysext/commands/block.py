# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext block``: never use a version."""

from __future__ import annotations

import argparse

from tukit_sysext.change import requests
from tukit_sysext.change.requests import ChangeRequest
from tukit_sysext.commands.common.changing import edit
from tukit_sysext.commands.common.trees import acting, alone
from tukit_sysext.commands.common.typed_names import parse_versions, unknown_image
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.rules.version import compare
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.suggest import nearest


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Block versions in each tree. 0."""
    versions = parse_versions(arguments.versions)
    told: list[tuple[ChangeRequest, list[str]]] = []
    targets = acting(machine, arguments)
    be = "would be" if arguments.dry_run else "is"
    for target in targets:
        linked = requests.installed(target).linked
        texts: list[str] = []
        for name, found in versions.items():
            for version in found:
                same = any(compare(version, other) == 0 for other in linked.get(name, ()))
                texts.append(f"{name}: {version} {be} blocked{', it is linked. To replace it:' if same else ''}")
                texts += [f"  tukit-sysext update {name}"] if same else []
        told.append((requests.to_block(target, versions), texts))
    status = edit(machine, arguments, told)
    known = requests.known_names(targets)
    for name in versions.keys() - known:
        # it may be offered, or be one day; but rather it is misspelt
        if nearest(name, known) is not None:
            Output.of(arguments).warn(str(unknown_image(name, known, "is wanted or linked")))
    return status
