# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext install``: want images, fetch and link them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from tukit_sysext.change import requests
from tukit_sysext.change.requests import ChangeRequest
from tukit_sysext.commands.common.changing import carry
from tukit_sysext.commands.common.trees import acting, alone
from tukit_sysext.commands.common.typed_names import parse_names
from tukit_sysext.config.settings import load_configuration
from tukit_sysext.config.values import component
from tukit_sysext.errors import TukitSysextError, UsageError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.rules.constraint import check_specifier
from tukit_sysext.rules.prerelease import check_series
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.suggest import nearest


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Install images. 0; nothing is changed where a required one cannot be had in one of the trees."""
    names = parse_names(arguments.names)
    if arguments.any_version and (arguments.constraint is not None or arguments.series is not None):
        raise UsageError("--any-version takes away what --version and --series set: use one of them")
    keys: dict[str, Sequence[str] | None] = {
        **({"Version": None, "Series": None} if arguments.any_version else {}),
        **({"Source": None} if arguments.any_source else {}),
        **_key("--version", "Version", check_specifier, arguments.constraint),
        **_key("--series", "Series", check_series, arguments.series),
        **_key("--source", "Source", component, arguments.source),
    }
    targets = acting(machine, arguments)
    if arguments.source is not None:
        _check_source(arguments.source, targets)
    return carry(
        machine, arguments, [_request(target, names, keys, arguments.policy) for target in targets], needed=names
    )


def _key(option: str, key: str, check: Callable[[str], str], text: str | None) -> dict[str, Sequence[str] | None]:
    """What an option has to stand in the file. Raises UsageError."""
    try:
        return {key: (check(text),)} if text is not None else {}
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def _check_source(name: str, targets: Sequence[Target]) -> None:
    """Raises TukitSysextError for a source that none of the trees has."""
    known: set[str] = set()
    for target in targets:
        with Tree(target.path) as tree:
            known |= load_configuration(tree).sources.keys()
    if name not in known:
        near = nearest(name, known)
        raise TukitSysextError(
            f"--source {name}: expected a source, found {', '.join(sorted(known)) or 'none'}",
            next_step=f"did you mean {near}?" if near is not None else "tukit-sysext sources",
        )


def _request(
    target: Target, names: dict[str, str | None], keys: dict[str, Sequence[str] | None], policy: str | None
) -> ChangeRequest:
    changes: dict[str, dict[str, Sequence[str] | None]] = {}
    for name, version in names.items():
        changes[name] = dict(keys)
        if policy is not None:
            changes[name]["Policy"] = (policy,)
        if version is not None:
            changes[name]["Hold"] = (version,)
    return requests.to_install(target, changes)
