# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext update``: bring images to the newest version that fits."""

from __future__ import annotations

import argparse

from tukit_sysext.commands.changing import carry, parse_name, unknown_image
from tukit_sysext.commands.trees import acting
from tukit_sysext.job import wishes
from tukit_sysext.job.change import Wish
from tukit_sysext.machine import Machine


def run(machine: Machine, arguments: argparse.Namespace) -> int:
    """Update images of each tree that wants them. 0, or 1 where a required one cannot be had."""
    names = [parse_name(name) for name in arguments.names]
    targets = acting(machine, arguments)
    trees = [(target, wishes.have(target).wanted) for target in targets]
    for name in names:
        if not any(name in wanted for _, wanted in trees):
            known = {wanted for _, images in trees for wanted in images}
            raise unknown_image(name, known, "that is wanted", hint=f"tukit-sysext install {name}")
    found = [
        Wish(target=target, names=[name for name in names if name in wanted] if names else None)
        for target, wanted in trees
        if not names or any(name in wanted for name in names)
    ]
    return carry(machine, arguments, found)
