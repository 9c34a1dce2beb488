# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finding out what a plan needs: the tree, what is wanted, the store, and as little as possible of the sources.

Nothing is written in here but, where the machine's own store is writable, the identity of an image that was hashed
again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tukit_sysext.config import settings as settings_files
from tukit_sysext.config import wanted as wanted_files
from tukit_sysext.config.settings import Configuration
from tukit_sysext.errors import (
    ImageBroken,
    MemoryUnreadable,
    OutsideTree,
    PluginFailed,
    SourceUnreachable,
    StoreError,
    ToolMissing,
    UnknownState,
)
from tukit_sysext.layout import EXTENSIONS
from tukit_sysext.machine import Machine
from tukit_sysext.progress.progress import Progress, Stage
from tukit_sysext.rules.matching import check
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.snapshots.entries import Entry, EntryKind, read_entries
from tukit_sysext.sources.cache import Cache
from tukit_sysext.sources.candidate import Candidate, Known, Standing
from tukit_sysext.sources.protocol import Source
from tukit_sysext.store.image_store import Condition, Store, Stored
from tukit_sysext.system.inspect_image import Inspection, inspect_directory, inspect_image
from tukit_sysext.system.system_release import machine_architecture, read_release, systemd_version
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.facts import Facts, Foreign, Objection, TreeFacts, no_objection
from tukit_sysext.update.plan import undecided

if TYPE_CHECKING:
    from tukit_sysext.collect.roots import Root
    from tukit_sysext.config.settings import Configuration
    from tukit_sysext.machine import Machine
    from tukit_sysext.snapshots.snapper import Scan
    from tukit_sysext.sources.protocol import Source

log = logging.getLogger(__name__)


def tree_facts(tree: Tree) -> TreeFacts:
    """What a tree is and has. Never raises: what cannot be read is said in the facts."""
    try:
        release, unusable = read_release(tree), ""
    except UnknownState as error:
        release, unusable = None, str(error)
    entries: tuple[Entry, ...] = ()
    try:
        entries = read_entries(tree)
    except (UnknownState, OutsideTree) as error:
        unusable = str(error)
    return TreeFacts(
        path=tree.path,
        release=release,
        architecture=machine_architecture(),
        systemd=systemd_version(tree),
        entries=entries,
        unusable=unusable,
    )


_CONTENTS = "contents"

FindSources = Callable[[Configuration], Sequence[Source]]
"""Finds the sources of a configuration: what plugins offer."""

Choose = Callable[[Facts], Mapping[str, wanted_files.WantedImage]]
"""Images as they would be wanted, of what is known once the sources have said what they offer."""

Ask = Callable[[Facts], Sequence[Candidate]]
"""Which candidates have to be described next; none when enough is known."""


class Resolver:
    """Finds out for one tree, step by step. ``facts`` is what is known so far; ``sources`` are those of the tree."""

    def __init__(
        self,
        machine: Machine,
        tree: Tree,
        find_sources: FindSources,
        store: Store,
        *,
        refused_for: Mapping[str, int] | None = None,
        objection: Objection = no_objection,
    ) -> None:
        self._machine = machine
        self._tree = tree
        self._store = store
        self._cache = Cache(machine.layout.cache, writable=machine.privileged)
        wanted = wanted_files.load(tree)
        self.configuration: Configuration = settings_files.load(tree)
        self.sources: Mapping[str, Source] = {source.name: source for source in find_sources(self.configuration)}
        self.facts = Facts(
            tree=tree_facts(tree),
            wanted=wanted.images,
            masked=wanted.masked,
            sources=tuple(sorted(self.configuration.sources)),
            policy_known=self.configuration.trusted,
            unusable={
                name: f"{settings.origin} has a fault, or says nothing that this version can use, or a plugin failed"
                for name, settings in self.configuration.sources.items()
                if name not in self.sources or not settings.trusted
            },
            problems=(*self.configuration.problems, *wanted.problems),
            refused_for=refused_for or {},
            refuse_for=self.configuration.settings.refuse_for,
            blocked=self.configuration.settings.blocked,
            objection=objection,
        )

    @property
    def progress(self) -> Progress:
        """Who is told how far it is."""
        return self._machine.progress

    @property
    def scratch(self) -> Path:
        """A directory of ours for what is taken out of images to be looked at."""
        return self._machine.layout.cache

    def resolve(
        self,
        *,
        wish: Mapping[str, wanted_files.WantedImage] | None = None,
        only: Collection[str] | None = None,
        ask: bool = True,
    ) -> Facts:
        """Find out everything that the plan needs, without fetching an image.

        ``wish`` are images as they would be wanted, in the place of what the tree says of them; with ``only`` the plan
        is for these names alone; without ``ask`` no source is asked, and nothing that is offered is known.
        """
        everything = {**self.facts.wanted, **(wish or {})}
        self.facts = replace(self.facts, wanted=everything)
        self.look_locally()
        if only is not None:
            self.facts = replace(self.facts, wanted={name: everything[name] for name in only if name in everything})
        if not ask:
            return self.facts
        if any(image.state is wanted_files.State.WANTED for image in self.facts.wanted.values()):
            self._ask_sources()
        self.describe()
        return self.facts

    def look_around(self, choose: Choose, ask: Ask = undecided) -> Facts:
        """Find out what could be had: of the images that ``choose`` names, once the sources have said what they offer.

        ``ask`` says which candidates have to be described next.
        """
        self._look_at_store()
        self._ask_sources()
        self.facts = replace(self.facts, wanted=dict(choose(self.facts)))
        self._look_at_store()
        self._look_at_candidates()
        self.describe(ask)
        return self.facts

    def look_locally(self) -> None:
        """Find out what the store and the tree's links are worth; no source is asked."""
        self._look_at_store()
        self._look_at_links()

    def _look_at_store(self) -> None:
        """Look at the images that matter: those that are linked, and those of the wanted names."""
        names = {entry.image for entry in self.facts.tree.entries if entry.image is not None}
        stored: dict[str, Stored] = {}
        try:
            in_store = self._store.names()
        except StoreError as error:
            log.error("%s", error)
            in_store = []
        for name in sorted({*names, *in_store}):
            if name in names or self._matters(name):
                stored[name] = self._store.look(name)
        self.facts = replace(self.facts, stored=stored)

    def _matters(self, file_name: str) -> bool:
        """Whether an image that is not linked could be wanted: cheap.

        The name of the file has the image's at its start.
        """
        return any(file_name.startswith(name) for name in self.facts.wanted)

    def _look_at_links(self) -> None:
        """Tell our links from others, and look into what has no record."""
        known = dict(self.facts.known)
        foreign: list[Foreign] = []
        for entry in self.facts.tree.entries:
            stored = self.facts.stored.get(entry.image) if entry.image is not None else None
            ours = stored is not None and stored.name in self.facts.wanted
            if not ours:
                foreign.append(self._foreign(entry, stored))
            elif stored is not None and stored.condition is Condition.UNRECORDED:
                preferred = stored.name or entry.name.removesuffix(".raw")
                known[stored.file_name] = self._look_into_store(stored.file_name, preferred)
        self.facts = replace(self.facts, known=known, foreign=tuple(foreign))

    def _look_into_store(self, file_name: str, preferred: str) -> Known:
        try:
            with self._store.opened(file_name) as descriptor:
                inspection = self._inspect(descriptor, preferred=preferred)
        except (ImageBroken, OSError) as error:
            return Known(failure=Standing.BROKEN, reason=str(error))
        if inspection is None:
            return Known(reason="not looked into: that needs root")
        return Known(release=inspection.release, from_content=True, merge_name=inspection.merge_name)

    def _inspect(self, image: int | Path, *, preferred: str) -> Inspection | None:
        """Look into an image; None where we may not. Raises ImageBroken."""
        if not self._machine.privileged:
            return None
        try:
            return inspect_image(image, preferred=preferred, scratch=self.scratch)
        except ToolMissing as error:
            # cannot be told from here whether the image is good: a fault of the installation, not of the image
            log.error("%s", error)
            return None

    def _foreign(self, entry: Entry, stored: Stored | None) -> Foreign:
        """An entry that is not ours: what it is, and whether systemd-sysext would merge it."""
        stem = entry.name.removesuffix(".raw")
        if entry.kind is EntryKind.LINK:
            masked = self.facts.masked.get(stored.name or "") if stored is not None else None
            note = f"link to {entry.target}" + (f", masked by {masked}" if masked else "")
        else:
            note = str(entry.kind)
        try:
            inspection = self._look_into_foreign(entry, stored, stem)
        except (ImageBroken, OSError, UnknownState) as error:
            return Foreign(entry=entry, note=note, complaint=str(error))
        if inspection is None or self.facts.tree.release is None:
            return Foreign(entry=entry, note=note)
        if inspection.merge_name != stem:
            complaint = f"its content calls itself {inspection.merge_name}, systemd-sysext fails on that"
            return Foreign(entry=entry, note=note, complaint=complaint)
        tree = self.facts.tree
        verdict = check(
            self.facts.tree.release,
            inspection.release,
            architecture=tree.architecture,
            systemd_version=tree.systemd,
        )
        return Foreign(entry=entry, note=note, complaint="" if verdict.fits else f"does not fit: {verdict.reason}")

    def _look_into_foreign(self, entry: Entry, stored: Stored | None, stem: str) -> Inspection | None:
        if stored is not None:
            if stored.condition not in (Condition.WHOLE, Condition.UNRECORDED):
                raise ImageBroken(f"the image is {stored.condition}: {stored.reason}")
            with self._store.opened(stored.file_name) as descriptor:
                return self._inspect(descriptor, preferred=stem)
        path = self.leads_to(entry)
        if path.is_dir():
            return inspect_directory(path, preferred=stem)
        if not path.exists():
            raise ImageBroken(f"{entry.target or entry.name}: does not exist")
        return self._inspect(path, preferred=stem) if entry.name.endswith(".raw") else None

    def leads_to(self, entry: Entry) -> Path:
        """Where an entry leads: beneath the tree, but /var, /run.

        /home and the like are those of the running system.
        """
        here = self._tree.path / EXTENSIONS / entry.name
        target = entry.target
        if target is None:
            return here
        absolute = target if target.startswith("/") else f"/{EXTENSIONS}/{target}"
        inside = self._tree.path / absolute.lstrip("/")
        return inside if absolute.startswith(("/usr/", "/etc/")) else self._machine.layout.root / absolute.lstrip("/")

    def _ask_sources(self) -> None:
        self.progress.stage(Stage.RESOLVING)
        candidates: list[Candidate] = []
        unreachable: dict[str, str] = {}
        broken: dict[str, str] = {}
        next_steps: dict[str, str] = {}
        for name, source in sorted(self.sources.items()):
            try:
                candidates += source.candidates()
            except (SourceUnreachable, ImageBroken) as error:
                log.warning("source %s: %s", name, error)
                (unreachable if isinstance(error, SourceUnreachable) else broken)[name] = str(error)
                next_steps |= {name: error.next_step} if error.next_step else {}
            except (PluginFailed, MemoryUnreadable) as error:
                self.cannot_use(name, error)
        self.facts = replace(
            self.facts,
            candidates=tuple(candidates),
            unreachable=unreachable,
            broken_sources=broken,
            next_steps=next_steps,
        )
        self._look_at_candidates()

    def cannot_use(self, source: str, error: PluginFailed | MemoryUnreadable) -> None:
        """Take in that a source is of no use by a fault on our side: that refuses nothing."""
        log.error("%s", error)
        self.facts = replace(self.facts, unusable={**self.facts.unusable, source: str(error)})

    def _look_at_candidates(self) -> None:
        """Files of the store that are offered under their own name: look at those that nobody looked at yet."""
        in_store = set(self._store.names()) if self._machine.layout.store.is_dir() else set()
        more = {
            candidate.file_name: self._store.look(candidate.file_name)
            for candidate in self.facts.candidates
            if candidate.name in self.facts.wanted
            and candidate.file_name in in_store
            and candidate.file_name not in self.facts.stored
        }
        self.facts = replace(self.facts, stored={**self.facts.stored, **more})

    def describe(self, ask: Ask = undecided) -> None:
        """Have candidates described, the best first, until each image has one that fits or none is left."""
        while wanted := ask(self.facts):
            known = dict(self.facts.known)
            for name in sorted({candidate.source for candidate in wanted}):
                known |= self._describe(name, [candidate for candidate in wanted if candidate.source == name])
            self.facts = replace(self.facts, known=known)

    def remember(self, candidate: Candidate, known: Known) -> None:
        """Keep what the content of an image says, so that one that does not fit is not fetched again to find it out."""
        if known.release is not None:
            note = {"release": dict(known.release), "merge_name": known.merge_name}
            self._cache.put_note(_CONTENTS, candidate.sha256, note)

    def _remembered(self, candidate: Candidate) -> Known | None:
        note = self._cache.note(_CONTENTS, candidate.sha256) or {}
        release, merge_name = note.get("release"), note.get("merge_name")
        if not isinstance(release, dict) or not isinstance(merge_name, str):
            return None
        keys = {str(key): str(value) for key, value in release.items()}
        return Known(release=ReleaseData(keys), from_content=True, merge_name=merge_name)

    def _describe(self, source: str, candidates: Sequence[Candidate]) -> Mapping[str, Known]:
        kept = {candidate.key: self._remembered(candidate) for candidate in candidates}
        known = {key: found for key, found in kept.items() if found is not None}
        rest = [candidate for candidate in candidates if candidate.key not in known]
        return {**known, **self._ask_for_descriptions(source, rest)} if rest else known

    def _ask_for_descriptions(self, source: str, candidates: Sequence[Candidate]) -> Mapping[str, Known]:
        try:
            found = self.sources[source].describe(candidates)
        except (SourceUnreachable, PluginFailed) as error:
            found = {}
            reason = str(error)
            if isinstance(error, PluginFailed):
                self.cannot_use(source, error)
        else:
            reason = "the source says nothing of it"
        nothing = Known(failure=Standing.UNREACHABLE, reason=reason)
        return {candidate.key: found.get(candidate.sha256, nothing) for candidate in candidates}

    def try_again(self, keys: Collection[str]) -> None:
        """Forget what was found out about images, by their keys, and look at the store anew."""
        self.facts = replace(
            self.facts, known={key: known for key, known in self.facts.known.items() if key not in keys}
        )
        self._look_at_store()
        self._look_at_candidates()
        self.describe()

    def learn(self, *, known: Mapping[str, Known], stored: Mapping[str, Stored]) -> None:
        """Take in what fetching showed."""
        self.facts = replace(self.facts, known={**self.facts.known, **known}, stored={**self.facts.stored, **stored})


class Hooks(Protocol):
    """All plugins as one."""

    def sources(self, machine: Machine, configuration: Configuration) -> Sequence[Source]:
        """The sources of a configuration."""

    def objection(self, system: Mapping[str, str], image: Mapping[str, str], name: str, version: str) -> str:
        """Why an image that fits must not be used; empty where nobody objects."""

    def references(self, machine: Machine) -> Sequence[Root]:
        """What keeps images of the store. Raises PluginFailed where one cannot tell."""

    def settled(self, hook: str, machine: Machine, scan: Scan, number: int) -> None:
        """Tell a settled event, by the name of its hook."""
