# SPDX-License-Identifier: LGPL-2.1-or-later
"""Changing wanted files and links of trees outside a transaction: ``install``, ``remove``, ``update``...

Every tree is planned first, against its own os-release, with its files as they would be. Then all missing images are
fetched into the store, for all trees. Only then are the trees changed, which needs no network.

In a tree, files that make an image wanted are written first, then links change, then files are deleted: a change that
is killed leaves a tree that the next transaction completes.

Outside a transaction no link is removed because its successor is missing: there is nothing to refuse, and what fits
stays.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

from tukit_sysext.all_plugins import AllPlugins
from tukit_sysext.change.intent_changes import IntentChange
from tukit_sysext.change.requests import ChangeRequest, NewFile
from tukit_sysext.config import own_files
from tukit_sysext.ledger.ledger import Ledger, LedgerEvent, write_or_log
from tukit_sysext.progress.job_report import Stage
from tukit_sysext.quantities import time_text
from tukit_sysext.snapshots.entries import LinkWriter, changing
from tukit_sysext.snapshots.snapshot import look
from tukit_sysext.snapshots.targets import Target, check_changeable, uninterrupted
from tukit_sysext.sources.candidate import Standing
from tukit_sysext.system.lock import shared
from tukit_sysext.system.login_uid import login_uid
from tukit_sysext.system.system_release import label, running_label
from tukit_sysext.system.tree import Tree
from tukit_sysext.update import refusal
from tukit_sysext.update.bytes_to_come import bytes_to_come
from tukit_sysext.update.deciding import decide
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.fetch import Fetching
from tukit_sysext.update.options import current
from tukit_sysext.update.outcome import Change, ChangeKind, changes
from tukit_sysext.update.plan import Action, ImagePlan, Plan
from tukit_sysext.update.search import Resolver

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeChange:
    """The change of one tree: its plan, its files, and what that changes; ``links`` is False for its files alone.

    ``names`` are the images that were asked for; empty for all. ``sizes``: of a dry run the bytes that would come.
    """

    target: Target
    plan: Plan
    files: tuple[NewFile, ...]
    changes: tuple[Change, ...]
    links: bool = True
    names: Collection[str] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> Mapping[str, str]:
        """Reason by image, for those that must not be left out, and are missing."""
        images = (image for image in self.plan.images if image.left_out is not None and image.wanted.may_refuse)
        return {image.name: image.reason for image in images}

    @property
    def intent_changes(self) -> tuple[IntentChange, ...]:
        """What its files make different."""
        return tuple(change for file in self.files for change in file.changes)


@dataclass(slots=True)
class _OpenTree:
    """A tree that is open, and what is known of it."""

    request: ChangeRequest
    tree: Tree
    resolver: Resolver
    plan: Plan
    sizes: Mapping[str, int]
    fetched: frozenset[str] = field(default_factory=frozenset)


class Changer:
    """A change of one or several trees, a context manager that holds the shared lock from the first look to the end.

    ``plans`` is the dry run; ``fetch`` and ``carry_out`` do it. Nothing is collected to free disk space, as a
    transaction does: somebody is there who can say what may go.
    """

    def __init__(self, requests: Sequence[ChangeRequest], plugins: AllPlugins, *, dry_run: bool = False) -> None:
        self._requests = requests
        self._plugins = plugins
        self._dry_run = dry_run
        self._stack = ExitStack()
        self._trees: list[_OpenTree] = []

    def __enter__(self) -> Changer:
        with ExitStack() as stack:
            if not self._dry_run:
                for lock in sorted({request.target.machine.layout.lock for request in self._requests}):
                    stack.enter_context(shared(lock))
            for request in self._requests:
                self._trees.append(self._look(request, stack.enter_context(Tree(request.target.path))))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _look(self, request: ChangeRequest, tree: Tree) -> _OpenTree:
        target = request.target
        check_changeable(target, tree)
        # who changes files alone asks what will come of it, as a dry run does
        asks = self._dry_run or not request.link
        machine = replace(target.machine, read_only=True) if asks else target.machine
        resolver = Resolver(machine, tree, self._plugins)
        images = {file.image.name: file.image for file in request.files if file.image is not None}
        # another content of the version that is there comes with the next update of the system, or when it is asked for
        resolver.resolve(wanted=images, only=request.names, ask=request.ask, rebuilt=bool(request.names))
        plan = _without_needless_removals(decide(resolver.facts), resolver.facts)
        foreseen = self._dry_run and request.link and request.ask
        sizes = bytes_to_come(resolver, plan) if foreseen else {}
        return _OpenTree(request=request, tree=tree, resolver=resolver, plan=plan, sizes=sizes)

    def offered(self) -> Mapping[str, str]:
        """The images that the sources of the trees offer, with a source of each."""
        candidates = (candidate for opened in self._trees for candidate in opened.resolver.facts.candidates)
        return {candidate.name: candidate.source for candidate in candidates}

    def not_asked(self) -> Mapping[str, str]:
        """Sources that could not be asked for the planned images, with the reason.

        An image that has the version at which it is held needs none.
        """
        reasons: dict[str, str] = {}
        for opened in self._trees:
            if opened.request.ask:
                images = opened.plan.images
                open_ = [image for image in images if image.action is not Action.KEEP or image.wanted.hold is None]
                not_asked = opened.resolver.facts.not_asked.items()
                reasons |= {
                    name: reason for name, reason in not_asked if any(image.wanted.may_be_of(name) for image in open_)
                }
        return reasons

    def plans(self) -> tuple[TreeChange, ...]:
        """What would be done, as far as known before anything is fetched."""
        return tuple(_change(opened, dry_run=self._dry_run) for opened in self._trees)

    def fetch(self) -> tuple[TreeChange, ...]:
        """Fetch missing images into the store, each once; what will be done now."""
        fetched: dict[Path, frozenset[str]] = {}
        for opened in self._trees:
            if opened.request.link:
                machine = opened.request.target.machine
                there = fetched.get(machine.layout.store, frozenset())
                opened.resolver.learn(known={}, stored={name: opened.resolver.store.look(name) for name in there})
                fetching = Fetching(opened.resolver)
                plan = fetching.complete()
                fetched[machine.layout.store] = opened.fetched = there | fetching.fetched
                opened.plan = _without_needless_removals(plan, opened.resolver.facts)
        return self.plans()

    def carry_out(self) -> tuple[TreeChange, ...]:
        """Change the trees, after :meth:`fetch`. Raises TukitSysextError, OSError.

        An interruption waits until all trees are done: this needs no network.
        """
        with uninterrupted():
            return tuple(self._carry_out(opened) for opened in self._trees)

    def _carry_out(self, opened: _OpenTree) -> TreeChange:
        plan, tree, target = opened.plan, opened.tree, opened.request.target
        with changing(tree, target.machine.layout.locks):
            for file in opened.request.files:
                if file.content is not None:
                    own_files.write(tree, file.folder, file.name, file.content)
            if opened.request.link:
                writer = LinkWriter(tree)
                target.machine.progress.stage(Stage.LINKING)
                writer.apply(plan.links, plan.remove)
                if not target.running and label(plan.tree.release) != running_label(target.machine.layout.root):
                    writer.pin(plan.kept)
            for file in opened.request.files:
                if file.content is None:
                    own_files.delete(tree, file.folder, file.name)
        done = _change(opened)
        _remember(done)
        return done


def _change(opened: _OpenTree, *, dry_run: bool = False) -> TreeChange:
    request = opened.request
    return TreeChange(
        target=request.target,
        plan=opened.plan,
        files=request.files,
        changes=changes(opened.plan, opened.fetched, dry_run=dry_run) if request.link else (),
        links=request.link,
        names=request.names or (),
        sizes=opened.sizes,
    )


def _without_needless_removals(plan: Plan, facts: Facts) -> Plan:
    """The plan without the removal of links whose successor is missing."""
    return replace(plan, images=tuple(_spare(image, facts) for image in plan.images))


def _spare(image: ImagePlan, facts: Facts) -> ImagePlan:
    if image.action is not Action.LEAVE_OUT or not image.remove:
        return image
    # what is blocked has to go; what only differs from what is held or asked for stays
    linked = current(facts, replace(image.wanted, hold=None, constraint=None, series=None, sources=()))
    if linked is None or linked.standing is not Standing.FITS:
        return image
    return replace(image, remove=(), warnings=(*image.warnings, f"{image.before} stays linked: it fits this system"))


def _configured(done: TreeChange) -> Iterator[tuple[str, str, str]]:
    """What its files make different: kind, image and text. A link that comes or goes tells that its image does."""
    linked = {change.image for change in done.changes if change.kind in (ChangeKind.LINKED, ChangeKind.REMOVED)}
    for change in done.intent_changes:
        if change.key != "State" or change.image not in linked:
            yield change.kind, change.image, change.text()


def _remember(done: TreeChange) -> None:
    """Enter the tree and its changes into the ledger."""
    target = done.target
    machine, snapshot = target.machine, target.snapshot
    number = snapshot.number if snapshot is not None else None
    now, uid = time_text(), login_uid(machine.layout.root)
    events = [
        LedgerEvent(time=now, kind=kind, snapshot=number, image=image, detail=text, uid=uid)
        for kind, image, text in _configured(done)
    ]
    events += [change.event(now, number, uid) for change in done.changes]

    def write(ledger: Ledger) -> None:
        tree = look(machine.layout, machine.subvolumes, number) if number is not None else None
        if tree is not None:
            left_out = dict(ledger.left_out(*tree.key))
            for image in done.plan.images:
                left_out.pop(image.name, None)
            ledger.enter(tree, {**left_out, **done.plan.left_out, **done.plan.told})
        ledger.add(events)

    write_or_log(machine.layout.ledger, write, "what was changed")
    if target.next:
        linked = {image.name for image in done.plan.images if image.action in (Action.KEEP, Action.LINK)}
        try:
            refusal.had_again(machine, linked, now=int(time.time()))
            files = [file for file in done.files if file.of is not None]
            refusal.configured(
                machine,
                changed={file.of for file in files if file.of is not None},
                optional={file.image.name for file in files if file.image is not None and not file.may_refuse},
                now=int(time.time()),
            )
        except (OSError, sqlite3.Error) as error:
            log.warning("%s: what is missed cannot be marked: %s", machine.layout.refused, error)
