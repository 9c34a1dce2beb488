# SPDX-License-Identifier: LGPL-2.1-or-later
"""The invariants of the collection, held against what the model knows and what is on the disk.

(1) every link into the store resolves to a file with its recorded hash; (2) nothing unverified or unsynced has a final
name; (3) content that matches its record is never replaced; (4) unknown means nothing is deleted; (5) see quiet.py;
(6) the next run completes, see package.py; (7) all of it with the ledger lost; (9) nothing else is written.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.model import hands, images, look
from tests.model.look import Disk
from tests.model.model import Etc, Snap
from tests.model.world import World

GRACE = 7 * 86400
YOUNG = 3600


class Broken(AssertionError):
    """An invariant does not hold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Before:
    """How things were before the package ran, and what it may do.

    ``collects`` whether it may delete at all, ``hurried`` whether without the grace time, ``unknown_origin`` whether
    what has no record too. ``tree`` is the one whose links it may change.
    """

    disk: Disk
    needed: set[str]
    sure: bool
    everything: look.Everything
    collects: bool = False
    hurried: bool = False
    unknown_origin: bool = False
    tree: Snap | None = None


def check(world: World, before: Before, *, others: bool) -> None:
    """Hold everything against what it was before; ``others``: somebody else changed snapshots meanwhile."""
    now = look.read(world)
    # where somebody else completes what was half done, the package may have looked before that or after it
    _nothing_lost(world, before, now, sure=before.sure or (others and world.model.sure()))
    _contents(world, before, now)
    if world.faults.unsynced:
        raise Broken(f"(2) got a final name without being synced: {world.faults.unsynced}")
    if not others:
        tree = world.tree(before.tree.number) / "etc" if before.tree is not None else None
        strays = look.changed(before.everything, look.everything_else(world), tree)
        if strays:
            raise Broken(f"(9) written outside of our own folders: {strays}")
    check_links(world, now)


def _nothing_lost(world: World, before: Before, now: Disk, *, sure: bool) -> None:
    """What went may go; ``sure`` whether all could be known."""
    model, clock = world.model, world.faults.now
    gone = {name for name in before.disk.files if name not in now.files}
    needed = before.needed & model.needed()
    for name in gone:
        if name.startswith(look.OURS) and not before.collects:
            continue  # of a run that was killed, in the way of this one
        if name in needed:
            raise Broken(f"(1) {name} is needed, and was deleted")
        if not sure:
            raise Broken(f"(4) {name} was deleted while not all was known")
        if not before.collects:
            raise Broken(f"(1) {name} was deleted by what is no collection")
        recorded = before.disk.records.get(name) is not None
        good = images.is_image(before.disk.files[name]) and not name.startswith(".")
        if good and not recorded and not before.unknown_origin:
            raise Broken(f"{name} is a good image of unknown origin, and was deleted")
        born = model.born.get(name, clock)
        # what was seen before it came was another file of this name
        runs = [moment for moment in model.waiting.get(name, ()) if moment >= min(born, clock)]
        aged = len(runs) >= 2 and clock - max(min(runs), born) >= GRACE
        if not aged and not (before.hurried and clock - born >= YOUNG):
            told = f"nothing needed it {[clock - moment for moment in runs]} s ago, it came {clock - born} s ago"
            raise Broken(f"{name} was deleted too early: {told}")
        world.seen["collected by age" if aged else "collected for want of room"] += 1
        hands.forget(world, name)
    if before.disk.others - now.others:
        raise Broken(f"no image, and deleted: {before.disk.others - now.others}")
    for name in before.disk.records.keys() - now.records.keys():
        if name in needed or not sure or not before.collects:
            raise Broken(f"(4) the record of {name} was deleted")


def _contents(world: World, before: Before, now: Disk) -> None:
    """What is under a final name is what it has to be, and what was good is as it was."""
    model = world.model
    for name, content in now.files.items():
        if name.startswith(".") or not name.endswith(".raw"):
            model.born.setdefault(name, world.faults.now)
            continue
        found, recorded = images.sha256(content), now.records.get(name)
        was = before.disk.files.get(name)
        if was is None or was != content:
            if was is not None and before.disk.whole(name):
                raise Broken(f"(3) {name} matched its record, and has other content now")
            if was is not None and before.disk.records.get(name) is None and images.is_image(was):
                raise Broken(f"(3) {name} is a good image of unknown origin, and was replaced")
            expected = before.disk.records.get(name)
            if expected is not None and found != expected:
                raise Broken(f"(3) {name} came back with other content than its record had")
            if found not in model.offered.get(name, ()) or (recorded is not None and recorded != found):
                raise Broken(f"(2) {name} has content that nobody verified")
            world.seen["published" if was is None else "content replaced"] += 1
            hands.forget(world, name)
            model.truth[name], model.born[name] = found, world.faults.now
        elif name not in model.damaged and found != model.truth.get(name):
            raise Broken(f"(1) {name} has another content than when it came")
        if recorded is not None and recorded != found and name not in model.damaged:
            raise Broken(f"(1) {name} has another hash than its record")
        if recorded == found:
            model.damaged.discard(name)
            model.silent.discard(name)
            model.truth[name] = found
    if world.faults.full or world.faults.killed:
        return
    # an image is recorded before it has its name, and what has lost its record gets no other content
    for name in now.files.keys() - before.disk.files.keys():
        if not name.startswith(".") and now.records.get(name) is None:
            raise Broken(f"(2) {name} was published without a record")


def check_links(world: World, now: Disk) -> None:
    """Whatever is needed is there, but for what the test has taken away itself."""
    model = world.model
    missing = model.needed() - now.files.keys() - now.others
    new = missing - model.lost - set(model.held())
    if new:
        raise Broken(f"(1) needed and not there: {sorted(new)}")
    model.lost &= missing


def check_finalized(world: World, snap: Snap) -> None:
    """What a transaction that was not refused leaves: links to whole images (threats L9 and C14).

    An image that has lost its record is of unknown origin, and stays where it was.
    """
    now = look.read(world)
    for image in world.direct(snap, snap.wanted):
        if world.occupied(snap, images.name_of(image)):
            continue
        world.seen["finalized with a link"] += 1
        unknown = image in now.files and now.records.get(image) is None and images.is_image(now.files[image])
        if not now.whole(image) and not unknown and image not in world.model.silent:
            raise Broken(f"(1) snapshot {snap.number} was finalized with a link to {image}, which is not whole")


def check_told(world: World) -> None:
    """What is lost or damaged in what boots next was told (threat C13)."""
    model = world.model
    snap = model.snaps[model.default]
    if not model.sure() or snap.overlay is not None or snap.etc is not Etc.THERE:
        return
    now = look.read(world)
    bad = [image for image in world.direct(snap) if now.records.get(image) is not None and not now.whole(image)]
    if bad:
        world.seen["told what is wrong in what boots next"] += 1
    if bad and not (world.runtime / "repair").exists():
        raise Broken(f"snapshot {snap.number} boots next, {bad} are not whole, and nobody was told")
