# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine whose events are told to a plugin."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.machine import PlainMachine, snapper_info
from tests.trees import make_tree
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.settling import settle
from tukit_sysext.ledger.spool import EventKind, SnapshotEvent
from tukit_sysext.machine import Machine
from tukit_sysext.plugin_api import PROJECT, hookimpl
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.snapshots.snapper import Scan


class Told:
    """A plugin that remembers what it was told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def take(self) -> list[str]:
        taken, self.events = self.events, []
        return taken


def _hook(kind: EventKind) -> Callable[[Told, Machine, Scan, int], None]:
    def called(self: Told, machine: Machine, scan: Scan, number: int) -> None:
        self.events.append(f"{kind} {number}")

    return hookimpl(called)


for _kind in EventKind:
    setattr(Told, f"{PROJECT}_{_kind}", _hook(_kind))


class Site(PlainMachine):
    """A machine whose events are told to a plugin."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.told = Told()
        self.plugins = Plugins()
        self.plugins.register(self.told, name="told")
        self._spooled = 0

    def spool(self, caller: str, words: str) -> None:
        """An event as the hooks write it."""
        self._spooled += 1
        content = "\n".join([caller, *words.split()]) + "\n"
        make_tree(self.layout.events, {f"{caller}-{words.split()[0]}-{self._spooled}": content})

    def settle(self, *found: SnapshotEvent) -> list[str]:
        """Settle; what the plugins were told."""
        settle(self.machine, self.plugins, noticed=found)
        assert list(self.layout.events.glob("*")) == []
        return self.told.take()

    def choose(self, number: int) -> None:
        """Make a snapshot the default one."""
        found = self.subvolumes.find(self.tree(number))
        assert found is not None
        self.subvolumes.set_default(found.identifier)

    def delete(self, number: int) -> None:
        shutil.rmtree(self.layout.snapshots / str(number))

    def history(self) -> list[str]:
        with Ledger(self.layout.ledger, writable=False) as ledger:
            return [" ".join(filter(None, (f"{e.kind} {e.snapshot}", e.detail))) for e in ledger.events()]

    def close(self, number: int) -> None:
        (self.layout.snapshots / str(number) / "info.xml").write_text(snapper_info(number))
