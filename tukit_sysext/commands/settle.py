# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext settle``: what systemd starts after events were written down."""

from __future__ import annotations

import argparse

from tukit_sysext.commands.common.ledger_faults import ledger_faults_told
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.ledger import spool
from tukit_sysext.ledger.settling import settle
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Settle. 0."""
    machine.require_root("settle")
    with ledger_faults_told(machine):
        if settle(machine, Plugins.of(machine)):
            spool.ask(machine.layout.events)
    return ExitStatus.DONE
