# SPDX-License-Identifier: LGPL-2.1-or-later
"""How each source is: when its list was good last, and why it is not now.

Kept for ``status``, ``doctor`` and the metrics; nothing is decided by it, so that losing it loses a notice. Commands
that only look at a source note nothing.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tukit_sysext.errors import SourceUnreachable, TukitSysextError
from tukit_sysext.machine import Machine
from tukit_sysext.rules.names import check_component
from tukit_sysext.store.record import plausible_time
from tukit_sysext.system.durable import make_directory, write_file
from tukit_sysext.system.small_file import read_small

if TYPE_CHECKING:  # status reads the file alone, and is fast
    from tukit_sysext.sources.candidate import Candidate
    from tukit_sysext.sources.naming import Naming, NotUnderstood
    from tukit_sysext.sources.protocol import Source

log = logging.getLogger(__name__)

_LIMIT = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceHealth:
    """How a source is; times in seconds since the epoch.

    ``asked``: when it was asked last. ``good``: when its list was good last (None: never, as far as is remembered), and
    ``images`` how many images that has. ``failing``: since when it is not (None: it is), with the ``reason`` and the
    ``next_step`` (empty: there is none) of the last failure; ``refused``: it answers, and its list is refused.
    """

    asked: int
    good: int | None = None
    images: int | None = None
    failing: int | None = None
    reason: str = ""
    next_step: str = ""
    refused: bool = False

    def failure(self, shown: Callable[[int], str]) -> str:
        """Since when it fails, and why, with times as ``shown`` shows them."""
        since = shown(self.failing if self.failing is not None else self.asked)
        good = f"its last good list is from {shown(self.good)}" if self.good is not None else "no list of it was good"
        return f"fails since {since} ({good}): {self.reason}"


class HealthFile:
    """The file that has it. With ``writable`` false nothing is noted."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        self._path = path
        self._writable = writable

    @classmethod
    def of(cls, machine: Machine) -> HealthFile:
        """That of a machine; noted only where we may, and are not just looking."""
        return cls(machine.layout.sources, writable=machine.privileged and not machine.read_only)

    def read(self) -> Mapping[str, SourceHealth]:
        """How sources are, by name. What cannot be read as ours is as if it was not there."""
        try:
            document = json.loads(read_small(self._path, limit=_LIMIT))
            return {check_component(name): _parse(health) for name, health in document["sources"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.info("%s: cannot be read: %s", self._path, error)
            return {}

    def ask(self, source: Source, naming: Naming) -> tuple[Sequence[Candidate], Sequence[NotUnderstood]]:
        """What a source offers, and what of it is taken for no image; how it is is noted.

        Raises what the source raises.
        """
        now = int(time.time())
        try:
            offered, others = naming.read_all(source)
        except TukitSysextError as error:
            before = self.read().get(source.name) or SourceHealth(asked=now)
            failed = replace(
                before,
                asked=now,
                failing=now if before.failing is None else before.failing,
                reason=str(error),
                next_step=error.next_step or "",
                refused=not isinstance(error, SourceUnreachable),
            )
            self._note({source.name: failed})
            raise
        self.note_good(source.name, image_count(offered))
        return offered, others

    def note_good(self, name: str, images: int) -> None:
        """Note that the list of a source is good now, and has so many images."""
        now = int(time.time())
        self._note({name: SourceHealth(asked=now, good=now, images=images)})

    def forget(self, name: str) -> None:
        """Forget a source that is not configured any more."""
        if name in self.read():
            self._note({name: None})

    def _note(self, changes: Mapping[str, SourceHealth | None]) -> None:
        """Write what became different. Never raises: it is a notice."""
        if not self._writable:
            return
        known = {**self.read(), **changes}
        document = {"sources": {name: asdict(each) for name, each in sorted(known.items()) if each is not None}}
        try:
            make_directory(self._path.parent)
            write_file(self._path, json.dumps(document, indent=1).encode() + b"\n")
        except OSError as error:
            log.info("%s: cannot be written: %s", self._path, error.strerror)


def image_count(offered: Sequence[Candidate]) -> int:
    """How many images these are, whatever versions there are of them."""
    return len({candidate.name for candidate in offered})


def _parse(health: Mapping[str, object]) -> SourceHealth:
    """One source of the file. Raises ValueError, KeyError, TypeError for anything else than what is written here."""
    images = health["images"]
    return SourceHealth(
        asked=plausible_time(health["asked"]),
        good=_time(health["good"]),
        images=images if isinstance(images, int) else None,
        failing=_time(health["failing"]),
        reason=str(health["reason"]),
        next_step=str(health["next_step"]),
        refused=health["refused"] is True,
    )


def _time(value: object) -> int | None:
    return None if value is None else plausible_time(value)
