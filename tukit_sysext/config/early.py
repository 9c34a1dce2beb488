# SPDX-License-Identifier: LGPL-2.1-or-later
"""What of ``tukit-sysext.conf`` is asked for alone: at boots, after events, before a plugin is there."""

from __future__ import annotations

from typing import NamedTuple

from tukit_sysext.config.files import Keys, load_main
from tukit_sysext.config.values import component, metrics_file, time_span
from tukit_sysext.system.tree import Tree

MAIN = "tukit-sysext.conf"

HISTORY = 365 * 86400
"""Seconds for which the ledger remembers what is gone, where nothing says otherwise."""


class NamedPlugins(NamedTuple):
    """Names of plugins, and for which faults there may be more of them (empty: there are none)."""

    names: tuple[str, ...]
    unsure: str


def named_plugins(tree: Tree) -> NamedPlugins:
    """The plugins that ``Load=`` in ``[Plugins]`` names. Never raises for what stands in the files."""
    files, problems = load_main(tree, MAIN)
    keys = Keys(*files)
    names = keys.take_all("Plugins", "Load", component)
    faults = [str(problem) for problem in (*problems, *keys.problems) if problem.fault]
    return NamedPlugins(names=names, unsure="; ".join(faults))


def take_metrics(keys: Keys) -> str | None:
    """The file that monitoring reads, ``File=`` in ``[Metrics]``; None where there is none."""
    return keys.take("Metrics", "File", metrics_file, None)


def metrics_of(tree: Tree) -> str | None:
    """The same of a tree. Never raises for what stands in the files."""
    return take_metrics(Keys(*load_main(tree, MAIN)[0]))


def take_history(keys: Keys) -> int:
    """Seconds for which the ledger remembers what is gone, ``Keep=`` in ``[History]``."""
    return keys.take("History", "Keep", time_span, HISTORY)


def history_of(tree: Tree) -> int:
    """The same of a tree. Never raises for what stands in the files."""
    return take_history(Keys(*load_main(tree, MAIN)[0]))
