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
from dataclasses import dataclass, field, replace

from tukit_sysext.all_plugins import AllPlugins, Root
from tukit_sysext.collect import tombstones
from tukit_sysext.collect.decision import YOUNG, Decision, Disposition, Rules, decide
from tukit_sysext.collect.survey import survey
from tukit_sysext.config.main_settings import load_settings
from tukit_sysext.errors import ImageBroken, NoVerdict, StoreError, ToolBroken
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.leftovers import Leftovers
from tukit_sysext.ledger.rows import LedgerImage, clean
from tukit_sysext.ledger.schema import NotWritten
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import time_text
from tukit_sysext.sources.cache import CONTENT, INDEXES
from tukit_sysext.store.image_store import StoreFile
from tukit_sysext.store.record import seconds_of
from tukit_sysext.system.durable import sweep
from tukit_sysext.system.lock import exclusive
from tukit_sysext.system.login_uid import login_uid
from tukit_sysext.system.tree import Tree

log = logging.getLogger(__name__)

PAUSE = 3600
"""Seconds after a collection before events ask for the next one."""

LOOKING = 30.0
"""Seconds for which images of unknown origin are looked into in one run: transactions wait meanwhile."""

_OLD = 90 * 86400
"""Seconds after which a list or a manifest that no refresh had again is not kept any more."""
_LAST = "collected"
_FREED = "freed"


@dataclass(frozen=True, kw_only=True, slots=True)
class CollectionOptions:
    """What a collection is asked for.

    ``unknown_origin``: images without a record go too. ``at_once``: without the grace time and a second run. ``needed``
    are files that the caller is about to link. Of the images of unknown origin only those that it asks ``about`` are
    looked into. ``described``: the records of what is needed are read too, for who shows them.
    """

    unknown_origin: bool = False
    at_once: bool = False
    needed: frozenset[str] = frozenset()
    about: Callable[[StoreFile], bool] = lambda _: True
    described: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Collection:
    """What came of a collection: the decisions on what is left of the store, what went, and why nothing could go.

    What is needed has a record there only where that was asked for, or read for something else.
    ``store_bytes`` is what the store has on the disk, ``store_max`` from where on it is warned of. ``fault`` tells why
    the ledger could not be brought up to date although something went, ``failed`` of which files it is not known what
    they are, or which could not be deleted, with the reason. ``tombstones`` are images whose State=removed went.
    """

    decisions: tuple[Decision, ...] = ()
    gone: tuple[Decision, ...] = ()
    unknown: tuple[str, ...] = ()
    store_bytes: int = 0
    store_max: int = 0
    fault: str = ""
    failed: Mapping[str, str] = field(default_factory=dict)
    tombstones: tuple[str, ...] = ()

    @property
    def too_large(self) -> bool:
        """Whether the store has more than StoreMax= says."""
        return self.store_bytes > self.store_max


def collect(
    machine: Machine, plugins: AllPlugins, options: CollectionOptions | None = None, *, dry_run: bool = False
) -> Collection:
    """Collect what nothing needs; with ``dry_run`` only tell.

    Raises Busy where another process holds the lock, OSError or sqlite3.Error where store or ledger cannot be read or
    written to; nothing is deleted then. On a full disk the ledger is not waited for: see _Run.collect().
    """
    if not machine.layout.store.is_dir():
        return Collection()
    run = _Run(machine, plugins, options or CollectionOptions())
    if dry_run:
        return run.preview()
    with exclusive(machine.layout.lock):
        return run.collect()


def last(ledger: Ledger) -> int | None:
    """When the last collection was, in seconds since the epoch; None where none is remembered."""
    return seconds_of(ledger.recall(_LAST) or "")


def last_freed(ledger: Ledger) -> int | None:
    """How many bytes the last collection freed; None where that is not remembered."""
    freed = ledger.recall(_FREED) or ""
    return int(freed) if freed.isascii() and freed.isdigit() else None


class _Run:
    def __init__(self, machine: Machine, plugins: AllPlugins, options: CollectionOptions) -> None:
        with Tree(machine.layout.root) as tree:
            self._settings, problems, _ = load_settings(tree)
        self._machine = machine
        self._plugins = plugins
        # a wrong line may be the one that says to keep them longer
        self._unknown = tuple(str(problem) for problem in problems if problem.fault)
        self._rules = Rules(
            now=int(time.time()),
            grace=self._settings.grace,
            at_once=options.at_once,
            unknown_origin=options.unknown_origin,
        )
        self._needed = tuple(Root(image=name, where="a transaction") for name in options.needed)
        self._about = options.about
        self._described = options.described
        self._looks_until = time.monotonic() + LOOKING
        self._store = machine.store()
        self._leftovers = Leftovers(machine.layout, None)
        self._failed: dict[str, str] = {}

    def preview(self) -> Collection:
        """What a collection would do now."""
        decisions, unknown = self._assess(self._remembered(), self._rules)
        return replace(self._sum(decisions, unknown=unknown), tombstones=tombstones.needless(self._machine))

    def _remembered(self) -> Sequence[LedgerImage]:
        """The images that the ledger knows, read only; none where it cannot be read."""
        path = self._machine.layout.ledger
        try:
            if path.exists():
                with Ledger(path, writable=False) as ledger:
                    self._leftovers = Leftovers(self._machine.layout, ledger)
                    return ledger.images()
        except (OSError, sqlite3.Error) as error:
            log.error("%s: %s; since when images are needed by nothing is not known", path, error)
        return ()

    def collect(self) -> Collection:
        """Mark and delete.

        A disk can be so full that the ledger cannot be written, which would keep it full. Then goes what its waiting
        time is over by what was written before, and if that does not help, without the waiting time: space is lacking
        beyond doubt. The ledger follows when it can.
        """
        try:
            return self._mark_and_delete()
        except NotWritten as error:
            if not error.full:
                raise
            fault = error
        log.warning("%s: %s; collecting without it", self._machine.layout.ledger, fault)
        freed: list[Decision] = []
        for rules in dict.fromkeys((self._rules, replace(self._rules, at_once=True))):
            gone = self._free(rules)
            if not gone:
                continue
            freed += gone
            try:
                return self._mark_and_delete(freed)
            except NotWritten as error:
                fault = error
        if not freed:
            raise fault
        collection = replace(self.preview(), gone=tuple(freed))
        return replace(collection, fault=f"{self._machine.layout.ledger}: {fault}")

    def _free(self, rules: Rules) -> Sequence[Decision]:
        """Delete what goes by these rules, with nothing written."""
        gone: Sequence[Decision] = ()
        decisions, unknown = self._assess(self._remembered(), rules)
        if not unknown:
            gone, unknown = self._delete(decisions)
        for text in unknown:
            log.error("nothing is deleted, not known: %s", text)
        return gone

    def _mark_and_delete(self, freed: Sequence[Decision] = ()) -> Collection:
        """Mark and delete; ``freed`` went before, with nothing written."""
        with Ledger(self._machine.layout.ledger) as ledger:
            self._leftovers = Leftovers(self._machine.layout, ledger)
            decisions, unknown = self._assess(ledger.images(), self._rules)
            self._leftovers.remember(ledger)
            self._enter(ledger, decisions)
            gone: Sequence[Decision] = ()
            if not unknown:
                gone, unknown = self._delete(decisions)
                uid = login_uid(self._machine.layout.root)
                ledger.collected(((each.file.file_name, each.reason) for each in gone), self._rules.now, uid=uid)
            gone = (*freed, *gone)
            ledger.remember(_LAST, time_text(self._rules.now))
            ledger.remember(_FREED, str(sum(each.file.size for each in gone)))
        self._sweep()
        names = {each.file.file_name for each in gone}
        left = [each for each in decisions if each.file.file_name not in names]
        collection = self._sum(left, unknown=unknown)
        return replace(collection, gone=tuple(gone), tombstones=tombstones.sweep(self._machine))

    def _sweep(self) -> None:
        """Take away what killed processes left beside records, lists and memories."""
        before = self._rules.now - YOUNG
        self._store.records.sweep(before)
        layout = self._machine.layout
        for folder in (layout.seen, *layout.cache.glob("*/")):
            try:
                sweep(folder, before)
                # the store has its indexes beside the records; all else may be lost, and comes again
                oldest = {INDEXES: before, CONTENT: self._rules.now - _OLD}.get(folder.name)
                if oldest is not None:
                    for path in folder.iterdir():
                        if path.lstat().st_mtime < oldest:
                            path.unlink(missing_ok=True)
            except OSError as error:
                log.info("%s: cannot be tidied up: %s", folder, error.strerror)

    def _enter(self, ledger: Ledger, decisions: Sequence[Decision]) -> None:
        """Enter what the store has, where that is not known yet, and since when nothing needs it."""
        files = [each.file for each in decisions]
        records = [file.record for file in files if file.record is not None]
        ledger.enter_images(records, self._rules.now, files=[file.file_name for file in files if not file.missing])
        # nothing begins to wait on the word of an incomplete look (Rules.doubtful); what is needed waits no more
        ledger.mark({each.file.file_name: (each.since, each.runs) for each in decisions if each.since is not None})

    def _assess(self, images: Sequence[LedgerImage], rules: Rules) -> tuple[Sequence[Decision], tuple[str, ...]]:
        """Decide on all files of the store; nothing may go where something is unknown. ``images`` are the ledger's.

        Records are read of what nothing needs and of what the ledger, which may be lost, does not have yet; where
        something is held, or they are to be shown, all are.
        """
        files = self._store.files()
        roots = survey(self._machine, self._plugins, files, self._needed)
        known = {image.file for image in images if image.gone is None and image.sha256} if not self._described else ()
        files = [
            file
            if roots.by_image.get(file.file_name) and clean(file.file_name) in known
            else self._store.recorded(file)
            for file in files
        ]
        unknown = (*self._unknown, *self._leftovers.unsettled(roots.unknown, roots.leftovers))
        before = {
            image.file: (image.unreferenced_since, image.unreferenced_runs)
            for image in images
            if image.unreferenced_since is not None
        }
        decisions = decide(files, roots.by_image, before, replace(rules, doubtful=bool(unknown)))
        return [self._with_content(decision) for decision in decisions], unknown

    def _with_content(self, decision: Decision) -> Decision:
        """Of unknown origin and needed by nothing: half a download or an error page goes, an image stays."""
        if decision.disposition is not Disposition.UNKNOWN_ORIGIN or not self._about(decision.file):
            return decision
        if time.monotonic() > self._looks_until:
            return replace(decision, reason="of unknown origin, and not looked into yet")
        from tukit_sysext.system.inspect_image import inspect_image  # 6 ms, which most collections do without

        name = decision.file.file_name
        try:
            with self._store.opened(name) as descriptor:
                inspect_image(descriptor, preferred=name.removesuffix(".raw"), scratch=self._machine.layout.cache)
        except FileNotFoundError:
            # another process collects while this one looks without the lock
            return replace(decision, disposition=Disposition.WAITS, reason="gone meanwhile")
        except (NoVerdict, StoreError, ToolBroken, OSError) as error:
            decision = replace(decision, reason=f"of unknown origin, and cannot be looked into: {error}")
            log.error("%s: %s", name, decision.reason)
            self._failed[name] = decision.reason
            return decision
        except ImageBroken as error:
            reason = f"nothing needs it, and it is no extension image: {error}"
            return replace(decision, disposition=Disposition.GOES, reason=reason)
        return replace(decision, reason="of unknown origin, and a good image")

    def _delete(self, decisions: Sequence[Decision]) -> tuple[Sequence[Decision], tuple[str, ...]]:
        """Delete what goes and is still needed by nothing: what went, and what is unknown.

        The second look asks about what is about to go alone, in all places: what a link is called does not tell where
        it leads, so that each is read once more.
        What cannot be deleted is logged, and keeps nothing else.
        """
        going = [decision for decision in decisions if decision.disposition is Disposition.GOES]
        if not going:
            return (), ()
        roots = survey(self._machine, self._plugins, [decision.file for decision in going], self._needed)
        unknown = self._leftovers.unsettled(roots.unknown, roots.leftovers)
        if unknown:
            return (), unknown
        gone: list[Decision] = []
        for decision in going:
            name = decision.file.file_name
            if roots.by_image.get(name):
                continue
            try:
                self._store.remove(name)
            except (OSError, StoreError) as error:
                log.error("%s: cannot be collected: %s", name, error)
                self._failed[name] = f"cannot be collected: {error}"
                continue
            log.info("%s collected: %s", name, decision.reason)
            gone.append(decision)
        return gone, ()

    def _sum(self, decisions: Sequence[Decision], *, unknown: tuple[str, ...]) -> Collection:
        disk = os.statvfs(self._machine.layout.store)
        collection = Collection(
            decisions=tuple(decisions),
            unknown=unknown,
            failed=dict(self._failed),
            store_bytes=sum(decision.file.size for decision in decisions),
            store_max=self._settings.store_max.of(disk.f_blocks * disk.f_frsize),
        )
        if collection.too_large:
            log.warning(
                "%s has %d bytes, more than StoreMax= allows (%d); snapshots that are not needed keep images",
                self._machine.layout.store,
                collection.store_bytes,
                collection.store_max,
            )
        return collection
