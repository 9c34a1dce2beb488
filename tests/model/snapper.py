# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tukit, snapper and the boot do to the snapshots; each returns whether there was anything to do."""

from __future__ import annotations

import shutil

from tests.model.model import Etc, Snap
from tests.model.world import World, pick

MOST = 6
"""Snapshots that there are at most, so that steps stay cheap."""


def _snapper(world: World, action: str, number: int) -> None:
    world.emit("snapper", action, "/", "btrfs", str(number))


def make(world: World, parent: Snap, number: int, *, is_open: bool = False) -> Snap:
    """A snapshot of a snapshot."""
    model = world.model
    (world.fs / str(number)).mkdir(exist_ok=True)
    uuid = world.volume.create(world.tree(number), world.tree(parent.number))
    snap = Snap(
        number=number,
        uuid=uuid,
        level=parent.level,
        wanted=dict(parent.wanted),
        links=dict(parent.links),
        open=is_open,
        etc=parent.etc,
        overlay=parent.overlay,
    )
    model.snaps[number] = snap
    model.latest, model.made = max(model.latest, number), number
    world.write_info(snap)
    _snapper(world, "create-snapshot-post", number)
    return snap


def create(world: World, parent: int, *, reuse: bool, read_only: bool) -> bool:
    """snapper create --from."""
    origin = pick(world.model.trees(), parent)
    if origin is None or len(world.model.snaps) >= MOST:
        return False
    snap = make(world, origin, world.model.free_number(reuse=reuse))
    if read_only:
        world.volume.set_read_only(world.tree(snap.number), True)
        snap.read_only = True
    world.did()
    return True


def begin(world: World, parent: int, *, reuse: bool, slowly: bool) -> bool:
    """tukit open. Its 50-etc brings /etc a moment after the tree; ``slowly``: not yet."""
    origin = pick(world.model.usable(), parent)
    if origin is None or len(world.model.snaps) >= MOST:
        return False
    snap = make(world, origin, world.model.free_number(reuse=reuse), is_open=True)
    if slowly:
        world.hide_etc(snap, Etc.MISSING)
    world.did()
    return True


def end_badly(world: World, which: int, *, how: str) -> bool:
    """tukit abort, a discarded transaction, or a tukit that is killed."""
    snap = pick(world.model.pending(), which)
    if snap is None or (how != "killed" and snap not in world.model.removable()):
        return False
    if how == "killed":
        snap.abandoned = True
        return True
    remove(world, snap)
    if how == "abort":
        world.emit("tukit", "abort-post", str(snap.number))
    else:
        world.emit("tukit", "finalize-post", str(snap.number), "discarded")
    return True


def close(world: World, snap: Snap) -> None:
    """What tukit does when a transaction was finalized."""
    snap.open = False
    world.write_info(snap)
    world.volume.set_read_only(world.tree(snap.number), True)
    snap.read_only = True
    world.volume.set_default(world.tree(snap.number))
    world.model.default = snap.number
    _snapper(world, "set-default-snapshot-post", snap.number)
    world.emit("tukit", "finalize-post", str(snap.number))


def remove(world: World, snap: Snap, *, tell: bool = True) -> None:
    """Delete a snapshot, whatever there still is of it."""
    if snap.tree:
        world.volume.delete(world.tree(snap.number))
    shutil.rmtree(world.fs / str(snap.number))
    del world.model.snaps[snap.number]
    if tell:
        _snapper(world, "delete-snapshot-post", snap.number)
    world.did()


def delete(world: World, which: int, *, how: str) -> bool:
    """snapper delete: as a whole, in half, or with one of its events alone."""
    snap = pick(world.model.removable(), which)
    if snap is None:
        return False
    if how == "whole":
        remove(world, snap)
    elif how == "silent":
        remove(world, snap, tell=False)
    elif how == "pre":
        _snapper(world, "delete-snapshot-pre", snap.number)
    elif how == "post":
        _snapper(world, "delete-snapshot-post", snap.number)
    elif how == "tree" and snap.tree:
        world.volume.delete(world.tree(snap.number))
        snap.tree, snap.open = False, False
    elif how == "info" and snap.info:
        (world.fs / str(snap.number) / "info.xml").unlink()
        snap.info = False
    elif how == "number":
        remove(world, snap)
        (world.fs / str(snap.number)).mkdir()
    else:
        return False
    if not snap.tree and not snap.info:
        world.model.snaps.pop(snap.number, None)
    world.did()
    return True


def mend(world: World, which: int, *, back: bool) -> bool:
    """A half deletion ends, or the missing info.xml comes back."""
    halves = [snap for _, snap in sorted(world.model.snaps.items()) if not (snap.tree and snap.info)]
    snap = pick(halves, which)
    if snap is None:
        return False
    if snap.tree and (back or snap.number in (world.model.running, world.model.default)):
        snap.info = True
        world.write_info(snap)
    else:
        remove(world, snap)
    return True


def can_boot(world: World) -> list[Snap]:
    """What can be made the default: not what is an old system's."""
    return [snap for snap in world.model.trees() if snap.overlay is None]


def roll_back(world: World, which: int, *, event: str) -> bool:
    """snapper rollback, or another default by hand."""
    snap = pick(can_boot(world), which)
    if snap is None:
        return False
    world.volume.set_default(world.tree(snap.number))
    world.model.default = snap.number
    _snapper(world, event, snap.number)
    world.did()
    return True


def boot(world: World, which: int | None) -> bool:
    """Boot what is next, or what somebody chose in the menu. /run is empty then, and nothing is merged."""
    model = world.model
    if which is None:
        snap = model.snaps[model.default]
    else:
        chosen = pick(model.usable(), which)
        if chosen is None:
            return False
        snap = chosen
    if not snap.complete or snap.overlay is not None or not model.mounted:
        return False
    model.running = snap.number
    model.merged.clear()
    merge(world)
    shutil.rmtree(world.runtime, ignore_errors=True)
    world.did()
    return True


def merge(world: World) -> None:
    """The kernel says what is mounted: half of it behind loop devices, half as files."""
    lines = ["21 1 0:20 / / rw - btrfs /dev/vda rw"]
    block = world.shared / "sys/block"
    shutil.rmtree(block)
    block.mkdir()
    for index, image in enumerate(sorted(world.model.merged)):
        if index % 2:
            lines.append(f"22 1 0:21 / /x rw - erofs /var/lib/sysext-store/{image} ro")
        else:
            (block / f"loop{index}/loop").mkdir(parents=True)
            (block / f"loop{index}/loop/backing_file").write_text(f"/var/lib/sysext-store/{image}\n")
    (world.shared / "proc/self/mountinfo").write_text("\n".join(lines) + "\n")
    world.did()


def old_system(world: World, parent: int, images: list[str]) -> bool:
    """A snapshot of transactional-update < 5: its /etc is an overlay."""
    origin = pick(world.model.usable(), parent)
    if origin is None or len(world.model.snaps) >= MOST:
        return False
    snap = make(world, origin, world.model.free_number(reuse=False))
    number = snap.number
    upper = world.shared / f"var/lib/overlay/{number}/etc/extensions"
    shutil.rmtree(upper.parent.parent, ignore_errors=True)
    upper.mkdir(parents=True)
    links: dict[str, str] = {}
    for index, image in enumerate(images):
        (upper / f"{index}.raw").symlink_to(f"/var/lib/sysext-store/{image}")
        links[f"{index}.raw"] = image
    options = f"upperdir=/sysroot/var/lib/overlay/{number}/etc,lowerdir=/sysroot/etc,workdir=/sysroot/work"
    fstab = world.etc(snap) / "fstab"
    fstab.unlink(missing_ok=True)
    fstab.write_text(f"overlay /etc overlay {options} 0 0\n")
    snap.overlay = number
    world.model.overlays[number] = links
    world.did()
    return True


def clean_overlays(world: World) -> bool:
    """Overlays of snapshots that are gone go."""
    used = {snap.overlay for snap in world.model.snaps.values()}
    gone = [number for number in world.model.overlays if number not in used]
    for number in gone:
        shutil.rmtree(world.shared / f"var/lib/overlay/{number}")
        del world.model.overlays[number]
    world.did()
    return bool(gone)
