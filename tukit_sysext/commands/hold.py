# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext hold``: keep images at a version."""

from __future__ import annotations

import argparse

from tukit_sysext.change import requests
from tukit_sysext.change.requests import ChangeRequest
from tukit_sysext.commands.common.changing import edit
from tukit_sysext.commands.common.trees import acting, alone
from tukit_sysext.commands.common.typed_names import parse_names, unknown_image
from tukit_sysext.config.key_editing import Changes
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Hold images in each tree that wants them. 0."""
    names = parse_names(arguments.names)
    targets = acting(machine, arguments)
    trees = [(target, requests.installed(target)) for target in targets]
    told: list[tuple[ChangeRequest, list[str]]] = []
    for name, version in names.items():
        if not any(installed.wants(name) for _, installed in trees):
            known = {wanted for _, installed in trees for wanted in installed.wanted if installed.wants(wanted)}
            raise unknown_image(name, known, "is wanted", next_step=f"tukit-sysext install {name}")
        if version is None and not any(installed.newest(name) for _, installed in trees if installed.wants(name)):
            raise TukitSysextError(
                f"{name}: no version of it is linked that could be held", next_step=f"tukit-sysext hold {name}=VERSION"
            )
    be = "would be " if arguments.dry_run else ""
    for target, installed in trees:
        changes: dict[str, Changes] = {}
        texts: list[str] = []
        elsewhere = False
        for name, version in names.items():
            held = version or installed.newest(name)
            if not installed.wants(name) or held is None:
                continue
            changes[name] = {"Hold": (held,)}
            linked = installed.newest(name)
            later = "" if held == linked else f" ({linked or 'no version'} is linked)"
            texts.append(f"{name}: {be}held at {held}{later}")
            elsewhere = elsewhere or held != linked
        if changes:
            told.append((requests.to_change(target, changes, ask=elsewhere), texts))
    return edit(machine, arguments, told)
