# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job as a plugin: brings the images that fit into the new snapshot, or refuses the update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tukit_sysext.plugin_api import hookimpl

if TYPE_CHECKING:
    from tukit_sysext.all_plugins import AllPlugins
    from tukit_sysext.update.outcome import Outcome
    from tukit_sysext.update.transaction import Transaction


class Fetcher:
    """Resolves, fetches and links when a transaction is finalized."""

    def __init__(self, plugins: AllPlugins) -> None:
        self._plugins = plugins

    @hookimpl
    def tukit_sysext_transaction_finalizing(self, transaction: Transaction) -> Outcome:
        """See the specification."""
        # settling an event registers this plugin too, and has no use for the main job
        from tukit_sysext.update.transaction import finalize

        return finalize(transaction, self._plugins)
