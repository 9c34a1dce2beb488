# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finding out what a plan needs: what is known locally, and as little as possible of the sources."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tukit_sysext.all_plugins import Advisers
from tukit_sysext.config.intent import State
from tukit_sysext.config.main_settings import Blocked
from tukit_sysext.config.wanted import WantedImage
from tukit_sysext.errors import (
    ImageBroken,
    MemoryUnreadable,
    NoVerdict,
    PluginFailed,
    SourceUnreachable,
    ToolBroken,
    WithNextStep,
)
from tukit_sysext.machine import Machine
from tukit_sysext.progress.job_report import Stage
from tukit_sysext.requirements.contents import Contents, completed
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.sources.cache import Cache
from tukit_sysext.sources.candidate import Candidate, Description, Standing
from tukit_sysext.sources.health import HealthFile
from tukit_sysext.sources.naming import Naming, NotUnderstood
from tukit_sysext.sources.protocol import MirroredSource, Source
from tukit_sysext.store.image_store import Stored
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.deciding import undecided
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.local import LocalLook

log = logging.getLogger(__name__)

_DAY = 86400

Choose = Callable[[Facts], Mapping[str, WantedImage]]
"""Images as they would be wanted, of what is known once the sources have said what they offer."""

Ask = Callable[[Facts, int], Sequence[Candidate]]
"""Which candidates have to be described next, at most so many of each image; none when enough is known."""


class Resolver:
    """Finds out for one tree, step by step: ``facts`` is what is known so far, and nobody else changes it.

    ``sources`` are those of the tree, by name.
    """

    def __init__(
        self,
        machine: Machine,
        tree: Tree,
        plugins: Advisers,
        *,
        refused_for: Mapping[str, int] | None = None,
        scratch: Path | None = None,
    ) -> None:
        """``scratch`` is what :class:`LocalLook` takes."""
        self.machine = machine
        self._look = LocalLook(machine, tree, scratch=scratch)
        self._naming = Naming()
        self.store = self._look.store
        self.configuration = self._look.configuration
        self._contents = _Contents(Cache(machine.layout.cache, writable=machine.privileged))
        self.sources: Mapping[str, Source] = {
            source.name: source for source in plugins.sources(machine, self.configuration)
        }
        unusable = {
            name: f"{settings.origin} has a fault, or says nothing that this version can use, or a plugin failed"
            for name, settings in self.configuration.sources.items()
            if name not in self.sources or not settings.trusted
        }
        facts = self._look.facts(plugins=plugins, refused_for=refused_for)
        self._facts = replace(facts, unusable=unusable)

    @property
    def facts(self) -> Facts:
        """What is known so far."""
        return self._facts

    def resolve(
        self,
        *,
        wanted: Mapping[str, WantedImage] | None = None,
        only: Collection[str] | None = None,
        ask: bool = True,
        rebuilt: bool = True,
    ) -> Facts:
        """Find out everything that the plan needs, without fetching an image.

        ``wanted`` are images as they would be wanted, in the place of what the tree says of them; with ``only`` the
        plan is for these names alone; without ``ask`` no source is asked, and nothing that is offered is known. With
        ``rebuilt`` another content of the linked version is taken as an update.
        """
        everything = {**self._facts.wanted, **(wanted or {})}
        facts = self._look.with_links(replace(self._facts, wanted=everything, rebuilt=rebuilt))
        self._naming = self._look.naming(facts)
        if only is not None:
            chosen = {name: everything[name] for name in only if name in everything}
            others = {name: image for name, image in everything.items() if name not in chosen}
            facts = replace(facts, wanted=chosen, others=others)
        self._facts = facts
        if ask:
            if any(image.state is State.WANTED for image in facts.wanted.values()):
                self._ask_sources()
            self.describe()
        return self._facts

    def look_around(self, choose: Choose, ask: Ask = undecided, *, names: Collection[str] = ()) -> Facts:
        """Find out what could be had: of the images that ``choose`` names, once the sources have said what they offer.

        ``ask`` says which candidates have to be described next. ``names`` were typed: a file may be meant
        as one of them.
        """
        self._naming = self._look.naming(self._facts, names)
        self._facts = self._look.with_store(self._facts)
        self._ask_sources()
        chosen = replace(self._facts, wanted=dict(choose(self._facts)))
        self._facts = self._look.with_candidates(self._look.with_store(chosen))
        self.describe(ask)
        return self._facts

    def look_locally(self) -> Facts:
        """Find out what the store and the tree's links are worth; no source is asked."""
        self._facts = self._look.with_links(self._facts)
        return self._facts

    def ask_other_mirrors(self) -> bool:
        """Look whether any source has a newer list than the one that it gave, and take that in; whether one has."""
        mirrored = [source for source in self.sources.values() if isinstance(source, MirroredSource)]
        if not [source for source in mirrored if source.newer()]:
            return False
        self._ask_sources()
        self.describe()
        return True

    def _ask_sources(self) -> None:
        """Ask each source once what it offers."""
        self.machine.progress.stage(Stage.RESOLVING)
        candidates: list[Candidate] = []
        not_understood: list[NotUnderstood] = []
        unreachable: dict[str, str] = {}
        broken: dict[str, str] = {}
        next_steps: dict[str, str] = {}
        health = HealthFile.of(self.machine)
        for name, source in sorted(self.sources.items()):
            try:
                offered, others = health.ask(source, self._naming)
                candidates += offered
                not_understood += others
            except (SourceUnreachable, ImageBroken, NoVerdict) as error:
                log.warning("source %s: %s", name, error)
                (unreachable if isinstance(error, SourceUnreachable) else broken)[name] = str(error)
                next_steps |= {name: error.next_step} if error.next_step else {}
            except (PluginFailed, MemoryUnreadable, ToolBroken) as error:
                self.cannot_use(name, error)
        facts = replace(
            self._facts,
            candidates=tuple(candidates),
            unreachable=unreachable,
            broken_sources=broken,
            next_steps=next_steps,
            not_understood=tuple(not_understood),
        )
        self._facts = self._look.with_candidates(facts)

    def describe(self, ask: Ask = undecided) -> None:
        """Have candidates described, the best first, until each image has one that fits or none is left.

        One of each image is asked for, then two, four and so on: the newest mostly fits, and where none does, all are
        looked at anew a few times alone, not once for each (row P5).
        """
        most = 1
        while asked := ask(self._facts, most):
            most *= 2
            for name in sorted({candidate.source for candidate in asked}):
                of_source = [candidate for candidate in asked if candidate.source == name]
                self.learn(known=self._describe(name, of_source), stored={})

    def _describe(self, source: str, candidates: Sequence[Candidate]) -> Mapping[str, Description]:
        """What is remembered of candidates of one source, else what it says of them; each gets an answer.

        What a publisher states may change while the image does not: of one with a description that is asked for.
        """
        remembered = {candidate.key: self._contents.recall(candidate) for candidate in candidates}
        known = {key: content for key, content in remembered.items() if content is not None}
        rest = [each for each in candidates if each.key not in known or (each.description and known[each.key].release)]
        if not rest:
            return known
        described: Mapping[str, Description] = {}
        reason = "the source says nothing of it"
        try:
            described = self.sources[source].describe(rest)
        except SourceUnreachable as error:
            reason = str(error)
        except PluginFailed as error:
            reason = str(error)
            self.cannot_use(source, error)
        nothing = Description(failure=Standing.UNREACHABLE, reason=reason)
        said = {candidate.key: described.get(candidate.sha256, nothing) for candidate in rest}
        return known | {key: _with_stated(known[key], each) if key in known else each for key, each in said.items()}

    def remember(self, candidate: Candidate, known: Description) -> None:
        """Keep what the content of an image says, or that it is broken: so none is fetched again to find that out."""
        self._contents.keep(candidate, known)

    def learn(self, *, known: Mapping[str, Description], stored: Mapping[str, Stored]) -> None:
        """Take in what was found out about images, by their keys, and about files of the store."""
        self._facts = replace(
            self._facts, known={**self._facts.known, **known}, stored={**self._facts.stored, **stored}
        )

    def put_beside(self, candidate: Candidate) -> None:
        """Take in that an image of unknown origin has the name of this one in the store."""
        self._facts = replace(self._facts, beside=self._facts.beside | {candidate.key})

    def tried_in_vain(self, name: str) -> None:
        """Take in that a content of an image was fetched that cannot be used."""
        tried = self._facts.tried
        self._facts = replace(self._facts, tried={**tried, name: tried.get(name, 0) + 1})

    def cannot_use(self, source: str, error: PluginFailed | MemoryUnreadable | ToolBroken) -> None:
        """Take in that a source is of no use by a fault on our side: that refuses nothing."""
        log.error(WithNextStep(str(error), error.next_step))
        self._facts = replace(self._facts, unusable={**self._facts.unusable, source: str(error)})

    def as_if(self, release: ReleaseData) -> None:
        """Go on as if the tree had this os-release."""
        self._facts = replace(self._facts, tree=replace(self._facts.tree, release=release))

    def block_instead(self, blocked: Mapping[str, Sequence[Blocked]]) -> None:
        """Take what these files would block in the place of what they do."""
        others = [each for each in self._facts.blocked if each.origin not in blocked]
        self._facts = replace(self._facts, blocked=(*others, *(each for new in blocked.values() for each in new)))

    def name_system(self, called: str) -> None:
        """Have reasons name the tree's system so."""
        self._facts = replace(self._facts, tree=replace(self._facts.tree, called=called))

    def take_for(self, release: ReleaseData, called: str) -> None:
        """Judge for a system of which its os-release alone is known; what it has beside is not known."""
        tree = replace(self._facts.tree, release=release, called=called)
        self._facts = replace(self._facts, tree=tree, ground=None, offers=None)

    def try_again(self, keys: Collection[str]) -> None:
        """Forget what was found out about images, by their keys, and look at the store anew."""
        known = {key: known for key, known in self._facts.known.items() if key not in keys}
        self._facts = self._look.with_candidates(self._look.with_store(replace(self._facts, known=known)))
        self.describe()


def _with_stated(content: Description, described: Description) -> Description:
    """What is remembered of a content, with what its description states now; as it was where nobody can tell."""
    if described.release is None or not described.vouched or content.contents is None:
        return content
    stated = described.contents or Contents()
    return replace(content, contents=completed(content.contents, stated))


class _Contents:
    """What the contents of images said, by their hash, and for a day that one is none that systemd could use."""

    _KIND = "contents"

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def keep(self, candidate: Candidate, known: Description) -> None:
        note: dict[str, object] = {"broken": known.reason, "time": time.time()}
        if known.release is not None:
            note = {"release": dict(known.release), "merge_name": known.merge_name}
            note |= {"contents": known.contents.document()} if known.contents is not None else {}
        self._cache.put_note(self._KIND, candidate.sha256, note)

    def recall(self, candidate: Candidate) -> Description | None:
        note = self._cache.note(self._KIND, candidate.sha256) or {}
        release, merge_name, when = note.get("release"), note.get("merge_name"), note.get("time")
        if isinstance(when, int | float) and 0 <= time.time() - when < _DAY:
            return Description(failure=Standing.BROKEN, reason=str(note.get("broken")))
        if not isinstance(release, dict) or not isinstance(merge_name, str):
            return None
        keys = {str(key): str(value) for key, value in release.items()}
        contents = Contents.of(note.get("contents"))
        return Description(release=ReleaseData(keys), merge_name=merge_name, contents=contents)
