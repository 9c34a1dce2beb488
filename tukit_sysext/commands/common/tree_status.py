# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ``status`` finds out of a tree: each image, whether it is merged now, what is wrong with it, what is noted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tukit_sysext.collect.attached import in_use
from tukit_sysext.collect.mounts import mounts
from tukit_sysext.commands.common.from_ledger import left_out
from tukit_sysext.commands.common.trees import LEFT, Look, target_in
from tukit_sysext.config.files import Problem
from tukit_sysext.config.intent import State
from tukit_sysext.config.settings import load_configuration
from tukit_sysext.config.wanted import WantedImage, WantedImages, load_wanted
from tukit_sysext.errors import OutsideTree, UnknownState
from tukit_sysext.integrity import merge_rule, quarantine_folder
from tukit_sysext.integrity.quarantine_folder import Quarantined
from tukit_sysext.layout import EXTENSIONS, SHARED_EXTENSIONS, STORE, Layout
from tukit_sysext.machine import Machine
from tukit_sysext.rules.matching import Host, check
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.snapshots.entries import Entry, read_entries, shared_entries
from tukit_sysext.snapshots.snapper import Scan
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.store.image_store import Condition
from tukit_sysext.system import merge
from tukit_sysext.system.system_release import machine_architecture, read_release, systemd_version
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.refusal import HeldBack

OPEN = "open transaction"
OK = "ok"
NOT_LINKED = "not linked"
MASKED = "masked"
MERGED_AS_LINKED = ("yes", "unknown")
"""Words for an image of which nothing is known to wait for a merge."""
_QUARANTINED = "in quarantine"
_WHOLE = "whole"
_USR = re.compile(r"(?:/.*)?/\.snapshots/([1-9][0-9]*)/snapshot/usr")
_THEN = "when this tree was changed last"


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeStatus:
    """One tree that matters now: why it does, what it wants and has.

    ``merged`` are the extensions that the running system has merged; None where that is not known, and for others.
    ``mounted`` are the files of the store that are in use, which tells of which version they are. ``applied`` is the
    snapshot whose /usr the running system has, where that is another one than its own. ``refusals`` are the images for
    which an update that starts from the tree would be refused.
    """

    role: str
    target: Target
    release: ReleaseData | None
    wanted: WantedImages
    entries: tuple[Entry, ...] | None
    unknown: str
    left_out: Mapping[str, str]
    sources: frozenset[str]
    problems: tuple[Problem, ...]
    quarantined: tuple[Quarantined, ...]
    host: Host
    merged: frozenset[str] | None = None
    mounted: frozenset[str] = frozenset()
    applied: int | None = None
    refusals: Mapping[str, HeldBack] = field(default_factory=dict)

    def with_refusals(self, refusals: Mapping[str, HeldBack]) -> TreeStatus:
        """The same, where the next update starts from it with those that it would be refused for."""
        return replace(self, refusals=refusals) if self.target.next else self

    @property
    def still_merged(self) -> Collection[str]:
        """Extensions that are merged now, and that nothing leads to any more."""
        return sorted((self.merged or frozenset()) - {entry.stem for entry in self.entries or ()})


def trees_in_use(machine: Machine, snapshots: Scan) -> Iterator[TreeStatus]:
    """The running tree, the one that boots next, and those of open transactions."""
    running, default = snapshots.running, snapshots.default
    role = "running" if default is None or default is not running else "running, boots next"
    yield replace(
        _tree(role, target_in(machine, snapshots, running)),
        merged=_merged_now(machine),
        mounted=_mounted(machine.layout),
        applied=_applied(machine.layout, running.number if running is not None else None),
    )
    if default is not None and default is not running:
        yield _tree("boots next", target_in(machine, snapshots, default))
    for snapshot in snapshots.snapshots:
        if snapshot.open:
            yield _tree(LEFT if snapshot.left else OPEN, target_in(machine, snapshots, snapshot))


def _merged_now(machine: Machine) -> frozenset[str] | None:
    """What is merged into the running /usr, also where systemd does not run, as in a container."""
    return merge.merged() if machine.layout.root == Path("/") else merge_rule.merged_now(machine)


def _mounted(layout: Layout) -> frozenset[str]:
    """The files of the store that are in use; empty where that is not known."""
    try:
        return frozenset(file_name for file_name, _ in in_use(layout))
    except OSError:
        return frozenset()


def _applied(layout: Layout, running: int | None) -> int | None:
    """The snapshot whose /usr is mounted over the one of the running system, as ``transactional-update apply`` does."""
    try:
        found = [_USR.fullmatch(mount.root) for mount in mounts(layout) if mount.point == "/usr"]
    except OSError:
        return None
    numbers = [int(match[1]) for match in found if match is not None]
    return numbers[-1] if numbers and numbers[-1] != running else None


def _tree(role: str, target: Target) -> TreeStatus:
    entries: tuple[Entry, ...] | None = None
    quarantined: tuple[Quarantined, ...] = ()
    unknown = ""
    with Tree(target.path) as tree:
        try:
            entries = read_entries(tree)
            folders: tuple[str, ...] = (EXTENSIONS,)
            if target.path == target.machine.layout.root:
                entries += shared_entries(tree)
                folders += SHARED_EXTENSIONS
            quarantined = tuple(link for folder in folders for link in quarantine_folder.quarantined(tree, folder))
        except (UnknownState, OutsideTree) as error:
            unknown = str(error)
        configuration, wanted, release = load_configuration(tree), load_wanted(tree), read_release(tree)
        return TreeStatus(
            role=role,
            target=target,
            release=release,
            host=Host(
                release=release or ReleaseData(), architecture=machine_architecture(), systemd=systemd_version(tree)
            ),
            wanted=wanted,
            entries=entries,
            unknown=unknown,
            left_out=left_out(target),
            sources=frozenset(configuration.sources),
            problems=(*configuration.problems, *wanted.problems),
            quarantined=quarantined,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRow:
    """One image of a tree: wanted, linked, or both.

    ``state`` is what the document says. ``not_had`` is the newer one that could not be had when the tree was changed
    last, in words (empty: none). ``merged``: whether it is in the running /usr, None where that is not known, and for
    what does not run; ``merged_as`` says the same in a word, with another version where that one is merged.
    ``condition`` and ``notes`` are for people.
    """

    name: str
    version: str
    shown: str
    policy: str
    state: str
    wanted_by: str | None
    not_had: str = ""
    merged: bool | None = None
    merged_as: str
    condition: str
    notes: tuple[str, ...] = ()


def rows(tree: TreeStatus, look: Look) -> Iterator[ImageRow]:
    """The images of a tree: those that are wanted, then what is linked beside them."""
    by_image: dict[str, list[Entry]] = {}
    others: list[Entry] = []
    masks = {entry.stem: entry for entry in tree.entries or () if entry.is_mask}
    for entry in tree.entries or ():
        if entry.is_mask and entry.stem in tree.wanted.images:
            continue  # said of the image
        name = look(entry.image).name if entry.image is not None else None
        if name is not None and name in tree.wanted.images and entry.folder == EXTENSIONS:
            by_image.setdefault(name, []).append(entry)
        else:
            others.append(entry)
    quarantined = {
        (look(link.entry.image).name if link.entry.image is not None else None) or link.entry.stem
        for link in tree.quarantined
        if link.entry.folder == EXTENSIONS
    }
    for name, wanted in tree.wanted.images.items():
        entries = by_image.get(name, [])
        policy = "removed" if wanted.state is State.REMOVED else str(wanted.policy)
        yield from (
            ImageRow(
                name=name,
                version=_version(entry, look),
                shown=_shown(entry, look),
                policy=policy,
                state=_state(entry, wanted, look),
                not_had=tree.left_out.get(name, ""),
                wanted_by=wanted.origin,
                merged=None if tree.merged is None else entry.stem in tree.merged,
                merged_as=_merged_as(tree, entry, look),
                condition=_condition(tree, entry, wanted, look),
                notes=tuple(_notes(tree, entry, wanted, look)),
            )
            for entry in entries
        )
        if not entries and wanted.state is State.WANTED:
            reason = tree.left_out.get(name)
            # why stands below, with the link
            missing = _QUARANTINED if name in quarantined else NOT_LINKED
            state = f"left out: {reason}" if reason else missing
            notes = (f"{_THEN}: {reason}",) if reason else ()
            if name in masks:
                missing = MASKED
                state = f"masked by {masks[name].path}"
                notes = (f"done without, as {masks[name].path} is a link to /dev/null",)
            yield ImageRow(
                name=name,
                version="-",
                shown="-",
                policy=policy,
                state=state,
                wanted_by=wanted.origin,
                merged_as=_merged_stem(tree, name),
                condition=missing,
                notes=notes,
            )
    for entry in others:
        where = entry.what if entry.target is not None else f"a {entry.what}"
        yield ImageRow(
            name=entry.shown,
            version=_version(entry, look),
            shown=_shown(entry, look),
            policy="not ours",
            state=where,
            wanted_by=None,
            merged_as=_merged_as(tree, entry, look),
            condition="link into the store" if where.startswith(f"link to {STORE}/") else where,
        )


def _shown(entry: Entry, look: Look) -> str:
    return look(entry.image).shown if entry.image is not None else "-"


def _version(entry: Entry, look: Look) -> str:
    return look(entry.image).version if entry.image is not None else "-"


def _state(entry: Entry, wanted: WantedImage, look: Look) -> str:
    stored = look(entry.image or "")
    parts = [] if stored.condition is Condition.WHOLE else [f"{stored.condition}: {stored.reason}"]
    parts += [_wrong_name(entry, wanted, look)] if _wrong_name(entry, wanted, look) else []
    parts += [f"held at {wanted.hold}"] if wanted.hold is not None else []
    parts += ["goes with the next transaction"] if wanted.state is State.REMOVED else []
    return ", ".join(parts) or _WHOLE


def _wrong_name(entry: Entry, wanted: WantedImage, look: Look) -> str:
    """What is wrong with the name of a link; empty where nothing is."""
    record = look(entry.image or "").record
    right = f"{record.merge_name if record is not None else wanted.name}.raw"
    return f"linked as {entry.name}, has to be {right}" if entry.name != right else ""


def _against(tree: TreeStatus, entry: Entry, look: Look) -> str:
    """Why systemd-sysext would not merge an image that is whole in this tree; empty where it would."""
    record = look(entry.image or "").record
    if record is None or tree.release is None:
        return ""
    verdict = check(tree.host, ReleaseData(record.release))
    return "" if verdict.fits else verdict.reason


def _condition(tree: TreeStatus, entry: Entry, wanted: WantedImage, look: Look) -> str:
    """What an image is worth where it is linked, in a word or two."""
    condition = look(entry.image or "").condition
    if condition is not Condition.WHOLE:
        return str(condition)
    if _wrong_name(entry, wanted, look):
        return str(Condition.WRONGLY_NAMED)
    return str(Condition.DOES_NOT_FIT) if _against(tree, entry, look) else OK


def _notes(tree: TreeStatus, entry: Entry, wanted: WantedImage, look: Look) -> Iterator[str]:
    """What else is to be known of an image that is linked."""
    stored, not_had = look(entry.image or ""), tree.left_out.get(wanted.name, "")
    yield from filter(None, (stored.reason, _wrong_name(entry, wanted, look), _against(tree, entry, look)))
    refused = wanted.name in tree.refusals
    yield from [f"held at {wanted.hold}"] if wanted.hold is not None else []
    yield from ["the next update would be refused"] if refused else []
    yield from ["removed with the next transaction"] if wanted.state is State.REMOVED else []
    yield from [f"{_THEN}: {not_had}"] if not_had and not refused else []


def _merged_as(tree: TreeStatus, entry: Entry, look: Look) -> str:
    """Whether an entry is merged now, in a word: yes, no, or the other version that is."""
    merged = _merged_stem(tree, entry.stem)
    if merged != "yes" or entry.image is None or entry.image in tree.mounted:
        return merged
    name = look(entry.image).name
    return next((other.shown for each in sorted(tree.mounted) if (other := look(each)).name == name), "yes")


def _merged_stem(tree: TreeStatus, stem: str) -> str:
    """Whether anything is merged now under the name of a link, in a word."""
    if tree.merged is None:
        return "unknown"
    return "yes" if stem in tree.merged else "no"
