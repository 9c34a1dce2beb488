# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext update``: bring images to the newest version that fits."""

from __future__ import annotations

import argparse

from tukit_sysext.change import requests
from tukit_sysext.change.change import Wish
from tukit_sysext.commands.common.alone import alone
from tukit_sysext.commands.common.changing import carry, parse_name, unknown_image
from tukit_sysext.commands.common.trees import acting
from tukit_sysext.machine import Machine


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> int:
    """Update images of each tree that wants them. 0, or 1 where one cannot be had or a source not be asked."""
    names = [parse_name(name) for name in arguments.names]
    targets = acting(machine, arguments)
    trees = [(target, requests.have(target)) for target in targets]
    for name in names:
        if not any(have.wants(name) for _, have in trees):
            known = {wanted for _, have in trees for wanted in have.wanted if have.wants(wanted)}
            raise unknown_image(name, known, "that is wanted", hint=f"tukit-sysext install {name}")
    found = [
        Wish(target=target, names=[name for name in names if have.wants(name)] if names else None)
        for target, have in trees
        if not names or any(have.wants(name) for name in names)
    ]
    return carry(machine, arguments, found)
