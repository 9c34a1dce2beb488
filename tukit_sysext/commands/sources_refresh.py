# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext sources refresh``: ask sources now what they offer, and note how each is."""

from __future__ import annotations

import argparse
from typing import Any

from tukit_sysext.commands.common.asking import Asking
from tukit_sysext.commands.common.known_sources import check_known
from tukit_sysext.commands.common.source_steps import NO_SOURCE
from tukit_sysext.config.settings import Configuration, load_configuration
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.targets import running_and_next
from tukit_sysext.sources.health import HealthFile
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.output import Output


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Ask the sources of the running system. 0, or 1 where one fails."""
    machine.require_root("sources refresh")
    output = Output.of(arguments)
    running = running_and_next(machine)[0]
    for name in arguments.names:
        check_known(machine, (running,), name)
    health = HealthFile.of(machine)
    documents: list[dict[str, Any]] = []
    with Tree(running.path) as tree:
        configuration = load_configuration(tree)
        asking = Asking(machine, tree, configuration)
        for name in dict.fromkeys(arguments.names or sorted(configuration.sources)):
            document: dict[str, Any] = {"name": name, "answer": None, "reason": None, "next_step": None}
            try:
                _check_enabled(configuration, name)
                offered, _ = health.ask(asking.source(name), asking.naming)
                answer = asking.answer(name, offered)
                output.say(str(answer))
                document["answer"] = answer.document
            except TukitSysextError as error:
                step = error.next_step or f"fix access to it, then:\ntukit-sysext sources refresh {name}"
                output.warn(f"source {name}: {error}", next_step=step)
                document |= {"reason": str(error), "next_step": step}
            documents.append(document)
    if not documents:
        for line in NO_SOURCE:
            output.say(line)
    output.json({"action": "refresh", "sources": documents})
    return ExitStatus.FAILED if any(each["reason"] is not None for each in documents) else ExitStatus.DONE


def _check_enabled(configuration: Configuration, name: str) -> None:
    """Raise TukitSysextError for a source that is none in the running system."""
    if name in configuration.disabled or name in configuration.masked:
        raise TukitSysextError("it is disabled", next_step=f"tukit-sysext sources enable {name}")
    if name not in configuration.sources:
        raise TukitSysextError("it is not configured any more", next_step="tukit-sysext sources")
