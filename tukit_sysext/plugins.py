# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plugins: the built-in ones, and how hooks are called.

Every plugin is called by itself: one that fails is named and logged, and the others are called all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from tukit_sysext.hookspecs import PROJECT, Specifications

if TYPE_CHECKING:
    from tukit_sysext.config.settings import Configuration
    from tukit_sysext.job.transaction import Outcome, Transaction
    from tukit_sysext.machine import Machine
    from tukit_sysext.sources.protocol import Source
    from tukit_sysext.state.snapshots import Scan

log = logging.getLogger(__name__)


class Plugins:
    """A typed face of pluggy's manager, with the built-in plugins registered in the order in which they are called."""

    def __init__(self) -> None:
        from tukit_sysext.builtin.fetcher import Fetcher
        from tukit_sysext.builtin.recorder import Recorder
        from tukit_sysext.builtin.sources import Sources

        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Specifications)
        for plugin in (Sources(), Fetcher(self.sources), Recorder()):
            self.register(plugin, name=f"tukit_sysext.{type(plugin).__name__.lower()}")

    def register(self, plugin: object, *, name: str) -> None:
        """Add a plugin.

        Raises ValueError where its name is taken, pluggy.PluginValidationError where a hook is wrong.
        """
        self._manager.register(plugin, name=name)
        self._manager.check_pending()

    def _call(self, hook: str, **arguments: object) -> list[Any]:
        """Results of all plugins that implement a hook, in the order of their registration, less those that failed.

        A result that is made up of several is taken apart in here, where what it raises is still the plugin's.
        """
        results: list[Any] = []
        plugins = self._manager.list_name_plugin()
        for name, plugin in plugins:
            others = [other for _, other in plugins if other is not plugin]
            caller = self._manager.subset_hook_caller(hook, others)
            if not caller.get_hookimpls():
                continue
            try:
                for result in caller(**arguments):
                    results += list(result) if isinstance(result, Iterable) else [result]
            except Exception as error:
                # whatever a plugin raises: this is the border that keeps it from the others
                log.error("plugin %s failed in %s: %s: %s", name, hook, type(error).__name__, error, exc_info=error)
        return results

    def sources(self, machine: Machine, configuration: Configuration) -> list[Source]:
        """The sources of a configuration, from all plugins."""
        return self._call("tukit_sysext_sources", machine=machine, configuration=configuration)

    def finalizing(self, transaction: Transaction) -> Sequence[Outcome]:
        """Have a transaction finalized."""
        return self._call("tukit_sysext_transaction_finalizing", transaction=transaction)

    def judged(self, transaction: Transaction, outcome: Outcome) -> None:
        """Tell what came of a transaction."""
        self._call("tukit_sysext_transaction_judged", transaction=transaction, outcome=outcome)

    def settled(self, hook: str, machine: Machine, scan: Scan, number: int) -> None:
        """Tell a settled event, by the name of its hook."""
        self._call(hook, machine=machine, scan=scan, number=number)
