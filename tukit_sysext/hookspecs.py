# SPDX-License-Identifier: LGPL-2.1-or-later
"""The hook specifications, which built-in and third-party plugins implement alike (pluggy).

How a hook is called, and what an exception in it means, is in :mod:`tukit_sysext.plugins`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from tukit_sysext.config.settings import Configuration
    from tukit_sysext.job.transaction import Outcome, Transaction
    from tukit_sysext.machine import Machine
    from tukit_sysext.sources.protocol import Source
    from tukit_sysext.state.snapshots import Scan

PROJECT = "tukit_sysext"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Specifications:
    """All hooks. ``number`` is always a snapshot's number as snapper counts."""

    @hookspec
    def tukit_sysext_sources(self, machine: Machine, configuration: Configuration) -> Sequence[Source]:  # type: ignore[empty-body]  # a specification
        """Called once for each plan, to learn the sources of a tree's configuration.

        Return those that the plugin can speak to. An exception is told, and the plan is made without them.
        """

    @hookspec
    def tukit_sysext_transaction_finalizing(self, transaction: Transaction) -> Outcome | None:
        """Called when a transaction is about to be closed.

        The tree can be written for the last time (tukit's finalize-pre).

        An Outcome with refusals stops the transaction. An exception is a fault of ours, told loudly: it stops nothing.
        """

    @hookspec
    def tukit_sysext_transaction_judged(self, transaction: Transaction, outcome: Outcome) -> None:
        """Called after it with what came of it, to record it. An exception is told and stops nothing."""

    @hookspec
    def tukit_sysext_transaction_finalized(self, machine: Machine, scan: Scan, number: int) -> None:
        """A transaction was closed: its snapshot is the new default (or was deleted since: look at ``scan``)."""

    @hookspec
    def tukit_sysext_transaction_discarded(self, machine: Machine, scan: Scan, number: int) -> None:
        """A transaction changed nothing but /etc, which was copied to the running system; its snapshot goes."""

    @hookspec
    def tukit_sysext_transaction_aborted(self, machine: Machine, scan: Scan, number: int) -> None:
        """A transaction ended without success; with ``--keep`` its snapshot is there still."""

    @hookspec
    def tukit_sysext_transaction_kept(self, machine: Machine, scan: Scan, number: int) -> None:
        """A transaction stays open."""

    @hookspec
    def tukit_sysext_snapshot_created(self, machine: Machine, scan: Scan, number: int) -> None:
        """snapper made a snapshot."""

    @hookspec
    def tukit_sysext_snapshot_modified(self, machine: Machine, scan: Scan, number: int) -> None:
        """snapper changed what it knows of a snapshot, or whether it is read-only."""

    @hookspec
    def tukit_sysext_snapshot_deleted(self, machine: Machine, scan: Scan, number: int) -> None:
        """snapper deleted a snapshot."""

    @hookspec
    def tukit_sysext_default_changed(self, machine: Machine, scan: Scan, number: int) -> None:
        """Another snapshot boots next."""

    @hookspec
    def tukit_sysext_rolled_back(self, machine: Machine, scan: Scan, number: int) -> None:
        """snapper rolled back to snapshot ``number``, which boots next."""
