# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext update``: bring images to the newest version that fits."""

from __future__ import annotations

import argparse

from tukit_sysext.change import requests
from tukit_sysext.change.requests import ChangeRequest
from tukit_sysext.commands.common.changing import carry
from tukit_sysext.commands.common.trees import acting, alone
from tukit_sysext.commands.common.typed_names import parse_name, unknown_image
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Update images of each tree that wants them. 0, or 1 where one cannot be had or a source not be asked."""
    names = [parse_name(name) for name in arguments.names]
    targets = acting(machine, arguments)
    trees = [(target, requests.installed(target)) for target in targets]
    for name in names:
        if not any(installed.wants(name) for _, installed in trees):
            known = {wanted for _, installed in trees for wanted in installed.wanted if installed.wants(wanted)}
            raise unknown_image(name, known, "that is wanted", next_step=f"tukit-sysext install {name}")
    found = [
        ChangeRequest(target=target, names=[name for name in names if installed.wants(name)] if names else None)
        for target, installed in trees
        if not names or any(installed.wants(name) for name in names)
    ]
    return carry(machine, arguments, found)
