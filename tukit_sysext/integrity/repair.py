# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repairing a tree: having lost or damaged images again.

For each image, in this order:

1. another local copy with the recorded SHA-256: any file of the store, or where the record says that it came from
2. the sources, by the recorded SHA-256: the sources of the tree, then those of the running system. No list is needed,
   so neither its age nor its signature counts: the hash decides (threat N7)
3. where the record is lost too: the file of that name that a source lists now
4. the newest version that fits the tree, as a transaction would choose it; its link changes then

A damaged file gives way only to content with its recorded hash (threat L3), and no image is deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from tukit_sysext.config.wanted import State, WantedImage
from tukit_sysext.errors import ToolMissing, TukitSysextError
from tukit_sysext.integrity.finding import Finding
from tukit_sysext.integrity.recover import Recovery
from tukit_sysext.integrity.verify import Subject
from tukit_sysext.layout import EXTENSIONS
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.entries import LinkWriter, changing
from tukit_sysext.snapshots.targets import obstacle
from tukit_sysext.store.image_store import Condition
from tukit_sysext.system.disk_space import hint
from tukit_sysext.system.lock import shared
from tukit_sysext.system.tree import Tree
from tukit_sysext.update import fetch
from tukit_sysext.update.options import linked
from tukit_sysext.update.plan import Action, ImagePlan, Plan, decide
from tukit_sysext.update.resolve import Hooks, Resolver


class Done(StrEnum):
    """How a repair ended."""

    REPAIRED = "repaired"
    REPLACED = "replaced"
    FAILED = "not repaired"
    PLANNED = "would be repaired"


@dataclass(frozen=True, kw_only=True, slots=True)
class Repair:
    """What was done for one image, in words, and the next step where it could not be repaired."""

    finding: Finding
    done: Done
    text: str
    next_step: str | None = None


def repair(machine: Machine, plugins: Hooks, subject: Subject, findings: Sequence[Finding]) -> Sequence[Repair]:
    """Repair what is wrong in a tree. Raises UnknownState where the tree is not there, OSError for the lock.

    The shared lock is held from before the first look at the store until the links are there.
    """
    with shared(machine.layout.lock), Tree(subject.path) as tree, changing(tree):
        mender = _Mender(machine, plugins, subject, tree)
        return tuple(mender.mend(finding) for finding in findings if finding.can_be_mended)


def planned(findings: Sequence[Finding]) -> Sequence[Repair]:
    """What a repair would try. Nothing is asked, so that how it would end is not known."""
    lost = "from a copy, or its source by the recorded hash, else by the newest version that fits"
    return tuple(
        _made(finding, Done.PLANNED, f"would be repaired, {lost if finding.to_be_mended else 'by a version that fits'}")
        for finding in findings
        if finding.can_be_mended
    )


class _Mender:
    """Repairs the images of one tree."""

    def __init__(self, machine: Machine, plugins: Hooks, subject: Subject, tree: Tree) -> None:
        self._machine = machine
        self._plugins = plugins
        self._subject = subject
        self._tree = tree
        self._store = machine.store()
        self._recovery = Recovery(machine, plugins, subject.path, tree, self._store)

    def mend(self, finding: Finding) -> Repair:
        try:
            return self._mend(finding)
        except TukitSysextError as error:
            return _failed(finding, str(error), next_step=error.next_step)
        except ToolMissing as error:
            return _failed(finding, str(error), next_step="install the program")
        except OSError as error:
            where = self._machine.layout.store
            return _failed(finding, f"{error.filename or where}: {error.strerror}", next_step=hint(where, error))

    def _mend(self, finding: Finding) -> Repair:
        lost = ""
        stored = self._store.look(finding.file_name or "")
        record = stored.record
        if record is not None and finding.condition in (Condition.MISSING, Condition.DAMAGED):
            if stored.condition is Condition.WHOLE:
                return _made(finding, Done.REPAIRED, "whole again already")
            origin = self._recovery.bring_back(record)
            if origin.found:
                return _made(finding, Done.REPAIRED, f"repaired from {origin.found}")
            lost = f"recorded content cannot be had any more ({'; '.join(origin.failures)})"
        resolver = self._resolver()
        wanted = resolver.facts.wanted.get(finding.name)
        if wanted is None or wanted.state is State.REMOVED:
            told = lost or f"{finding.condition}: {finding.reason}"
            step = f"remove the link {self._subject.path / EXTENSIONS / finding.entry.name}, or bring its image back"
            return _failed(finding, f"{told}; it is not wanted there, so nothing takes its place", next_step=step)
        if record is None and finding.version != "?":
            same = self._choose(finding, replace(wanted, hold=finding.version), same_file=True)
            if same is not None and same.done is Done.REPAIRED:
                return same
        chosen = self._choose(finding, wanted, why=lost)
        return chosen if chosen is not None else _failed(finding, lost or finding.reason)

    @property
    def _next_step(self) -> str:
        path = self._subject.path
        return f"tukit-sysext check --root {path} tells why; mend the way to the source, or publish a fitting image"

    def _resolver(self) -> Resolver:
        return Resolver(
            self._machine,
            self._tree,
            partial(self._plugins.sources, self._machine),
            self._store,
            objection=self._plugins.objection,
        )

    def _choose(
        self, finding: Finding, wanted: WantedImage, *, same_file: bool = False, why: str = ""
    ) -> Repair | None:
        """Have what a transaction would choose; with ``same_file`` only where that has the same name (else None)."""
        resolver = self._resolver()
        resolver.resolve(wish={wanted.name: wanted}, only=(wanted.name,))
        fetched = False
        while True:
            plan = decide(resolver.facts)
            (image,) = plan.images
            chosen = image.chosen
            if chosen is None or image.action not in (Action.KEEP, Action.LINK, Action.FETCH):
                return None if same_file else _failed(finding, _both(why, image.reason), next_step=self._next_step)
            if same_file and chosen.file_name != finding.file_name:
                return None
            blocked = self._cannot_link(finding, image, plan, resolver)
            if blocked:
                told = f"{_both(why, f'{image.name} {chosen.version} would fit')}, but {blocked}"
                return _failed(finding, told, next_step=_STEP_READ_ONLY)
            if image.action is not Action.FETCH:
                break
            fetched = True
            findings = fetch.fetch(plan, resolver, self._store)
            resolver.learn(known=findings.known, stored=findings.stored)
            resolver.describe()
        LinkWriter(self._tree).apply(plan.links, plan.remove)
        if chosen.file_name == finding.file_name:
            stored = self._store.look(chosen.file_name)
            if stored.condition is not Condition.WHOLE:
                return _failed(
                    finding, _both(why, f"{chosen.file_name} is {stored.condition}"), next_step=self._next_step
                )
            how = f", linked as {image.link}" if plan.links else ""
            if finding.entry.name in plan.remove and not fetched and not why:
                told = f"linked as {image.link}" if plan.links else f"the image has {image.link} already"
                return _made(finding, Done.REPAIRED, f"link {finding.entry.name} taken out; {told}")
            if not why:
                return _made(finding, Done.REPAIRED, f"repaired from {chosen.origin}{how}")
        told = f"replaced by {chosen.version} from {chosen.origin}"
        because = why or f"{finding.version} {finding.condition}: {finding.reason}"
        return _made(finding, Done.REPLACED, f"{told}: {because}")

    def _cannot_link(self, finding: Finding, image: ImagePlan, plan: Plan, resolver: Resolver) -> str:
        """Why a link that has to change cannot be changed; empty where it can, or need not."""
        changes = bool(plan.links or plan.remove)
        if image.chosen is not None and image.action is Action.FETCH:
            changes = image.chosen.file_name != finding.file_name
        if not changes:
            return ""
        others = {entry.name for entry in resolver.facts.tree.entries} - linked(resolver.facts, image.wanted).keys()
        if others & plan.links.keys():
            return f"its link {', '.join(others & plan.links.keys())} is another image's"
        subject = self._subject
        running = subject.entries is None
        layout = self._machine.layout
        return obstacle(self._tree, layout, called=subject.called, running=running, open_=subject.open)


_STEP_READ_ONLY = "an update of the system brings an image that fits"


def _both(why: str, reason: str) -> str:
    return f"{why}; {reason}" if why else reason


def _made(finding: Finding, done: Done, text: str) -> Repair:
    return Repair(finding=finding, done=done, text=text)


def _failed(finding: Finding, why: str, *, next_step: str | None = None) -> Repair:
    return Repair(finding=finding, done=Done.FAILED, text=f"cannot be repaired: {why}", next_step=next_step)
