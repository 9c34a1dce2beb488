# SPDX-License-Identifier: LGPL-2.1-or-later
"""Asking sources by name, for who types a command about them: what came of each in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tukit_sysext.config.settings import Configuration, SourceSettings
from tukit_sysext.errors import MemoryUnreadable, TukitSysextError
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.quantities import counted, local_time, time_text
from tukit_sysext.sources.candidate import Candidate
from tukit_sysext.sources.health import image_count
from tukit_sysext.sources.naming import Naming
from tukit_sysext.sources.protocol import Source
from tukit_sysext.sources.seen import Seen
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.local import LocalLook


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceAnswer:
    """What a source offers: the number of its images, and who signed its list when.

    ``verified``: what it has must be signed, with ``cosign`` each image in place of a list. ``signer`` is a
    fingerprint, ``signed`` in seconds since the epoch (None: not known).
    """

    name: str
    images: int
    verified: bool
    cosign: bool
    signer: str | None
    signed: int | None

    def __str__(self) -> str:
        images = counted(self.images, "image")
        if not self.verified:
            return f"{self.name}: {images}, list not verified (Verify=no)"
        if self.cosign and not self.images:  # only what is wanted can be asked for
            return f"{self.name}: no image that is wanted is there, so that no signature was checked"
        if self.cosign:
            return f"{self.name}: {images} of those that are wanted, each signed with cosign"
        when = f" {local_time(self.signed)[:10]}" if self.signed is not None else ""
        by = f" by {self.signer[:8]}..." if self.signer is not None else ""
        return f"{self.name}: {images}, list signed{when}{by}"

    @property
    def document(self) -> dict[str, Any]:
        """It for ``--json``."""
        signed = time_text(self.signed) if self.signed is not None else None
        return {"images": self.images, "signed": signed, "signer": self.signer}


class Asking:
    """The sources of a configuration, which can be asked; ``machine`` says whether what is seen of them is kept."""

    def __init__(self, machine: Machine, tree: Tree, configuration: Configuration) -> None:
        self._machine = machine
        self._configuration = configuration
        self._sources = {each.name: each for each in Plugins.of(machine).sources(machine, configuration)}
        look = LocalLook(machine, tree)
        look.configuration = configuration
        self.naming: Naming = look.naming(look.facts())

    def source(self, name: str) -> Source:
        """A source. Raises TukitSysextError where nobody can ask it."""
        if name not in self._sources:
            where = self._configuration.sources[name].origin
            raise TukitSysextError(
                f"{where} says nothing that this version can use, or a plugin failed", next_step=f"edit {where}"
            )
        return self._sources[name]

    def answer(self, name: str, offered: Sequence[Candidate]) -> SourceAnswer:
        """What is said of what it offers."""
        signer = offered[0].signer if offered else None
        try:
            signed = Seen.of(self._machine).times(name).get(signer or "")
        except MemoryUnreadable:
            signed = None
        settings = self._configuration.sources[name]
        return SourceAnswer(
            name=name,
            images=image_count(offered),
            verified=settings.verify,
            cosign=settings.cosign_key is not None,
            signer=signer,
            signed=signed,
        )


def try_out(machine: Machine, tree: Tree, configuration: Configuration, settings: SourceSettings) -> SourceAnswer:
    """Ask a source that is not configured yet. Raises TukitSysextError."""
    asking = Asking(machine, tree, replace(configuration, sources={settings.name: settings}))
    offered, _ = asking.naming.read_all(asking.source(settings.name))
    return asking.answer(settings.name, offered)
