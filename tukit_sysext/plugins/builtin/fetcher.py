# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job as a plugin: brings the images that fit into the new snapshot, or refuses the update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tukit_sysext.plugins.spec import hookimpl

if TYPE_CHECKING:
    from tukit_sysext.collect.collection import Collection
    from tukit_sysext.config.settings import Configuration
    from tukit_sysext.machine import Machine
    from tukit_sysext.sources.protocol import Source
    from tukit_sysext.update.facts import Objection
    from tukit_sysext.update.outcome import Outcome
    from tukit_sysext.update.transaction import Transaction


class Fetcher:
    """Resolves, fetches and links when a transaction is finalized.

    ``sources`` finds those of all plugins, ``objection`` what they have against an image. ``make_room`` collects what
    nothing needs, but for the files that it is given.
    """

    def __init__(
        self,
        sources: Callable[[Machine, Configuration], Sequence[Source]],
        objection: Objection,
        make_room: Callable[[Machine, frozenset[str]], Collection],
    ) -> None:
        self._sources = sources
        self._objection = objection
        self._make_room = make_room

    @hookimpl
    def tukit_sysext_transaction_finalizing(self, transaction: Transaction) -> Outcome:
        """See the specification."""
        # settling an event registers this plugin too, and has no use for the main job
        from tukit_sysext.update.transaction import finalize

        machine = transaction.machine
        return finalize(
            transaction,
            partial(self._sources, machine),
            objection=self._objection,
            make_room=partial(self._make_room, machine),
        )
