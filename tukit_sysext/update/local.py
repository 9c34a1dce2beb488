# SPDX-License-Identifier: LGPL-2.1-or-later
"""What can be known of a tree without asking a source: its system, what is wanted in it, its links, the store.

Nothing is written in here but, where the store may be written to, the identity of an image that was hashed again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from tukit_sysext.all_plugins import Advisers
from tukit_sysext.config.settings import load_configuration
from tukit_sysext.config.wanted import load_wanted
from tukit_sysext.errors import ImageBroken, NoVerdict, StoreError, ToolBroken, UnknownState
from tukit_sysext.machine import Machine
from tukit_sysext.requirements.ground import Ground
from tukit_sysext.rules.patterns import specifiers
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.snapshots.entries import Entry, leads_to
from tukit_sysext.snapshots.fitting import TreeFacts, no_objection, tree_facts, verdict_of
from tukit_sysext.snapshots.grounds import open_ground
from tukit_sysext.snapshots.versions import newest
from tukit_sysext.sources.candidate import Description, Standing
from tukit_sysext.sources.naming import Naming, patterns_of
from tukit_sysext.store.image_store import Condition, Stored
from tukit_sysext.system.inspect_image import Inspection, inspect_directory, inspect_image
from tukit_sysext.system.system_release import newest_kernel
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.considered import store_names
from tukit_sysext.update.facts import Facts, Foreign, Offers
from tukit_sysext.update.in_use import SystemInUse, images_in_use, linked_files, systems_in_use
from tukit_sysext.update.offers import SystemsOffers

log = logging.getLogger(__name__)


class LocalLook:
    """Looks at one tree and at the store. What it finds out comes back as new facts."""

    def __init__(self, machine: Machine, tree: Tree, *, scratch: Path | None = None) -> None:
        """``scratch`` is a directory that an ordinary user may write; without one such a user looks at no system."""
        self.machine = machine
        self._scratch = scratch
        self._tree = tree
        self.store = machine.store()
        self._in_use: Sequence[SystemInUse] | None = None
        self._ground: Ground | None = None
        self.configuration = load_configuration(tree)

    def facts(
        self,
        *,
        plugins: Advisers | None = None,
        refused_for: Mapping[str, int] | None = None,
    ) -> Facts:
        """What the files of the tree say; the store is not looked at. Without ``plugins`` nobody objects to images."""
        wanted = load_wanted(self._tree)
        tree = tree_facts(self._tree)
        return Facts(
            tree=tree,
            wanted=wanted.images,
            masked=wanted.masked,
            sources=tuple(sorted(self.configuration.sources)),
            priorities={name: source.priority for name, source in self.configuration.sources.items()},
            policy_known=self.configuration.trusted,
            problems=(*self.configuration.problems, *wanted.problems),
            refused_for=refused_for or {},
            refuse_for=self.configuration.settings.refuse_for,
            blocked=self.configuration.settings.blocked,
            objection=plugins.objection if plugins is not None else no_objection,
            ground=self.ground,
            offers=self.offers(tree.release, plugins) if plugins is not None else None,
        )

    @property
    def ground(self) -> Ground | None:
        """The tree as what images are merged over, which is not there where images are merged already."""
        if self._ground is None and (self.machine.privileged or self._scratch is not None):
            try:
                self._ground = open_ground(self.machine, self._tree.path, scratch=self._scratch)
            except UnknownState as error:
                log.warning("what images would be merged over is not known: %s", error)
        return self._ground

    def offers(self, release: ReleaseData | None, plugins: Advisers) -> Offers | None:
        """What systems offer to images; ``release`` is that of this one."""
        if self.ground is None:
            return None
        called = (release.get("VERSION_ID") if release is not None else None) or "the new system"
        return SystemsOffers(
            self.machine,
            self.ground,
            called,
            store=self.store,
            systems=lambda: self._in_use or (),
            plugins=plugins,
            scratch=self._scratch,
        )

    def naming(self, facts: Facts, names: Collection[str] = ()) -> Naming:
        """How names of files are read in this tree; ``names`` may be meant beside those that are wanted."""
        of_images = {name: image.patterns for name, image in facts.wanted.items() if image.patterns}
        of_sources = {name: source.patterns for name, source in self.configuration.sources.items() if source.patterns}
        has_kernel = any("%v" in text for texts in (*of_images.values(), *of_sources.values()) for text in texts)
        values = specifiers(
            facts.tree.release or {},
            architecture=facts.tree.architecture,
            kernel=newest_kernel(self._tree) if has_kernel else "",
        )
        return Naming(
            wanted=frozenset((*facts.wanted, *names)),
            of_images={name: patterns_of(texts, values) for name, texts in of_images.items()},
            of_sources={name: patterns_of(texts, values) for name, texts in of_sources.items()},
        )

    def with_links(self, facts: Facts) -> Facts:
        """What the store has, what is ours of the links, and what is not; looks into what has no record."""
        facts = self.with_store(facts)
        known = dict(facts.known)
        foreign: list[Foreign] = []
        for entry in facts.tree.entries:
            stored = facts.stored.get(entry.image) if entry.image is not None else None
            if stored is None or stored.name not in facts.wanted:
                foreign.append(self._foreign(facts, entry, stored))
            elif stored.condition is Condition.UNRECORDED:
                known[stored.file_name] = self._look_into_store(stored.file_name, stored.name or entry.stem)
        return replace(facts, known=known, foreign=tuple(foreign))

    def with_store(self, facts: Facts) -> Facts:
        """Look anew at the files of the store that matter: what is linked, and what could be a wanted image."""
        if self._in_use is None:
            with Tree(self.machine.layout.root) as running:
                self._in_use = systems_in_use(self.machine, tree_facts(running))
        linked = {entry.image for entry in facts.tree.entries if entry.image is not None}
        linked |= set(linked_files(self._in_use))
        # the name of a file has the image's at its start, or what its pattern begins with, whatever else it tells; many
        # files and many images are no product of both
        patterns = chain.from_iterable(self.naming(facts).of_images.values())
        heads = {*facts.wanted, *(pattern.literals[0] for pattern in patterns)}
        lengths = {len(head) for head in heads}
        wanted = {file for file in self._in_store() if any(file[:length] in heads for length in lengths)}
        stored = {file: self.store.look(file) for file in sorted(linked | wanted)}
        return replace(facts, stored=stored, in_use=images_in_use(self._in_use, facts.tree.entries, stored))

    def with_candidates(self, facts: Facts) -> Facts:
        """Look at files of the store that are offered under their own name, where nobody looked at them yet."""
        in_store = self._in_store()
        more = {
            file: self.store.look(file)
            for candidate in facts.candidates
            if candidate.name in facts.wanted
            for file in store_names(candidate)
            if file in in_store and file not in facts.stored
        }
        return replace(facts, stored={**facts.stored, **more})

    def _in_store(self) -> frozenset[str]:
        try:
            return frozenset(self.store.names())
        except StoreError as error:
            log.error("%s", error)
            return frozenset()

    def _look_into_store(self, file_name: str, preferred: str) -> Description:
        try:
            with self.store.opened(file_name) as descriptor:
                inspection = self._inspect(descriptor, preferred=preferred)
        except (ImageBroken, OSError) as error:
            return Description(failure=Standing.BROKEN, reason=str(error))
        except (NoVerdict, StoreError, ToolBroken) as error:
            # cannot be told from here whether the image is good: what is linked stays
            log.error("%s: cannot be looked into: %s", file_name, error)
            return Description(reason=f"cannot be looked into: {error}")
        if inspection is None:
            return Description(reason="not looked into: that needs root")
        return Description(release=inspection.release, merge_name=inspection.merge_name)

    def _inspect(self, image: int | Path, *, preferred: str) -> Inspection | None:
        """Look into an image; None where we may not. Raises as inspect_image() does."""
        if not self.machine.privileged:
            return None
        return inspect_image(image, preferred=preferred, scratch=self.machine.layout.cache)

    def _foreign(self, facts: Facts, entry: Entry, stored: Stored | None) -> Foreign:
        """An entry that is not ours: what it is, and whether systemd-sysext would merge it."""
        tree, note = facts.tree, entry.what
        if entry.is_mask:
            return Foreign(entry=entry, note=note)
        masked = facts.masked.get(stored.name or "") if stored is not None else None
        note += f", masked by {masked}" if masked else ""
        try:
            inspection = self._look_into_foreign(tree, entry, stored)
        except (ImageBroken, OSError, UnknownState) as error:
            return Foreign(entry=entry, note=note, complaint=str(error))
        except (NoVerdict, StoreError, ToolBroken) as error:
            log.error("%s: cannot be looked into: %s", entry.name, error)
            return Foreign(entry=entry, note=note)
        if inspection is None or tree.release is None:
            return Foreign(entry=entry, note=note)
        verdict = verdict_of(tree.host, inspection.release)
        if not verdict.fits:
            return Foreign(entry=entry, note=note, complaint=f"does not fit: {verdict.reason}")
        if inspection.merge_name != entry.stem:
            complaint = f"its content calls itself {inspection.merge_name}, systemd-sysext fails on that"
            return Foreign(entry=entry, note=note, complaint=complaint, right_name=inspection.merge_name)
        return Foreign(entry=entry, note=note)

    def _look_into_foreign(self, tree: TreeFacts, entry: Entry, stored: Stored | None) -> Inspection | None:
        if stored is not None:
            if stored.condition not in (Condition.WHOLE, Condition.UNRECORDED):
                raise ImageBroken(f"the image is {stored.condition}: {stored.reason}")
            with self.store.opened(stored.file_name) as descriptor:
                return self._inspect(descriptor, preferred=entry.stem)
        path = leads_to(entry, tree=self._tree.path, root=self.machine.layout.root)
        if entry.is_versions and tree.has_versions and path.is_dir():
            version = newest(path, tree.architecture)
            if version is None:
                raise ImageBroken("none of its versions is for this system")
            path = version
        if path.is_dir():
            return inspect_directory(path, preferred=entry.stem)
        if not path.exists():
            raise ImageBroken(f"{entry.target or entry.name}: does not exist")
        return self._inspect(path, preferred=entry.stem) if entry.name.endswith(".raw") or entry.is_versions else None
