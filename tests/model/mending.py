# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is lost or damaged: told at a rollback, out of the way at boot, and had again."""

from __future__ import annotations

from tests.model import hands, images, look, package, snapper
from tests.model.checks import Before, Broken
from tests.model.model import QUARANTINE, Snap
from tests.model.package import before_run, run
from tests.model.world import World, pick
from tukit_sysext.integrity import quarantine
from tukit_sysext.integrity.assess import Assessment, Subject, assess, subjects
from tukit_sysext.integrity.repair import repair as mend
from tukit_sysext.snapshots.snapper import scan as scan_snapshots
from tukit_sysext.store.examine import Examiner


def roll_back_to_harm(world: World, which: int, how: str) -> bool:
    """An image of a snapshot is lost or damaged; then the snapshot boots next."""
    model = world.model
    usable = model.usable()
    chosen = pick([found for found in _linked(world) if usable[found[0]].number != model.default], which)
    if chosen is None or not model.mounted:
        return False
    snap, image = usable[chosen[0]], hands.stored(world)[chosen[1]]
    package.settle(world)
    there = hands.stored(world)
    if image in there:
        hands.harm_image(world, there.index(image), how)
    snapper.roll_back(world, snapper.can_boot(world).index(snap), event="rollback-post")
    return package.settle(world)


def boot_with_harm(world: World, which: int, how: str) -> bool:
    """An image of a snapshot is lost or damaged; then the snapshot is booted."""
    found = _linked(world)
    chosen = pick(found, which)
    if chosen is None or not snapper.boot(world, chosen[0]):
        return False
    hands.harm_image(world, chosen[1], how)
    return verify_at_boot(world)


def _linked(world: World) -> list[tuple[int, int]]:
    """Usable snapshots with the images that they have links to, by where they stand in their lists."""
    there = hands.stored(world)
    return [
        (number, there.index(image))
        for number, snap in enumerate(world.model.usable())
        for image in world.direct(snap)
        if image in there
    ]


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
        before = before_run(world, tree=snap)

        def work(number: int = number) -> None:
            scan = scan_snapshots(world.machine.layout, world.volume.subvolumes)
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
    before = before_run(world, tree=snap)
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
