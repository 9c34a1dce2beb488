# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext adopt``: take over entries of the running /etc/extensions that are not ours."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from tukit_sysext.commands.output import require_root
from tukit_sysext.config.wanted import Policy, State
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.job.adopt import adopt
from tukit_sysext.job.resolve import Resolver
from tukit_sysext.machine import Machine
from tukit_sysext.plugins import Plugins
from tukit_sysext.system.lock import shared
from tukit_sysext.system.tree import Tree


def run(machine: Machine, arguments: argparse.Namespace) -> int:
    """Take over the named entries, or all. 0, or 1 where one could not be taken over."""
    require_root(machine, "adopt")
    names, policy = arguments.names, Policy(arguments.policy or Policy.REQUIRED)
    failed = False
    with shared(machine.layout.lock), Tree(machine.layout.root) as tree:
        resolver = Resolver(machine, tree, partial(Plugins().sources, machine), machine.store())
        resolver.look_locally()
        foreign = {item.entry.name: item for item in resolver.facts.foreign}
        chosen: list[str] = []
        for name in names or sorted(foreign):
            entry = next((known for known in (name, f"{name}.raw") if known in foreign), None)
            if entry is None:
                told = ", ".join(sorted(foreign)) or "nothing"
                print(f"tukit-sysext: {name}: expected an entry that is not ours, found {told}", file=sys.stderr)
                failed = True
            else:
                chosen.append(entry)
        for name in chosen:
            item = foreign[name]
            try:
                if item.complaint:
                    raise TukitSysextError(f"{name}: {item.complaint}")
                done = adopt(machine, item, resolver.leads_to(item.entry), policy)
                removed = resolver.facts.wanted.get(done.name)
                if removed is not None and removed.state is State.REMOVED:
                    print(f"tukit-sysext: {removed.origin} says State=removed: it goes with the next transaction")
            except (TukitSysextError, OSError) as error:
                print(f"tukit-sysext: {name} is not taken over: {error}", file=sys.stderr)
                if isinstance(error, TukitSysextError) and error.hint:
                    print(f"  next step: {error.hint}", file=sys.stderr)
                failed = True
                continue
            kept = f"; what was there is kept as {done.kept}" if done.kept is not None else ""
            wanted = resolver.facts.wanted.get(done.name)
            shown = policy if wanted is None else wanted.policy
            print(f"{done.name}: {done.version} taken over, {shown}, linked as {done.link}{kept}")
    if not foreign and not names:
        print("Nothing to take over: every entry of /etc/extensions is ours.")
    return 1 if failed else 0
