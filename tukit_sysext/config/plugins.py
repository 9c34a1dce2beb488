# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which third-party plugins ``tukit-sysext.conf`` names: ``Load=`` in ``[Plugins]``, read before anything else is."""

from __future__ import annotations

from dataclasses import dataclass

from tukit_sysext.config.files import Keys, load_main
from tukit_sysext.config.values import component
from tukit_sysext.system.tree import Tree


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """Names of plugins, and for which faults there may be more of them (empty: there are none)."""

    names: tuple[str, ...]
    unsure: str


def load(tree: Tree, file_name: str) -> Named:
    """The plugins that the main file ``file_name`` and its drop-ins name. Never raises for what stands in the files."""
    files, problems = load_main(tree, file_name)
    keys = Keys(*files)
    names = keys.take_all("Plugins", "Load", component)
    faults = [str(problem) for problem in (*problems, *keys.problems) if problem.fault]
    return Named(names=names, unsure="; ".join(faults))
