# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext install``: want images, fetch and link them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tukit_sysext.commands.changing import carry, parse_names
from tukit_sysext.commands.trees import acting
from tukit_sysext.config.values import component
from tukit_sysext.errors import UsageError
from tukit_sysext.job import wishes
from tukit_sysext.job.change import Wish
from tukit_sysext.job.targets import Target
from tukit_sysext.machine import Machine
from tukit_sysext.rules.constraint import check_specifier


def run(machine: Machine, arguments: argparse.Namespace) -> int:
    """Install images. 0; nothing is changed where a required one cannot be had in one of the trees."""
    names = parse_names(arguments.names)
    keys: dict[str, Sequence[str] | None] = {}
    try:
        if arguments.constraint is not None:
            keys["Version"] = (check_specifier(arguments.constraint),)
        if arguments.source is not None:
            keys["Source"] = (component(arguments.source),)
    except ValueError as error:
        option = "--source" if "Version" in keys or arguments.constraint is None else "--version"
        raise UsageError(f"{option}: {error}") from error
    targets = acting(machine, arguments)
    return carry(machine, arguments, [_wish(target, names, keys, arguments.policy) for target in targets], needed=names)


def _wish(
    target: Target, names: dict[str, str | None], keys: dict[str, Sequence[str] | None], policy: str | None
) -> Wish:
    there = wishes.have(target).wanted
    changes: dict[str, dict[str, Sequence[str] | None]] = {}
    for name, version in names.items():
        changes[name] = dict(keys)
        # what is there already keeps its policy
        if policy is not None or name not in there:
            changes[name]["Policy"] = (policy or "required",)
        if version is not None:
            changes[name]["Hold"] = (version,)
    return wishes.installed(target, changes)
