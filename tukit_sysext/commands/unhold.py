# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext unhold``: let held images go on."""

from __future__ import annotations

import argparse

from tukit_sysext.change import requests
from tukit_sysext.change.requests import ChangeRequest
from tukit_sysext.commands.common.changing import edit
from tukit_sysext.commands.common.trees import acting, alone
from tukit_sysext.commands.common.typed_names import parse_name, unknown_image
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Take Hold= away in each tree. 0, also for an image that is not held."""
    names = [parse_name(name) for name in arguments.names]
    be = "would be held no longer" if arguments.dry_run else "not held any more"
    trees = [(target, requests.installed(target).wanted) for target in acting(machine, arguments)]
    for name in names:
        if not any(name in wanted for _, wanted in trees):
            known = {other for _, wanted in trees for other, image in wanted.items() if image.hold is not None}
            raise unknown_image(name, known, "is held", next_step="tukit-sysext status")
    told: list[tuple[ChangeRequest, list[str]]] = []
    for target, wanted in trees:
        here = [name for name in names if name in wanted]
        held = [name for name in here if wanted[name].hold is not None]
        texts = [f"{name}: {be}" if name in held else f"{name}: was not held" for name in here]
        told.append((requests.to_change(target, {name: {"Hold": None} for name in held}), texts))
    return edit(machine, arguments, told)
