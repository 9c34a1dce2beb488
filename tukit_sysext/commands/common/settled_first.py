# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where no systemd runs (an image build, a chroot), the next command settles what the hooks wrote down."""

from __future__ import annotations

import argparse
import logging

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.machine import Machine

log = logging.getLogger(__name__)

_TELL_OF_THE_LEDGER = ("diff", "history")
_APART = ("settle", "purge", "verify boot")
"""The first does it itself, the second takes the ledger away, and a boot waits for the guard alone."""


def settle_first(machine: Machine, arguments: argparse.Namespace) -> None:
    """Settle before a command that changes something, or that tells what the ledger has. What fails is logged alone."""
    words = " ".join(filter(None, (arguments.command, getattr(arguments, "action", None))))
    changes = arguments.changes and words not in _APART and not getattr(arguments, "dry_run", False)
    if not machine.privileged or not (changes or arguments.command in _TELL_OF_THE_LEDGER):
        return
    layout = machine.layout
    if (layout.root / "run/systemd/system").is_dir():
        return
    from tukit_sysext.ledger import spool

    if not spool.waiting(layout.events):
        return
    import sqlite3

    from tukit_sysext.ledger.settling import settle
    from tukit_sysext.plugins.manager import Plugins

    try:
        settle(machine, Plugins.of(machine))
    except (OSError, sqlite3.Error, TukitSysextError) as error:
        log.error("what happened since the last command is not written down: %s", error)
