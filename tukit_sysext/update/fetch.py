# SPDX-License-Identifier: LGPL-2.1-or-later
"""Carrying out a plan: fetch, verify, publish, link.

Decides nothing: whether a content fits is asked of the plan's rules.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from tukit_sysext.errors import (
    Busy,
    ImageBroken,
    NoSpace,
    PluginFailed,
    SourceUnreachable,
    StoreError,
    TukitSysextError,
)
from tukit_sysext.quantities import time_text
from tukit_sysext.sources.candidate import Candidate, Known, Standing
from tukit_sysext.sources.watched import Watched
from tukit_sysext.store.digest import hash_of
from tukit_sysext.store.image_store import Condition, Store, Stored
from tukit_sysext.store.incoming import Incoming
from tukit_sysext.store.record import Record
from tukit_sysext.system.inspect_image import inspect_image
from tukit_sysext.update.options import Option, consider, spare
from tukit_sysext.update.plan import Plan, decide
from tukit_sysext.update.resolve import Resolver

if TYPE_CHECKING:
    from tukit_sysext.collect.collection import Collection

    MakeRoom = Callable[[frozenset[str]], Collection]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Findings:
    """What fetching showed: of images by their keys, of the store by file name.

    ``lacking_room`` are the keys of those that the store had no room for.
    """

    known: dict[str, Known] = field(default_factory=dict)
    stored: dict[str, Stored] = field(default_factory=dict)
    lacking_room: set[str] = field(default_factory=set)


def fetch(plan: Plan, resolver: Resolver, store: Store) -> Findings:
    """Bring the images that the plan wants fetched into the store; each ends whole in it, or with a reason why not."""
    findings = Findings()
    by_source: dict[str, list[_Wanted]] = {}
    for image in plan.fetches:
        if image.chosen is None or image.chosen.candidate is None:
            continue
        wanted = _Wanted(name=image.name, option=image.chosen, candidate=image.chosen.candidate)
        known = _recover(wanted, resolver, store)
        if known is not None:
            _note(wanted, known, findings, resolver, store)
        else:
            by_source.setdefault(wanted.candidate.source, []).append(wanted)
    coming = [(wanted.candidate.file_name, wanted.candidate.size) for each in by_source.values() for wanted in each]
    if coming:
        resolver.progress.fetch(coming)
    for source, images in sorted(by_source.items()):
        _fetch_from(source, images, findings, resolver, store)
    return findings


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """An image to be fetched: its name, and what was chosen for it."""

    name: str
    option: Option
    candidate: Candidate


def _note(wanted: _Wanted, known: Known, findings: Findings, resolver: Resolver, store: Store) -> None:
    """Note what came of an image; one that was published is looked at again as everybody will see it."""
    option = wanted.option
    if known.failure is None:
        stored = store.look(option.file_name)
        findings.stored[option.file_name] = stored
        if stored.condition is not Condition.WHOLE and _fits(known, option, resolver):
            reason = f"{option.file_name} is {stored.condition} right after it was published: {stored.reason}"
            known = Known(failure=Standing.NOT_STORED, reason=reason)
    if known.failure is not None:
        log.warning("%s %s: %s", wanted.name, option.version, known.reason)
    findings.known[option.key] = known


def _failed(error: TukitSysextError) -> Known:
    """Which of the reasons an error is."""
    standing = Standing.BROKEN
    if isinstance(error, SourceUnreachable):
        standing = Standing.UNREACHABLE
    elif isinstance(error, StoreError):
        standing = Standing.NOT_STORED
    told = f"{error}; next step: {error.next_step}" if isinstance(error, StoreError) and error.next_step else str(error)
    return Known(failure=standing, reason=told)


def _recover(wanted: _Wanted, resolver: Resolver, store: Store) -> Known | None:
    """Take over another tool's file under this name where it is the published one: nothing to fetch then."""
    option = wanted.option
    if option.stored is None or option.stored.condition is not Condition.UNRECORDED:
        return None
    try:
        with store.opened(option.file_name) as descriptor:
            if hash_of(descriptor) != option.sha256:
                return None
            known, record = _look(descriptor, wanted, resolver)
            if record is not None:
                store.take_over(record, descriptor)
            return known
    except OSError:
        return None
    except TukitSysextError as error:
        return _failed(error)


def _fetch_from(source: str, images: Sequence[_Wanted], findings: Findings, resolver: Resolver, store: Store) -> None:
    """Fetch images of one source, all at once as far as it likes, then look into each and publish it."""
    limit = resolver.configuration.settings.image_max
    with ExitStack() as stack:
        arrivals: list[_Arrival] = []
        for wanted in images:
            where = f"{wanted.candidate.file_name} of source {source}"
            try:
                incoming = stack.enter_context(store.receive(sha256=wanted.candidate.sha256, limit=limit, where=where))
            except StoreError as error:
                _note(wanted, _failed(error), findings, resolver, store)
                findings.lacking_room |= {wanted.option.key} if isinstance(error, NoSpace) else set()
            else:
                arrivals.append(_Arrival(wanted, incoming, resolver, store))
        failures: Mapping[str, TukitSysextError] = {}
        try:
            failures = resolver.sources[source].fetch(
                [
                    (candidate, Watched(arrival, candidate.file_name, resolver.progress))
                    for arrival in arrivals
                    for candidate in (arrival.wanted.candidate,)
                ]
            )
        except PluginFailed as error:
            resolver.cannot_use(source, error)
        for arrival in arrivals:
            failure = failures.get(arrival.wanted.candidate.sha256)
            known = arrival.known
            if known is None and failure is not None:
                known = _failed(failure)
                if isinstance(failure, NoSpace):
                    findings.lacking_room.add(arrival.wanted.option.key)
            if known is None:
                known = Known(failure=Standing.UNREACHABLE, reason=f"source {source} did not bring it")
            _note(arrival.wanted, known, findings, resolver, store)


class _Arrival:
    """A sink that publishes its image as soon as it is whole: what came before an interruption is not lost."""

    def __init__(self, wanted: _Wanted, incoming: Incoming, resolver: Resolver, store: Store) -> None:
        self.wanted = wanted
        self.known: Known | None = None
        self._incoming = incoming
        self._resolver = resolver
        self._store = store

    def expect(self, size: int) -> None:
        """See Sink."""
        self._incoming.expect(size)

    def write(self, data: bytes) -> None:
        """See Sink."""
        self._incoming.write(data)

    def restart(self) -> None:
        """See Sink."""
        self._incoming.restart()

    def finish(self) -> None:
        """See Sink. What is wrong with the content is not the server's fault, whose hash is right: it is kept apart."""
        self._incoming.finish()
        self.known = _publish(self._incoming, self.wanted, self._resolver, self._store)


def _publish(incoming: Incoming, wanted: _Wanted, resolver: Resolver, store: Store) -> Known:
    """Look into an image whose hash is right, and publish it where it fits."""
    try:
        known, record = _look(incoming.descriptor, wanted, resolver)
        resolver.remember(wanted.candidate, known)
        if record is not None:
            store.publish(incoming, record, replaceable=lambda there: _good_for_nothing(there, resolver, store))
        return known
    except NoSpace:
        raise  # as where it is full earlier
    except TukitSysextError as error:
        return _failed(error)


def _look(descriptor: int, wanted: _Wanted, resolver: Resolver) -> tuple[Known, Record | None]:
    """Look into a file whose hash is right: what it says, and its record where it fits, so that it is published."""
    option, candidate = wanted.option, wanted.candidate
    inspection = inspect_image(descriptor, preferred=wanted.name, scratch=resolver.scratch)
    known = Known(release=inspection.release, from_content=True, merge_name=inspection.merge_name)
    if not _fits(known, option, resolver):
        return known, None
    return known, Record(
        file_name=candidate.file_name,
        name=candidate.name,
        version=candidate.version,
        sha256=candidate.sha256,
        size=os.fstat(descriptor).st_size,
        source=candidate.source,
        url=candidate.locations[0] if candidate.locations else "",
        signer=candidate.signer,
        time=time_text(),
        merge_name=inspection.merge_name,
        release=dict(inspection.release),
    )


def _fits(known: Known, option: Option, resolver: Resolver) -> bool:
    facts = replace(resolver.facts, known={**resolver.facts.known, option.key: known})
    return consider(facts, option).standing is Standing.FITS


def _good_for_nothing(file_name: str, resolver: Resolver, store: Store) -> bool:
    """Whether systemd could not read the file of unknown origin either: half a download, an error page."""
    try:
        with store.opened(file_name) as descriptor:
            inspect_image(descriptor, preferred=file_name.removesuffix(".raw"), scratch=resolver.scratch)
    except ImageBroken:
        return True
    return False


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """A plan whose images are all in the store, and the files that were fetched for it."""

    plan: Plan
    fetched: frozenset[str]


def complete(
    resolver: Resolver,
    store: Store,
    *,
    make_room: MakeRoom | None = None,
    aside: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Completed:
    """Fetch what the plan of a resolver wants, into the store.

    ``make_room`` is called once where the store has no room, with the files that are needed, and with the lock given
    up (``aside``). Raises OSError where the machine fails us.
    """
    fetched: set[str] = set()
    while (plan := decide(resolver.facts)).fetches:
        findings = fetch(plan, resolver, store)
        fetched |= findings.stored.keys()
        resolver.learn(known=findings.known, stored=findings.stored)
        resolver.describe()
        if findings.lacking_room and make_room is not None:
            with aside():
                found = _make_room(make_room, _needed(plan, resolver))
            make_room = None  # once, or it would go on for ever
            # somebody else may have collected meanwhile, what this was about to link too
            resolver.try_again(findings.lacking_room if found else ())
    return Completed(plan=plan, fetched=frozenset(fetched))


def _needed(plan: Plan, resolver: Resolver) -> frozenset[str]:
    """Files of the store that this transaction links, or would link if nothing can be fetched."""
    chosen = {image.chosen.file_name for image in plan.images if image.chosen is not None}
    for image in plan.fetches:
        fits = (item for item in spare(resolver.facts, image.wanted) if item.standing is Standing.FITS)
        chosen |= {item.option.file_name for item in islice(fits, 1)}
    return frozenset(chosen)


def _make_room(make_room: MakeRoom, needed: frozenset[str]) -> bool:
    """Have what nothing needs collected at once; whether anything went. What fails in it leaves no more room."""
    try:
        found = make_room(needed)
    except Busy as error:
        log.warning("no room can be made now: %s", error)
        return False
    except (OSError, sqlite3.Error, TukitSysextError) as error:
        log.error("no room can be made: %s", error)
        return False
    if found.fault:
        log.error("what was collected is not written down: %s", found.fault)
    for unknown in found.unknown:
        log.warning("no room can be made, as nothing is deleted while anything is unknown: %s", unknown)
    return bool(found.gone)
