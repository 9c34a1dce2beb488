# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext hold``: keep images at a version."""

from __future__ import annotations

import argparse

from tukit_sysext.change import requests
from tukit_sysext.change.change import Wish
from tukit_sysext.commands.common.alone import alone
from tukit_sysext.commands.common.changing import parse_names, unknown_image
from tukit_sysext.commands.common.editing import edit
from tukit_sysext.commands.common.trees import acting
from tukit_sysext.config.editing import Changes
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.machine import Machine


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> int:
    """Hold images in each tree that wants them. 0."""
    names = parse_names(arguments.names)
    targets = acting(machine, arguments)
    trees = [(target, requests.have(target)) for target in targets]
    told: list[tuple[Wish, list[str]]] = []
    for name, version in names.items():
        if not any(have.wants(name) for _, have in trees):
            known = {wanted for _, have in trees for wanted in have.wanted if have.wants(wanted)}
            raise unknown_image(name, known, "that is wanted", hint=f"tukit-sysext install {name}")
        if version is None and not any(have.newest(name) for _, have in trees if have.wants(name)):
            raise TukitSysextError(
                f"{name}: no version of it is linked that could be held", hint=f"tukit-sysext hold {name}=VERSION"
            )
    be = "would be " if arguments.dry_run else ""
    for target, have in trees:
        changes: dict[str, Changes] = {}
        texts: list[str] = []
        elsewhere = False
        for name, version in names.items():
            held = version or have.newest(name)
            if not have.wants(name) or held is None:
                continue
            changes[name] = {"Hold": (held,)}
            linked = have.newest(name)
            later = "" if held == linked else f" ({linked or 'no version'} is linked)"
            texts.append(f"{name}: {be}held at {held}{later}")
            elsewhere = elsewhere or held != linked
        if changes:
            told.append((requests.changed(target, changes, ask=elsewhere), texts))
    return edit(machine, arguments, told)
