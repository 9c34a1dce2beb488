# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fetching what a plan wants: received, hashed, looked into, published in the store.

Decides nothing: which image is next is asked of the plan, whether a content fits of the plan's rules.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from tukit_sysext.errors import (
    Busy,
    ImageBroken,
    NoSpace,
    NoVerdict,
    PluginFailed,
    SourceUnreachable,
    StoreError,
    ToolBroken,
    TukitSysextError,
    WithNextStep,
)
from tukit_sysext.rules.image_names import unpacked_name
from tukit_sysext.sources.candidate import Description, Standing
from tukit_sysext.sources.progress_sink import ProgressSink
from tukit_sysext.store.digest import hash_of
from tukit_sysext.store.image_store import Condition
from tukit_sysext.store.incoming import Incoming, TooLarge
from tukit_sysext.system.unpack import unpack
from tukit_sysext.update.content_judge import ContentJudge, WantedFile, came_in_vain
from tukit_sysext.update.deciding import beside_each_other, decide
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.options import spare
from tukit_sysext.update.plan import Plan
from tukit_sysext.update.search import Resolver

if TYPE_CHECKING:
    from tukit_sysext.store.seed import Seed

log = logging.getLogger(__name__)


class _NameTaken(Exception):
    """An image of unknown origin, with other content, has the name in the store that a published one would get."""


class Fetching:
    """Brings images into the store until a resolver's plan wants no more.

    ``fetched`` are the files that came, ``lacking_space`` the keys of the images that the store had no space for.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._store = resolver.store
        self._content = ContentJudge(resolver)
        self.fetched: set[str] = set()
        self.lacking_space: set[str] = set()
        self._busy: Busy | None = None

    def complete(self, *, until_full: bool = False) -> Plan:
        """Fetch what the plan wants, and what it wants then, and return the last plan.

        With ``until_full`` that is given up, and the plan not fulfilled, once the store has no space. Raises Busy where
        another process does not let us into the store, OSError where the machine fails us.
        """
        self._content.complete_records()
        while (plan := decide(self._resolver.facts)).fetches:
            self.bring(plan)
            facts = beside_each_other(self._resolver.facts)
            for image in plan.fetches:
                if came_in_vain(facts, image):
                    self._resolver.tried_in_vain(image.name)
            if until_full and self.lacking_space:
                break
        return plan

    def bring(self, plan: Plan) -> None:
        """Fetch what one plan wants; each image ends whole in the store, or with a reason why not. Raises Busy."""
        by_source: dict[str, list[WantedFile]] = {}
        for image in plan.fetches:
            if image.chosen is None or image.chosen.candidate is None:
                continue
            wanted = WantedFile(name=image.name, option=image.chosen, candidate=image.chosen.candidate)
            try:
                known = self._take_over(wanted)
            except _NameTaken:
                reason = f"{wanted.option.file_name}: an image of unknown origin has this name in the store"
                log.warning("%s", reason)
                if wanted.candidate.key in self._resolver.facts.beside:
                    self._note(wanted, Description(failure=Standing.NOT_STORED, reason=reason))  # so have both names
                self._resolver.put_beside(wanted.candidate)
                continue
            if known is not None:
                self._note(wanted, known)
            else:
                by_source.setdefault(wanted.candidate.source, []).append(wanted)
        coming = [(wanted.candidate.file_name, wanted.option.size) for each in by_source.values() for wanted in each]
        if coming:
            self._resolver.machine.progress.fetch(coming)
        for source, images in sorted(by_source.items()):
            self._fetch_from(source, images)
        self._resolver.describe()

    def _take_over(self, wanted: WantedFile) -> Description | None:
        """Take over another tool's file under this name where it is the published one: nothing to fetch then.

        Raises _NameTaken where it is another image, which stays.
        """
        option = wanted.option
        if option.stored is None or option.stored.condition is not Condition.UNRECORDED:
            return None
        try:
            with self._store.opened(option.file_name) as descriptor:
                if hash_of(descriptor) != option.sha256:
                    if not self._content.is_no_image(option.file_name):
                        raise _NameTaken
                    return None
                known, record = self._content.look_into(descriptor, wanted, sha256=option.sha256)
                if record is not None:
                    self._store.take_over(record, descriptor)
                return known
        except OSError:
            return None
        except Busy:
            raise
        except TukitSysextError as error:
            return _failure(error)

    def _fetch_from(self, source: str, images: Sequence[WantedFile]) -> None:
        """Fetch images of one source, all at once as far as it likes; each is published as soon as it is there."""
        settings = self._resolver.configuration.settings
        with ExitStack() as stack:
            arrivals: list[_Arrival] = []
            for wanted in images:
                candidate = wanted.candidate
                where = f"{candidate.file_name} of source {source}"
                try:
                    incoming = stack.enter_context(
                        self._store.receive(
                            sha256=candidate.sha256,
                            limit=settings.image_max,
                            where=where,
                            keep_free=settings.keep_free,
                            name=candidate.name,
                        )
                    )
                except StoreError as error:
                    self._note_failure(wanted, error)
                else:
                    arrivals.append(_Arrival(wanted, incoming, self))
            progress = self._resolver.machine.progress
            sinks = [(each.candidate, ProgressSink(each, each.candidate.file_name, progress)) for each in arrivals]
            failures: Mapping[str, TukitSysextError] = {}
            try:
                failures = self._resolver.sources[source].fetch(sinks)
            except PluginFailed as error:
                self._resolver.cannot_use(source, error)
            except (StoreError, SourceUnreachable, ImageBroken) as error:
                # of a sink that could not begin anew, or of what is asked before any image: no matter of one alone
                failures = {each.candidate.sha256: error for each in arrivals}
            if self._busy is not None:
                raise self._busy  # a lock of ours says nothing about an image
            for arrival in arrivals:
                if arrival.known is not None:
                    self._note(arrival.wanted, arrival.known)
                else:
                    nothing = SourceUnreachable(f"source {source} did not bring it")
                    self._note_failure(arrival.wanted, failures.get(arrival.candidate.sha256, nothing))

    def _note_failure(self, wanted: WantedFile, error: TukitSysextError) -> None:
        if isinstance(error, NoSpace):
            self.lacking_space.add(wanted.option.key)
        self._note(wanted, _failure(error))

    def _note(self, wanted: WantedFile, known: Description) -> None:
        """Take in what came of an image; one that was published is looked at again as everybody will see it."""
        option, stored = wanted.option, {}
        if known.failure is None:
            now = self._store.look(option.file_name)
            stored = {option.file_name: now}
            self.fetched.add(option.file_name)
            if now.condition is not Condition.WHOLE and self._content.fits(known, wanted):
                reason = f"{option.file_name} is {now.condition} right after it was published: {now.reason}"
                known = Description(failure=Standing.NOT_STORED, reason=reason)
        if known.failure is not None:
            fault = known.failure is Standing.FAULT
            # it refuses nothing, so that nothing but its line tells what can be done
            message = WithNextStep(f"{wanted.name} {option.version}: {known.reason}", known.next_step if fault else "")
            log.log(logging.ERROR if fault else logging.WARNING, message)
        keys = {option.key}
        if known.failure is Standing.FAULT:
            # what cannot look into this one cannot look into any other: none is fetched to find that out again
            keys |= {candidate.key for candidate in self._resolver.facts.candidates}
        self._resolver.learn(known=dict.fromkeys(keys, known), stored=stored)

    def publish(self, incoming: Incoming, wanted: WantedFile) -> Description:
        """Look into an image whose hash is right, and publish it where it fits. Raises NoSpace."""
        try:
            with self._unpacked(incoming, wanted) as image:
                known, record = self._content.look_into(image.descriptor, wanted, sha256=image.sha256)
                self._resolver.remember(wanted.candidate, known)
                if record is not None:
                    record = replace(record, fetched=incoming.fetched, reused=incoming.reused)
                    self._store.publish(image, record, replaceable=self._content.is_no_image)
        except NoSpace:
            raise  # as where it is full earlier
        except Busy as error:
            self._busy = error  # raised where no source is in between
            return Description()
        except TooLarge as error:
            return _failure(error)  # with a larger ImageMax= it may be none any more
        except ImageBroken as error:
            known = _failure(error)  # by a program that works, of a content whose hash is right
            self._resolver.remember(wanted.candidate, known)
        except TukitSysextError as error:
            return _failure(error)
        return known

    @contextmanager
    def _unpacked(self, incoming: Incoming, wanted: WantedFile) -> Iterator[Incoming]:
        """The image itself, of one that is packed and whose hash is right."""
        candidate, settings = wanted.candidate, self._resolver.configuration.settings
        name, packing = unpacked_name(candidate.file_name)
        if not packing:
            yield incoming
            return
        where = f"{name} of source {candidate.source}"
        with self._store.receive(
            sha256="", limit=settings.image_max, where=where, keep_free=settings.keep_free
        ) as unpacked:
            unpack(incoming.descriptor, packing, unpacked.write)
            unpacked.finish()
            yield unpacked


class _Arrival:
    """A sink that publishes its image as soon as it is whole: what came before an interruption is not lost."""

    def __init__(self, wanted: WantedFile, incoming: Incoming, fetching: Fetching) -> None:
        self.wanted = wanted
        self.candidate = wanted.candidate
        self.known: Description | None = None
        self._incoming = incoming
        self._fetching = fetching
        self.expect: Callable[[int], None] = incoming.expect
        self.write: Callable[[bytes], None] = incoming.write
        self.reuse: Callable[[bytes, int, int], None] = incoming.reuse
        self.seeds: Callable[[], Sequence[Seed]] = incoming.seeds
        self.reserve: Callable[[int], None] = incoming.reserve
        self.keep_index: Callable[[bytes], None] = incoming.keep_index
        self.resume: Callable[[], int] = incoming.resume
        self.restart: Callable[[], None] = incoming.restart

    def finish(self) -> None:
        """See Sink. What is wrong with the content is not the server's fault, whose hash is right: it is kept apart."""
        self._incoming.finish()
        self.known = self._fetching.publish(self._incoming, self.wanted)


def _failure(error: TukitSysextError) -> Description:
    """Which of the reasons an error is."""
    if isinstance(error, SourceUnreachable):
        return Description(failure=Standing.UNREACHABLE, reason=str(error))
    if isinstance(error, StoreError):
        return Description(failure=Standing.NOT_STORED, reason=str(error), next_step=error.next_step or "")
    if isinstance(error, NoVerdict):
        return Description(failure=Standing.UNUSABLE, reason=str(error))
    if isinstance(error, ToolBroken):
        return Description(failure=Standing.FAULT, reason=str(error), next_step=error.next_step or "")
    return Description(failure=Standing.BROKEN, reason=str(error))


def needed(plan: Plan, facts: Facts) -> frozenset[str]:
    """Files of the store that a transaction links, or would link if nothing more can be fetched."""
    files = {image.chosen.file_name for image in plan.images if image.chosen is not None}
    for image in plan.fetches:
        fitting = (each for each in spare(facts, image.wanted) if each.standing is Standing.FITS)
        files |= {each.option.file_name for each in islice(fitting, 1)}
    return frozenset(files)
