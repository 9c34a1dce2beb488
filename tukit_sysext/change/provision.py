# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images that a new machine wants by its configuration, and has never had: which they are, and what was tried.

Who writes the configuration of a first boot (ignition, combustion) brings no image, and an update of the system may be
weeks away. An image is missing where it is wanted in the running system, and no snapshot has a link to it, or had one
as far as the ledger remembers. What was tried is remembered in one file, so that trying ends: for good once the image
is linked, left out by a verdict, or failed for a week. From then on updates and people decide.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from tukit_sysext.change.changer import TreeChange
from tukit_sysext.config.intent import State
from tukit_sysext.config.wanted import Policy, load_wanted
from tukit_sysext.errors import UnknownState
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.leftovers import without_settled
from tukit_sysext.machine import Machine
from tukit_sysext.rules.names import check_component
from tukit_sysext.snapshots.entries import read_entries
from tukit_sysext.snapshots.snapper import scan
from tukit_sysext.store.record import plausible_time
from tukit_sysext.system.durable import make_directory, write_file
from tukit_sysext.system.small_file import read_small
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.plan import Action, ImagePlan

log = logging.getLogger(__name__)

WEEK = 7 * 86400
LEAST_TRIES = 10
"""A clock that was set meanwhile ends nothing: so often it is tried, however late it seems to be."""
_LIMIT = 256 * 1024


class Ending(StrEnum):
    """Why an image is not tried again."""

    LINKED = "linked"
    LEFT_OUT = "left out"
    GIVEN_UP = "given up"


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempts:
    """What was tried for an image: since when (seconds since the epoch), how often, and why in vain.

    ``ending`` is None while it is tried again.
    """

    since: int = 0
    tries: int = 0
    reason: str = "not tried yet"
    ending: Ending | None = None

    def failed(self, reason: str, *, now: int) -> Attempts:
        """One more that failed. A clock that went back starts the week anew."""
        since = self.since if self.tries and self.since <= now else now
        tries = self.tries + 1
        over = tries >= LEAST_TRIES and now - since >= WEEK
        return Attempts(since=since, tries=tries, reason=reason, ending=Ending.GIVEN_UP if over else None)


@dataclass(frozen=True, kw_only=True, slots=True)
class NeverHad:
    """An image that is wanted, and that no snapshot of this machine has ever had linked."""

    name: str
    required: bool
    attempts: Attempts

    @property
    def pending(self) -> bool:
        """Whether it is tried again."""
        return self.attempts.ending is None


def never_had(machine: Machine) -> Sequence[NeverHad]:
    """The wanted images of the running system that no snapshot has, or ever had. Raises UnknownState, OutsideTree."""
    with Tree(machine.layout.root) as tree:
        wanted = {name: image for name, image in load_wanted(tree).images.items() if image.state is State.WANTED}
        had = _linked(machine, tree) if wanted else set()
        # who masks an image does not wait for it
        had |= {entry.stem for entry in read_entries(tree) if entry.is_mask} if wanted else set()
    known = read(machine.layout.provision)
    return [
        NeverHad(name=name, required=image.policy is Policy.REQUIRED, attempts=known.get(name, Attempts()))
        for name, image in sorted(wanted.items())
        if name not in had and known.get(name, Attempts()).ending is not Ending.LINKED
    ]


def _linked(machine: Machine, tree: Tree) -> set[str]:
    """Names of the images that any snapshot has, or had as far as the ledger remembers."""
    store = machine.store(writable=False)
    files = {entry.image for entry in read_entries(tree)} | set(_remembered(machine.layout.ledger))
    if machine.layout.snapshots.is_dir():
        snapshots = without_settled(machine.layout, scan(machine.layout, machine.subvolumes, releases=False))
        if snapshots.unknown:
            raise UnknownState(f"which images snapshots have is not known: {'; '.join(snapshots.unknown)}")
        files |= {entry.image for snapshot in snapshots.snapshots for entry in snapshot.entries or ()}
    return {name for file in files if file is not None and (name := store.look(file).name) is not None}


def _remembered(path: Path) -> Iterator[str]:
    if not path.exists():
        return
    try:
        with Ledger(path, writable=False) as ledger:
            yield from (file for snapshot in ledger.snapshots() for _, file in snapshot.images)
    except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
        log.warning("%s: %s; which images deleted snapshots had is not known", path, error)


def judge(images: Iterable[NeverHad], trees: Sequence[TreeChange], *, now: int) -> Mapping[str, Attempts]:
    """What is known after trees were changed, by image."""
    return {image.name: _judge(image, trees, now) for image in images}


def _judge(image: NeverHad, trees: Sequence[TreeChange], now: int) -> Attempts:
    plans = [plan for tree in trees for plan in tree.plan.images if plan.name == image.name]
    failed = [plan.reason for plan in plans if not _is_linked(plan) and not _is_verdict(plan)]
    if any(_is_linked(plan) for plan in plans):
        return replace(image.attempts, ending=Ending.LINKED)
    if failed or not plans:
        return image.attempts.failed("; ".join(dict.fromkeys(failed)) or "it is not planned", now=now)
    reason = "; ".join(dict.fromkeys(plan.reason for plan in plans))
    return replace(image.attempts.failed(reason, now=now), ending=Ending.LEFT_OUT)


def _is_linked(plan: ImagePlan) -> bool:
    return plan.action in (Action.KEEP, Action.LINK)


def _is_verdict(plan: ImagePlan) -> bool:
    """Whether an image is left out for what it is, or for what the configuration says; not for what may pass."""
    if plan.left_out is LeftOut.NOTHING_FITS:
        return bool(plan.considered)  # that nobody publishes it yet is no verdict
    return plan.left_out is LeftOut.KEPT_AWAY or plan.action is Action.LEAVE_ALONE


def read(path: Path) -> Mapping[str, Attempts]:
    """What was tried, by image; empty where nothing was, or where the file cannot be read as ours."""
    try:
        document = json.loads(read_small(path, limit=_LIMIT))
        return {check_component(name): _parse(image) for name, image in document["images"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return {}


def _parse(image: Mapping[str, object]) -> Attempts:
    ending = image["ending"]
    return Attempts(
        since=plausible_time(image["since"]),
        tries=max(0, int(str(image["tries"]))),
        reason=str(image["reason"]),
        ending=None if ending is None else Ending(str(ending)),
    )


def remember(path: Path, attempts: Mapping[str, Attempts]) -> None:
    """Enter what was tried. Raises OSError."""
    known = {**read(path), **attempts}
    make_directory(path.parent)
    images = {name: asdict(known[name]) for name in sorted(known)}
    write_file(path, json.dumps({"images": images}, indent=1).encode() + b"\n")
