# SPDX-License-Identifier: LGPL-2.1-or-later
"""The package at work: each run is held against the invariants, and one that was killed is followed by another."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from tests.model import checks, hands, images, look, snapper
from tests.model.checks import Before, Broken, check
from tests.model.faults import Killed
from tests.model.model import QUARANTINE, Snap
from tests.model.world import World, pick
from tukit_sysext.errors import Busy, TukitSysextError
from tukit_sysext.events import Event, Kind
from tukit_sysext.job import collect as collecting
from tukit_sysext.job import quarantine
from tukit_sysext.job import settle as settling
from tukit_sysext.job.repair import repair as mend
from tukit_sysext.job.transaction import Transaction
from tukit_sysext.job.verify import Assessment, Subject, assess, subjects
from tukit_sysext.state import snapshots
from tukit_sysext.state.examine import Examiner

Happening = Callable[[], None]


def _before(world: World, **may: Any) -> Before:
    model = world.model
    world.faults.unsynced.clear()
    needed = model.needed()
    if may.get("collects"):
        clock = world.faults.now
        for name in world.store_names() - needed:
            since, runs = model.waiting.get(name, (clock, 0))
            model.waiting[name] = (min(since, clock), runs + 1)
    return Before(
        disk=look.read(world),
        needed=needed,
        sure=model.sure(),
        everything=look.everything_else(world),
        **may,
    )


def run(
    world: World,
    kind: str,
    work: Callable[[], Any],
    before: Before,
    *,
    kill_at: int | None = None,
    between: tuple[int, Happening] | None = None,
    others: bool = False,
) -> bool:
    """Run something; whether it came to its end. What a full disk makes of it is told, never an error of another kind.

    ``kill_at`` and the moment of ``between`` are taken modulo the steps that such a run had before. Raises Broken where
    an invariant does not hold.
    """
    done, most = False, world.steps.get(kind, 10)
    if kill_at is not None:
        kill_at = 1 + kill_at % most
    if between is not None:
        between = (1 + between[0] % most, between[1])
    with world.faults.active(kill_at=kill_at, between=between):
        try:
            work()
            done = not world.faults.killed
        except Killed:
            pass
        except (OSError, sqlite3.Error, TukitSysextError) as error:
            world.seen["ended by a full disk"] += 1
            if not world.faults.full:
                raise Broken(f"(6) it does not complete: {type(error).__name__}: {error}") from error
    if world.faults.killed:
        world.seen[f"killed: {kind}"] += 1
    world.steps[kind] = max(world.faults.steps, world.steps.get(kind, 1))
    if before.tree is not None:
        world.reread(before.tree)
    check(world, before, others=others)
    if others or between is not None:
        for name in world.store_names() - world.model.needed():
            world.model.waiting.setdefault(name, (world.faults.now, 1))
    return done


def collect(
    world: World,
    *,
    kill_at: int | None = None,
    lacking_room: bool = False,
    unknown_origin: bool = False,
    others: bool = False,
) -> bool:
    """A collection; ``others``: while somebody else changes snapshots."""
    before = _before(world, collects=True, hurried=lacking_room, unknown_origin=unknown_origin)
    found: list[collecting.Collection] = []

    def work() -> None:
        found.append(
            collecting.collect(world.machine, world.plugins, lacking_room=lacking_room, unknown_origin=unknown_origin)
        )

    done = run(world, "collection", work, before, kill_at=kill_at, others=others)
    if done and not others:
        if before.sure and found[0].unknown:
            raise Broken(f"everything can be read, and it says: {found[0].unknown}")
        if not before.sure and not found[0].unknown:
            raise Broken("(4) not everything can be read, and it does not say so")
        world.seen["collection with all known" if before.sure else "collection with something unknown"] += 1
        forgotten = before.needed | (world.model.waiting.keys() - world.store_names())
        for name in forgotten:
            world.model.waiting.pop(name, None)
    if kill_at is not None:
        collect(world)
    return True


def collect_while(world: World, which: int, moment: int, *, over: bool) -> bool:
    """A collection while snapper works: a snapshot becomes another one; ``over``: with the number of a third."""
    model = world.model
    moved = pick([snap for snap in model.removable() if snap.tree], which)
    if moved is None or not model.mounted:
        return False
    victim = pick([snap for snap in model.removable() if snap is not moved], which)
    if over and victim is None:
        return False
    parent: Snap = moved

    def happen() -> None:
        number = model.free_number(reuse=False)
        if over and victim is not None:
            snapper.remove(world, victim)
            number = victim.number
        snapper.make(world, parent, number)
        snapper.remove(world, parent)
        world.seen["snapshots that changed during a collection"] += 1

    # each snapshot is found twice, and the root and the folder once
    with _Looking(world, 1 + moment % (2 * len(model.snaps) + 2), happen):
        return collect(world, others=True)


class _Looking:
    """Lets something happen when the package looks at a snapshot for the n-th time."""

    def __init__(self, world: World, moment: int, happen: Happening) -> None:
        self._world = world
        self._left = moment
        self._happen = happen
        self._real = world.volume.subvolumes.find

    def _find(self, path: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            with self._world.faults.paused():
                self._happen()
        return self._real(path)

    def __enter__(self) -> None:
        self._world.volume.subvolumes.find = self._find  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        del self._world.volume.subvolumes.find


def settle(world: World, *, kill_at: int | None = None, booted: bool = False) -> bool:
    """A settling."""
    before = _before(world, collects=True)
    default = world.model.default
    found = [Event(kind=Kind.BOOTED, number=world.model.running)] if booted else []

    def work() -> None:
        settling.settle(world.machine, world.plugins, found=found)

    done = run(world, "settling", work, before, kill_at=kill_at)
    if done and not world.faults.full:
        check_ledger(world)
        if world.settled_default not in (None, default):
            checks.check_told(world)
        world.settled_default = default if world.model.sure() else None
    elif done:
        world.settled_default = None
    if kill_at is not None:
        settle(world)
    return True


def check_ledger(world: World) -> None:
    """After a settling the ledger has what the disk has."""
    model = world.model
    if not model.mounted:
        return
    there = {(snap.number, snap.uuid) for snap in model.trees()}
    connection = sqlite3.connect(world.ledger)
    try:
        rows = connection.execute("SELECT number, uuid, state FROM snapshot WHERE gone IS NULL").fetchall()
    finally:
        connection.close()
    found = {(number, uuid) for number, uuid, _ in rows}
    if not there <= found:
        raise Broken(f"the ledger does not know of {there - found}")
    if model.sure() and found != there:
        raise Broken(f"the ledger has {found - there}, which are gone")
    states = {number: state for number, uuid, state in rows if (number, uuid) in there}
    for snap in model.trees():
        if snap.complete and (states[snap.number] == "open") != snap.open:
            raise Broken(f"the ledger has snapshot {snap.number} as {states[snap.number]}")


def opened(world: World, which: int) -> bool:
    """Open a transaction where none is; whether there is one now."""
    return bool(_ready(world)) or snapper.begin(world, which, reuse=False, slowly=False)


def _ready(world: World) -> list[Snap]:
    return [snap for snap in world.model.pending() if snap.complete and snap.overlay is None]


def finalize(
    world: World,
    which: int,
    *,
    kill_at: int | None = None,
    again: bool = False,
    collect_at: int | None = None,
    discard: bool = False,
) -> bool:
    """tukit closes a transaction: the main job, and what tukit does then, which may be to ``discard`` it.

    ``again``: after being killed it is done once more. ``collect_at``: a collection begins in the middle of it.
    """
    model = world.model
    snap = pick(_ready(world), which)
    if snap is None or not model.mounted:
        return False
    number = snap.number

    at_work = False

    def between() -> None:
        if not at_work:
            return  # the ledger is being written to
        try:
            collecting.collect(world.machine, world.plugins, lacking_room=True)
        except (OSError, sqlite3.Error):
            pass
        except Busy:
            world.seen["a collection that found a transaction at work"] += 1

    before = _before(world, collects=world.faults.full or collect_at is not None, hurried=True, tree=snap)
    outcomes: list[Any] = []

    def work() -> None:
        nonlocal at_work
        transaction = Transaction(machine=world.machine, path=world.tree(number), number=number)
        at_work = True
        outcomes[:] = world.plugins.finalizing(transaction)
        at_work = False
        for outcome in outcomes:
            world.plugins.judged(transaction, outcome)

    happening = (collect_at, between) if collect_at is not None else None
    done = run(world, "transaction", work, before, kill_at=kill_at, between=happening)
    if not done and kill_at is not None and again:
        done = run(world, "transaction", work, _before(world, collects=world.faults.full, hurried=True, tree=snap))
    if not done or not outcomes:
        return True
    if any(outcome.refusals for outcome in outcomes):
        world.seen["refused"] += 1
        if snap in model.removable():
            snapper.remove(world, snap)
        return True
    if not world.faults.full:
        checks.check_finalized(world, snap)
    if discard:
        snapper.end_badly(world, world.model.pending().index(snap), how="discard")
    else:
        snapper.close(world, snap)
    return True


def again_while_collecting(world: World, name: str, collect_at: int) -> bool:
    """An update is discarded. What it has fetched is needed by nothing, and no longer young, when the next one comes.

    In the middle of that a collection begins.
    """
    model = world.model
    snap = model.snaps[model.default]
    if snap not in model.usable() or len(model.snaps) >= snapper.MOST:
        return False
    hands.offer(world, name, 1 + model.serial % (hands.MOST_VERSIONS + 1), snap.level, again=False)
    done = True
    for discard in (True, False):
        parent = model.usable().index(snap)
        done = done and snapper.begin(world, parent, reuse=False, slowly=False)
        which = [index for index, item in enumerate(_ready(world)) if item.number == model.made]
        at = None if discard else collect_at % 6  # before the link is there: it has nothing to fetch
        done = done and bool(which) and finalize(world, which[0], discard=discard, collect_at=at)
        hands.move_clock(world, 2 * hands.HOUR)
        if snap not in model.usable():
            return done
    return done


def update(world: World, parent: int, level: str, *, reuse: bool) -> bool:
    """A whole update: open, another system perhaps, finalize."""
    if not snapper.begin(world, parent, reuse=reuse, slowly=False):
        return False
    model = world.model
    # made last, with whatever number
    which, snap = next((index, snap) for index, snap in enumerate(_ready(world)) if snap.number == model.made)
    if snap.level != level:
        world.set_level(snap, level)
    return finalize(world, which)


def release(world: World, name: str, level: str, *, reuse: bool) -> bool:
    """The source has a new version for a system; the oldest snapshot gives way, and the newest is updated."""
    model = world.model
    version = 1 + model.serial % (hands.MOST_VERSIONS + 1)
    hands.offer(world, name, version, level, again=False)
    if len(model.snaps) >= snapper.MOST and model.removable():
        snapper.remove(world, model.removable()[0])
    parents = [index for index, snap in enumerate(model.usable()) if snap.number == model.default]
    return update(world, parents[0] if parents else 0, level, reuse=reuse)


def release_without_room(world: World, name: str, level: str) -> bool:
    """The same where the store has no room for another image: what nothing needs has to go for it."""
    hands.move_clock(world, 2 * hands.HOUR)
    hands.fill(world, writes=None)
    done = release(world, name, level, reuse=False)
    hands.free(world)
    return done


def roll_back_to_harm(world: World, which: int, how: str) -> bool:
    """An image of a snapshot is lost or damaged; then the snapshot boots next."""
    model = world.model
    there = sorted(name for name in model.truth if name in world.store_names())
    candidates = [
        (number, image)
        for number, snap in enumerate(model.usable())
        for image in world.direct(snap)
        if image in there and snap.number != model.default
    ]
    chosen = pick(candidates, which)
    if chosen is None or not model.mounted:
        return False
    settle(world)
    hands.harm_image(world, there.index(chosen[1]), how)
    snap = model.usable()[chosen[0]]
    snapper.roll_back(world, snapper.can_boot(world).index(snap), event="rollback-post")
    return settle(world)


def boot_with_harm(world: World, which: int, how: str) -> bool:
    """An image of the running system is lost or damaged before the merge at boot."""
    model = world.model
    running = model.snaps[model.running]
    there = sorted(name for name in model.truth if name in world.store_names())
    image = pick([image for image in world.direct(running) if image in there], which)
    if image is None or not running.complete:
        return False
    hands.harm_image(world, there.index(image), how)
    return verify_at_boot(world)


def _assess(world: World, subject: Subject, *, full: bool) -> Assessment:
    examiner = Examiner(world.machine.store(), full=full, writable=True)
    return assess(world.machine, subject, examiner, objection=world.plugins.objection)


def repair(world: World, *, kill_at: int | None = None) -> bool:
    """verify --repair: what runs, and what boots next."""
    model = world.model
    trees = {model.running, model.default}
    if not model.mounted or not all(model.snaps[number].complete for number in trees):
        return False
    for number in sorted(trees, key=lambda item: item != model.running):
        snap = model.snaps[number]
        before = _before(world, tree=snap)

        def work(number: int = number) -> None:
            scan = snapshots.scan(world.machine.layout, world.volume.subvolumes)
            for subject in subjects(world.machine, scan):
                if subject.number == number:
                    mend(world.machine, world.plugins, subject, _assess(world, subject, full=True).wrong)
                    quarantine.put_back(world.machine, _assess(world, subject, full=True))

        done = run(world, "repair", work, before, kill_at=kill_at)
        if done and not world.faults.full:
            _check_repaired(world, snap, before)
    if kill_at is not None:
        repair(world)
    return True


def _check_repaired(world: World, snap: Snap, before: Before) -> None:
    """What the source still has is whole again."""
    now = look.read(world)
    for image in world.direct(snap, snap.wanted):
        recorded = before.disk.records.get(image)
        content = world.model.source.get(image)
        if recorded is None or content is None or images.sha256(content) != recorded:
            continue
        world.seen["whole after a repair" if before.disk.whole(image) else "repaired"] += 1
        if not now.whole(image) and image not in now.others:
            raise Broken(f"{image} of snapshot {snap.number} could be repaired, and was not")


def verify_at_boot(world: World, *, kill_at: int | None = None) -> bool:
    """verify --boot of the running system: links go into quarantine and back, none is lost."""
    snap = world.model.snaps[world.model.running]
    if not snap.complete:
        return False
    before = _before(world, tree=snap)
    links = sorted(snap.links.values())

    def work() -> None:
        subject = Subject(path=world.tree(snap.number), called="the running system", number=None)
        assessment = _assess(world, subject, full=False)
        if not quarantine.unsure(world.machine, assessment):
            quarantine.isolate(world.machine, assessment)

    done = run(world, "boot", work, before, kill_at=kill_at)
    left = list(snap.links.values())
    if links != sorted(snap.links.values()) or any(place == QUARANTINE for place, _ in snap.links):
        world.seen["in quarantine"] += 1
    for image in links:
        if image in left:
            left.remove(image)
        elif not done or not _has_good_link(world, snap, image):
            raise Broken(f"a link to {image} is lost")
    if kill_at is not None:
        verify_at_boot(world)
    return True


def _has_good_link(world: World, snap: Snap, image: str) -> bool:
    """A link of an image goes for good where another one of it is good meanwhile."""
    now = look.read(world)
    name = images.name_of(image)
    return any(other in now.files and images.name_of(other) == name for other in world.direct(snap, snap.wanted))
