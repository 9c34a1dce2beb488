# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the systems of this machine offer to images: what a version lacks in one, measured by the version in use."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

from tukit_sysext.all_plugins import Advisers
from tukit_sysext.errors import UnknownState
from tukit_sysext.machine import Machine
from tukit_sysext.requirements.capabilities import Package, Unknown
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.requirements.ground import Ground
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.snapshots.grounds import open_ground
from tukit_sysext.store.image_store import Store
from tukit_sysext.store.record import Record
from tukit_sysext.update.comparing import ComparedImages
from tukit_sysext.update.facts import provided_by
from tukit_sysext.update.in_use import SystemInUse

log = logging.getLogger(__name__)


class SystemsOffers:
    """The :class:`Offers` of the system that is planned for, beside the running one and the one that boots next.

    ``systems`` are those, as far as they are known by now.
    """

    def __init__(
        self,
        machine: Machine,
        ground: Ground,
        called: str,
        *,
        store: Store,
        systems: Callable[[], Sequence[SystemInUse]],
        plugins: Advisers,
        scratch: Path | None = None,
    ) -> None:
        self._machine = machine
        self._ground = ground
        self._called = called
        self._store = store
        self._systems = systems
        self._plugins = plugins
        self._scratch = scratch
        self._grounds: dict[Path, Ground | None] = {}
        # plugins are asked once of each version
        self._lacking = cache(partial(plugins.lacks, ground=ground))
        self._shadows = cache(partial(plugins.shadows, ground=ground))
        self._warnings = cache(partial(plugins.warns, ground=ground))
        self._compared = ComparedImages(machine, store)
        self._before: dict[str, frozenset[str] | Unknown | None] = {}

    def worse(self, name: str, version: str, contents: Contents, others: frozenset[str]) -> frozenset[str]:
        """See Offers."""
        lacking = self.lacks(name, version, contents, others)
        if not lacking:
            return lacking
        if name not in self._before:
            self._before[name] = self._lacked(name)
        before = self._before[name]
        if isinstance(before, Unknown):
            return frozenset()
        return lacking - (before or frozenset())

    def lacks(self, name: str, version: str, contents: Contents, others: frozenset[str]) -> frozenset[str]:
        """See Offers."""
        return self._lacking(contents, name=name, version=version) - others

    def in_words(self, need: str) -> str:
        """See Offers."""
        for system in self._systems():
            ground = self._ground_of(system)
            provider = ground.packages.provides(Requirement(need)) if ground is not None else None
            if isinstance(provider, Package):
                what = f"package {provider.name} provides" if provider.evr else f"{provider.name} meets"
                return f"{what} it in {_label(system)}, nothing does in {self._called}"
        return f"nothing provides it in {self._called}"

    def shadows(self, name: str, version: str, contents: Contents) -> tuple[str, ...]:
        """See Offers."""
        return self._shadows(contents, name=name, version=version)

    def warnings(self, name: str, version: str, contents: Contents) -> tuple[str, ...]:
        """See Offers."""
        return self._warnings(contents, name=name, version=version)

    def differing(self, one: Record, other: Record, paths: Sequence[str]) -> frozenset[str]:
        """See Offers."""
        return self._compared.differing(one, other, paths)

    def _lacked(self, name: str) -> frozenset[str] | Unknown | None:
        """What the version in use lacks where it is in use; None where there is none, and none is linked."""
        found: frozenset[str] | None = None
        for system in self._systems():
            linked = [self._store.look(entry.image) for entry in system.entries or () if entry.image is not None]
            others = provided_by(each.record for each in linked if each.record is not None and each.name != name)
            for stored in linked:
                if stored.name != name:
                    continue
                ground = self._ground_of(system)
                contents = stored.record.contents if stored.record is not None else None
                if contents is None or ground is None:
                    return Unknown.UNKNOWN
                lacking = self._plugins.lacks(contents, ground, name, stored.version) - others
                found = lacking if found is None else found | lacking
        return found

    def _ground_of(self, system: SystemInUse) -> Ground | None:
        path = system.path
        if path is None:
            return None
        if path not in self._grounds:
            try:
                self._grounds[path] = open_ground(self._machine, path, scratch=self._scratch)
            except UnknownState as error:
                log.warning("%s", error)
                self._grounds[path] = None
        return self._grounds[path]


def _label(system: SystemInUse) -> str:
    return (system.release.get("VERSION_ID") if system.release is not None else None) or system.called
