# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repairing a tree: bringing lost or damaged images back.

For each image, in this order:

1. another local copy with the recorded SHA-256: any file of the store, or where the record says that it came from
2. the sources, by the recorded SHA-256: the sources of the tree, then those of the running system. No list is needed,
   so neither its age nor its signature counts: the hash decides (threat N7)
3. where the record is lost too: the file of that name that a source lists now
4. the newest version that fits the tree, as a transaction would choose it; its link changes then

A damaged file gives way only to content with its recorded hash (threat L3), and no image is deleted.

No lock is held while the network is waited for. A link changes under the locks at the end, where the tree is as it was
seen before; where another command has changed it meanwhile, the plan is made anew. What was fetched by then is young,
and needed by nothing for the first time: no collection takes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from tukit_sysext.all_plugins import AllPlugins
from tukit_sysext.config.intent import State
from tukit_sysext.config.settings import load_configuration
from tukit_sysext.config.wanted import WantedImage, load_wanted
from tukit_sysext.errors import TukitSysextError, os_error_text
from tukit_sysext.integrity.assess import Subject
from tukit_sysext.integrity.finding import Finding
from tukit_sysext.integrity.recover import Recovery
from tukit_sysext.layout import EXTENSIONS
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.entries import LinkWriter, changing, read_entries
from tukit_sysext.snapshots.targets import obstacle
from tukit_sysext.store.image_store import Condition
from tukit_sysext.store.record import Record
from tukit_sysext.system.disk_space import remedy
from tukit_sysext.system.lock import shared
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.considered import Option
from tukit_sysext.update.deciding import decide
from tukit_sysext.update.fetch import Fetching
from tukit_sysext.update.outcome import saved_text
from tukit_sysext.update.plan import Action, Plan
from tukit_sysext.update.search import Resolver


class RepairOutcome(StrEnum):
    """How a repair ended."""

    REPAIRED = "repaired"
    REPLACED = "replaced"
    FAILED = "not repaired"
    PLANNED = "would be repaired"


@dataclass(frozen=True, kw_only=True, slots=True)
class Repair:
    """The repair of one image: its outcome, the same in words, and the next step where it failed.

    ``came`` is the record of what a source brought for it, which says how many bytes that were.
    """

    finding: Finding
    outcome: RepairOutcome
    text: str
    came: Record | None = None
    next_step: str | None = None


def repair(machine: Machine, plugins: AllPlugins, subject: Subject, findings: Sequence[Finding]) -> Sequence[Repair]:
    """Repair what is wrong in a tree. Raises UnknownState where the tree is not there."""
    with Tree(subject.path) as tree:
        repairer = _Repairer(machine, plugins, subject, tree)
        return tuple(repairer.repair(finding) for finding in findings if finding.repairable)


def planned(findings: Sequence[Finding]) -> Sequence[Repair]:
    """What a repair would try. No source is asked, so that its outcome is not known."""
    lost = "from a copy, or its source by the recorded hash, else by the newest version that fits"
    return tuple(
        Repair(
            finding=finding,
            outcome=RepairOutcome.PLANNED,
            text=f"would be repaired, {lost if finding.content_lost else 'by a version that fits'}",
        )
        for finding in findings
        if finding.repairable
    )


_TRIES = 3
"""How often the plan is made for one image, where other commands change the tree meanwhile."""


class _Changed(Exception):
    """The tree, or the image in the store, is not any more what the plan was made for."""


class _Repairer:
    """Repairs the images of one tree."""

    def __init__(self, machine: Machine, plugins: AllPlugins, subject: Subject, tree: Tree) -> None:
        self._machine = machine
        self._plugins = plugins
        self._subject = subject
        self._tree = tree
        self._store = machine.store()
        self._recovery = Recovery(machine, plugins, tree, self._store)
        self._before: object = None

    def repair(self, finding: Finding) -> Repair:
        try:
            return self._repair(finding)
        except TukitSysextError as error:
            return _failed(finding, str(error), error.next_step)
        except OSError as error:
            where = self._machine.layout.store
            return _failed(
                finding, os_error_text(error) if error.filename else f"{where}: {error.strerror}", remedy(where, error)
            )

    def _repair(self, finding: Finding) -> Repair:
        lost = ""
        stored = self._store.look(finding.file_name or "")
        record = stored.record
        if record is not None and finding.condition in (Condition.MISSING, Condition.DAMAGED):
            if stored.condition is Condition.WHOLE:
                return _repaired(finding, "good again already")
            origin = self._recovery.bring_back(record)
            if origin.found:
                return _repaired(finding, f"repaired from {origin.found}", came=origin.record)
            when = "any more" if origin.gone else "now"
            lost = f"recorded content cannot be had {when} ({'; '.join(origin.failures)})"
        for _ in range(_TRIES):
            try:
                return self._replace(finding, record, lost)
            except _Changed:
                continue
        return _failed(finding, "other commands change this tree all the time", "try again when they have ended")

    def _replace(self, finding: Finding, record: Record | None, lost: str) -> Repair:
        """Link what a transaction would choose; ``lost`` says why the recorded content cannot be brought back."""
        self._before = self._state(finding.name)
        wanted = load_wanted(self._tree).images.get(finding.name)
        if wanted is None or wanted.state is State.REMOVED or finding.entry.folder != EXTENSIONS:
            why = lost or f"{finding.condition}: {finding.reason}"
            link = self._subject.path / finding.entry.folder / finding.entry.name
            next_step = f"remove the link {link}, or bring its image back"
            return _failed(finding, f"{why}; it is not wanted there, so nothing takes its place", next_step)
        if record is None and finding.version != "?":
            same = self._choose(finding, replace(wanted, hold=finding.version), same_file=True)
            if same.outcome is RepairOutcome.REPAIRED:
                return same
        return self._choose(finding, wanted, lost=lost)

    def _choose(self, finding: Finding, wanted: WantedImage, *, same_file: bool = False, lost: str = "") -> Repair:
        """Fetch and link what a transaction would choose; with ``same_file`` only a file of the same name.

        ``lost`` says why the recorded content cannot be brought back.
        """
        resolver = Resolver(self._machine, self._tree, self._plugins)
        resolver.resolve(wanted={wanted.name: wanted}, only=(wanted.name,), rebuilt=False)
        fetched = False
        while True:
            plan = decide(resolver.facts)
            (image,) = plan.images
            chosen = image.chosen
            if chosen is None or image.action not in (Action.KEEP, Action.LINK, Action.FETCH):
                return _failed(finding, _joined(lost, image.reason), self._next_step)
            if same_file and chosen.file_name != finding.file_name:
                return _failed(finding, f"{chosen.file_name} is another file")
            blocked = self._link_obstacle(finding, plan, resolver)
            if blocked:
                why = _joined(lost, f"{image.name} {chosen.shown} would fit")
                return _failed(finding, f"{why}, but {blocked}", "an update of the system brings an image that fits")
            if image.action is not Action.FETCH:
                self._link(finding, plan, chosen)
                return self._done(finding, plan, chosen, fetched=fetched, lost=lost)
            fetched = True
            Fetching(resolver).bring(plan)

    def _link(self, finding: Finding, plan: Plan, chosen: Option) -> None:
        """Change links as planned, where the tree and the image still are what they were. Raises _Changed, OSError."""
        if not plan.links and not plan.remove:
            return
        layout = self._machine.layout
        with shared(layout.lock), changing(self._tree, layout.locks):
            gone = self._store.look(chosen.file_name).condition is Condition.MISSING
            if gone or self._state(finding.name) != self._before:
                raise _Changed
            LinkWriter(self._tree).apply(plan.links, plan.remove)

    def _state(self, name: str) -> object:
        """What other commands change in a tree and the plan depends on: what is wanted, what is blocked, the links."""
        blocked = load_configuration(self._tree).settings.blocked
        return load_wanted(self._tree).images.get(name), blocked, read_entries(self._tree)

    def _done(self, finding: Finding, plan: Plan, chosen: Option, *, fetched: bool, lost: str) -> Repair:
        """What was done, once the plan is carried out."""
        (image,) = plan.images
        stored = self._store.look(chosen.file_name)
        came = stored.record if fetched else None
        if chosen.file_name == finding.file_name:
            if stored.condition is not Condition.WHOLE:
                return _failed(finding, _joined(lost, f"{chosen.file_name} is {stored.condition}"), self._next_step)
            if finding.entry.name in plan.remove and not fetched and not lost:
                how = f"linked as {image.link}" if plan.links else f"the image has {image.link} already"
                return _repaired(finding, f"link {finding.entry.name} taken out; {how}")
            if not lost:
                how = f", linked as {image.link}" if plan.links else ""
                return _repaired(finding, f"repaired from {chosen.origin}{how}", came=came)
        because = lost or f"{finding.shown} {finding.condition}: {finding.reason}"
        text = f"replaced by {chosen.shown} from {chosen.origin}: {because}{saved_text(came)}"
        return Repair(finding=finding, outcome=RepairOutcome.REPLACED, text=text, came=came)

    def _link_obstacle(self, finding: Finding, plan: Plan, resolver: Resolver) -> str:
        """Why a link that has to change cannot be changed; empty where it can, or need not."""
        (image,) = plan.images
        changes = bool(plan.links or plan.remove)
        if image.chosen is not None and image.action is Action.FETCH:
            changes = image.chosen.file_name != finding.file_name
        if not changes:
            return ""
        others = {entry.name for entry in resolver.facts.tree.entries} - resolver.facts.links_to(image.name).keys()
        if others & plan.links.keys():
            return f"its link {', '.join(others & plan.links.keys())} is another image's"
        subject = self._subject
        running = subject.entries is None
        return obstacle(self._machine, self._tree, called=subject.called, running=running, open_=subject.open)

    @property
    def _next_step(self) -> str:
        path = self._subject.path
        return f"fix access to the source, or publish a fitting image; why:\ntukit-sysext check --root {path}"


def _joined(*reasons: str) -> str:
    return "; ".join(filter(None, reasons))


def _repaired(finding: Finding, text: str, *, came: Record | None = None) -> Repair:
    return Repair(finding=finding, outcome=RepairOutcome.REPAIRED, text=text + saved_text(came), came=came)


def _failed(finding: Finding, why: str, next_step: str | None = None) -> Repair:
    text = f"cannot be repaired: {why}"
    return Repair(finding=finding, outcome=RepairOutcome.FAILED, text=text, next_step=next_step)
