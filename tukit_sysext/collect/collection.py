# SPDX-License-Identifier: LGPL-2.1-or-later
"""The collection: what no snapshot needs goes, and never what one does. It fails closed.

Under the lock, alone, all roots are found. Where anything is unknown nothing is deleted. What goes by the rules is
looked for once more right before it is deleted: file first, record after it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from tukit_sysext.all_plugins import AllPlugins, Root
from tukit_sysext.collect.decision import YOUNG, Fate, Judged, Rules, judge
from tukit_sysext.collect.survey import survey
from tukit_sysext.config import settings as settings_files
from tukit_sysext.config.settings import MAIN, Configuration
from tukit_sysext.errors import ImageBroken, NoVerdict, StoreError, ToolMissing
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.rows import clean
from tukit_sysext.ledger.schema import NotWritten
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import time_text
from tukit_sysext.store.image_store import Kept, Store
from tukit_sysext.store.record import seconds_of
from tukit_sysext.system.durable import sweep
from tukit_sysext.system.lock import exclusive
from tukit_sysext.system.tree import Tree

log = logging.getLogger(__name__)

PAUSE = 3600
"""Seconds after a collection before events ask for the next one."""

LOOKING = 30.0
"""Seconds for which images of unknown origin are looked into in one run: transactions wait meanwhile."""

_LAST = "collected"


@dataclass(frozen=True, kw_only=True, slots=True)
class Collection:
    """What came of a collection: what is left of the store with its fates, what went, and why nothing could go.

    ``store_bytes`` is what the store has on the disk, ``store_max`` from where on it is warned of. ``fault`` tells why
    the ledger could not be brought up to date although something went.
    """

    judged: tuple[Judged, ...] = ()
    gone: tuple[Judged, ...] = ()
    unknown: tuple[str, ...] = ()
    store_bytes: int = 0
    store_max: int = 0
    fault: str = ""

    @property
    def too_large(self) -> bool:
        """Whether the store has more than StoreMax= says."""
        return self.store_bytes > self.store_max


def collect(
    machine: Machine,
    plugins: AllPlugins,
    *,
    dry_run: bool = False,
    unknown_origin: bool = False,
    lacking_room: bool = False,
    needed: frozenset[str] = frozenset(),
    about: Callable[[Kept], bool] = lambda _: True,
) -> Collection:
    """Collect what nothing needs; with ``dry_run`` only tell.

    ``unknown_origin``: images without a record go too. ``lacking_room``: without the grace time. ``needed`` are files
    that the caller is about to link. Only what it asks ``about`` is looked into, where that decides. Raises Busy where
    another process holds the lock, OSError or sqlite3.Error where store or ledger cannot be read or written to; nothing
    is deleted then. On a full disk the ledger is not waited for: see _Run.collect().
    """
    if not machine.layout.store.is_dir():
        return Collection()
    with Tree(machine.layout.root) as tree:
        configuration = settings_files.load(tree)
    now, grace = int(time.time()), configuration.settings.grace
    rules = Rules(now=now, grace=grace, lacking_room=lacking_room, unknown_origin=unknown_origin)
    roots = tuple(Root(image=name, where="a transaction") for name in needed)
    run = _Run(machine, plugins, configuration, rules, roots, about)
    with nullcontext() if dry_run else exclusive(machine.layout.lock):
        return run.tell() if dry_run else run.collect()


def last(ledger: Ledger) -> int | None:
    """When the last collection was, in seconds since the epoch; None where none is remembered."""
    return seconds_of(ledger.recall(_LAST) or "")


class _Run:
    def __init__(
        self,
        machine: Machine,
        plugins: AllPlugins,
        configuration: Configuration,
        rules: Rules,
        needed: Sequence[Root],
        about: Callable[[Kept], bool],
    ) -> None:
        self._machine = machine
        self._plugins = plugins
        self._settings = configuration.settings
        # a wrong line may be the one that says to keep them longer
        self._unknown = tuple(
            str(problem) for problem in configuration.problems if problem.fault and MAIN in problem.file
        )
        self._rules = rules
        self._needed = needed
        self._about = about
        self._looks_until = time.monotonic() + LOOKING
        self._store: Store = machine.store()

    def tell(self) -> Collection:
        """What a collection would do now."""
        judged, unknown = self._assess(self._remembered())
        return self._sum(judged, gone=(), unknown=unknown)

    def _remembered(self) -> Mapping[str, tuple[int, int]]:
        """Since when and in how many runs files were needed by nothing, read only; empty where that is not known."""
        path = self._machine.layout.ledger
        try:
            if path.exists():
                with Ledger(path, writable=False) as ledger:
                    return _before(ledger)
        except (OSError, sqlite3.Error) as error:
            log.error("%s: %s; since when images are needed by nothing is not known", path, error)
        return {}

    def collect(self) -> Collection:
        """Mark and delete.

        A disk can be so full that the ledger cannot be written, which would keep it full. Then goes what its waiting
        time is over by what was written before, and if that does not help, without the waiting time: room is lacking
        beyond doubt. The ledger follows when it can.
        """
        try:
            return self._mark_and_delete()
        except NotWritten as error:
            if not error.full:
                raise
            fault = error
        log.warning("%s: %s; collecting without it", self._machine.layout.ledger, fault)
        freed: list[Judged] = []
        for rules in dict.fromkeys((self._rules, replace(self._rules, lacking_room=True))):
            gone = self._free(rules)
            if not gone:
                continue
            freed += gone
            try:
                found = self._mark_and_delete()
                return replace(found, gone=(*freed, *found.gone))
            except NotWritten as error:
                fault = error
        if not freed:
            raise fault
        judged, unknown = self._assess(self._remembered())
        found = self._sum(judged, gone=tuple(freed), unknown=unknown)
        return replace(found, fault=f"{self._machine.layout.ledger}: {fault}")

    def _free(self, rules: Rules) -> tuple[Judged, ...]:
        """Delete what goes by these rules, with nothing written."""
        self._rules, kept = rules, self._rules
        try:
            judged, unknown = self._assess(self._remembered())
            if not unknown:
                gone, unknown = self._delete([item for item in judged if item.fate is Fate.GOES])
        finally:
            self._rules = kept
        for text in unknown:
            log.error("nothing is deleted, not known: %s", text)
        return () if unknown else gone

    def _mark_and_delete(self) -> Collection:
        with Ledger(self._machine.layout.ledger) as ledger:
            judged, unknown = self._assess(_before(ledger))
            self._enter(ledger, judged)
            # nothing begins to wait on the word of an incomplete look (Rules.doubtful); what is needed waits no more
            ledger.mark(_waiting(judged))
            gone: tuple[Judged, ...] = ()
            if not unknown:
                gone, unknown = self._delete([item for item in judged if item.fate is Fate.GOES])
                ledger.collected(((item.kept.file_name, item.reason) for item in gone), self._rules.now)
            ledger.remember(_LAST, time_text(self._rules.now))
        self._sweep()
        names = {item.kept.file_name for item in gone}
        return self._sum([item for item in judged if item.kept.file_name not in names], gone=gone, unknown=unknown)

    def _sweep(self) -> None:
        """Take away what killed processes left beside records, lists and memories."""
        before = self._rules.now - YOUNG
        self._store.records.sweep(before)
        layout = self._machine.layout
        for folder in (layout.seen, *layout.cache.glob("*/")):
            try:
                sweep(folder, before)
            except OSError as error:
                log.info("%s: cannot be tidied up: %s", folder, error.strerror)

    def _enter(self, ledger: Ledger, judged: Sequence[Judged]) -> None:
        kept = [item.kept for item in judged]
        records = [item.record for item in kept if item.record is not None]
        ledger.enter_images(records, self._rules.now, files=[item.file_name for item in kept if not item.missing])

    def _assess(self, before: Mapping[str, tuple[int, int]]) -> tuple[Sequence[Judged], tuple[str, ...]]:
        files = self._store.inventory()
        marks = survey(self._machine, self._plugins, files, self._needed)
        unknown = (*self._unknown, *marks.unknown)
        judged = judge(files, marks.roots, before, replace(self._rules, doubtful=bool(unknown)))
        return [self._with_content(item) for item in judged], unknown

    def _with_content(self, item: Judged) -> Judged:
        """Of unknown origin and needed by nothing: half a download or an error page goes, an image stays."""
        if item.fate is not Fate.UNKNOWN_ORIGIN or not self._about(item.kept):
            return item
        if time.monotonic() > self._looks_until:
            return replace(item, reason="of unknown origin, and not looked into yet")
        name = item.kept.file_name
        try:
            with self._store.opened(name) as descriptor:
                self._inspect(descriptor, name)
        except (NoVerdict, StoreError, ToolMissing, OSError) as error:
            return replace(item, reason=f"of unknown origin, and cannot be looked into: {error}")
        except ImageBroken as error:
            return replace(item, fate=Fate.GOES, reason=f"nothing needs it, and it is no extension image: {error}")
        return replace(item, reason="of unknown origin, and a good image")

    def _inspect(self, descriptor: int, name: str) -> None:
        from tukit_sysext.system.inspect_image import inspect_image

        inspect_image(descriptor, preferred=name.removesuffix(".raw"), scratch=self._machine.layout.cache)

    def _delete(self, going: Sequence[Judged]) -> tuple[tuple[Judged, ...], tuple[str, ...]]:
        """Delete what is still needed by nothing. What cannot be deleted is told, and keeps nothing else."""
        if not going:
            return (), ()
        marks = survey(self._machine, self._plugins, [item.kept for item in going], self._needed)
        if marks.unknown:
            return (), marks.unknown
        gone: list[Judged] = []
        for item in going:
            name = item.kept.file_name
            if marks.roots.get(name):
                continue
            try:
                self._store.remove(name)
            except (OSError, StoreError) as error:
                log.error("%s: cannot be collected: %s", name, error)
                continue
            log.info("%s collected: %s", name, item.reason)
            gone.append(item)
        return tuple(gone), ()

    def _sum(self, judged: Sequence[Judged], *, gone: tuple[Judged, ...], unknown: tuple[str, ...]) -> Collection:
        room = os.statvfs(self._machine.layout.store)
        found = Collection(
            judged=tuple(judged),
            gone=gone,
            unknown=unknown,
            store_bytes=sum(item.kept.size for item in judged),
            store_max=self._settings.store_max.of(room.f_blocks * room.f_frsize),
        )
        if found.too_large:
            log.warning(
                "%s has %d bytes, more than StoreMax= allows (%d); snapshots that are not needed keep images",
                self._machine.layout.store,
                found.store_bytes,
                found.store_max,
            )
        return found


def _before(ledger: Ledger) -> Mapping[str, tuple[int, int]]:
    """Since when and in how many runs files were needed by nothing, by their names as the ledger has them."""
    return {
        image.file: (image.unreferenced_since, image.unreferenced_runs)
        for image in ledger.images()
        if image.unreferenced_since is not None
    }


def _waiting(judged: Sequence[Judged]) -> dict[str, tuple[int, int]]:
    return {clean(item.kept.file_name): (item.since, item.runs) for item in judged if item.since is not None}
