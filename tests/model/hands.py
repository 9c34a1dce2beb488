# SPDX-License-Identifier: LGPL-2.1-or-later
"""What people, other tools and bad hardware do; each returns whether there was anything to do."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.model import images
from tests.model.model import EXTENSIONS, Etc, Snap, Words
from tests.model.world import NAMES, World, link_to, pick

MOST_VERSIONS = 3
HOUR, DAY = 3600, 86400


def _put(world: World, path: Path, content: bytes) -> None:
    """Write a file of the store in place; the file system's clock is that of the test."""
    path.write_bytes(content)
    path.chmod(0o644)
    os.utime(path, (world.faults.now, world.faults.now))


def offer(world: World, name: str, version: int, level: str, *, again: bool) -> bool:
    """The source publishes an image; ``again``: with other content, if it has one of that name already."""
    model = world.model
    file_name = images.file_of(name, version)
    if file_name in model.source and not again:
        return False
    model.serial += 1
    content = images.content_of(name, level, model.serial)
    model.source[file_name] = content
    model.offered.setdefault(file_name, set()).add(images.sha256(content))
    (world.source / file_name).write_bytes(content)
    _write_list(world)
    return True


def withdraw(world: World, which: int) -> bool:
    """The source takes an image away."""
    file_name = pick(sorted(world.model.source), which)
    if file_name is None:
        return False
    del world.model.source[file_name]
    (world.source / file_name).unlink()
    _write_list(world)
    return True


def _write_list(world: World) -> None:
    lines = [f"{images.sha256(content)}  {name}\n" for name, content in sorted(world.model.source.items())]
    (world.source / "SHA256SUMS").write_text("".join(lines))


def link(world: World, which: int, image: int, *, place: str, name: str, style: str) -> bool:
    """Somebody makes a link in a tree, to what is in the store or to what is not."""
    model = world.model
    snap = pick(model.trees(), which)
    choices = sorted(item for item in world.store_names() if item.endswith(".raw") and not item.startswith("."))
    target = pick([*choices, "gone-1.x86-64.raw"], image)
    if snap is None or target is None:
        return False
    folder = world.etc(snap) / place
    with world.writable(snap):
        folder.mkdir(parents=True, exist_ok=True)
        text = link_to(target, style)
        world.texts[text] = target
        if style == "through":
            # a link outside of the folder that is merged, which the entry leads over
            through = world.etc(snap) / f"through-{target}"
            through.unlink(missing_ok=True)
            through.symlink_to(link_to(target, "plain"))
        (folder / f"{name}.raw").unlink(missing_ok=True)
        (folder / f"{name}.raw").symlink_to(text)
    snap.links[place, f"{name}.raw"] = target
    world.did()
    return True


def unlink(world: World, which: int, entry: int) -> bool:
    """Somebody removes a link."""
    snap = pick([snap for snap in world.model.trees() if snap.links], which)
    if snap is None:
        return False
    place, name = sorted(snap.links)[entry % len(snap.links)]
    with world.writable(snap):
        (world.etc(snap) / place / name).unlink()
    del snap.links[place, name]
    world.did()
    return True


def hide(world: World, which: int, how: Etc) -> bool:
    """A snapshot's /etc is not to be seen for a while."""
    snap = pick([snap for snap in world.model.trees() if snap.etc is Etc.THERE], which)
    if snap is None:
        return False
    world.hide_etc(snap, how)
    world.did()
    return True


def show(world: World, which: int) -> bool:
    """It is there again."""
    snap = pick([snap for snap in world.model.trees() if snap.etc is not Etc.THERE], which)
    if snap is None:
        return False
    world.bring_etc_back(snap)
    world.did()
    return True


def mount(world: World, mounted: bool, *, stale: bool) -> bool:
    """Take /.snapshots away, with or without what was beneath it, or bring it back."""
    if world.model.mounted == mounted:
        return False
    unmounted = world.root / "unmounted"
    if stale:
        (unmounted / "7").mkdir(exist_ok=True)
    else:
        shutil.rmtree(unmounted)
        unmounted.mkdir()
    place = world.root / "snapshots"
    place.unlink()
    place.symlink_to(world.fs if mounted else unmounted)
    world.model.mounted = mounted
    return True


def harm_ledger(world: World, how: str) -> bool:
    """The ledger is lost, torn, or something else."""
    ledger = world.ledger
    if not ledger.exists():
        return False
    world.settled_default = None
    if how == "remove":
        ledger.unlink()
        return True
    content = ledger.read_bytes()
    middle = len(content) // 2
    ledger.write_bytes(
        {
            "empty": b"",
            "garbage": b"rubbish" * 100,
            "torn": content[:middle],
            "rotten": content[:middle] + bytes(4096) + content[middle + 4096 :],
        }[how]
    )
    return True


def stored(world: World) -> list[str]:
    """The images that are in the store."""
    return sorted(name for name in world.model.truth if name in world.store_names())


def harm_image(world: World, which: int, how: str) -> bool:
    """An image is lost, or its content changes: cut off, grown, or by rot that shows in nothing else."""
    model = world.model
    name = pick(stored(world), which)
    if name is None:
        return False
    path = world.store / name
    if how == "remove":
        path.unlink()
        forget(world, name)
        world.did()
        return True
    content = path.read_bytes()
    if how == "rot":
        status = path.stat()
        path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        model.silent.add(name)
    else:
        _put(world, path, content[: len(content) // 3] if how == "cut" else content + b"more")
        model.born[name] = world.faults.now
    model.damaged.add(name)
    return True


def forget(world: World, name: str) -> None:
    """A file of the store is not there any more. How long its name was not needed is remembered by name."""
    model = world.model
    for known in (model.truth, model.born):
        known.pop(name, None)
    model.damaged.discard(name)
    model.silent.discard(name)


def harm_record(world: World, which: int, how: str) -> bool:
    """A record is lost, or no record any more."""
    try:
        names = sorted(name for name in os.listdir(world.records) if not name.startswith("."))
    except FileNotFoundError:
        return False
    name = pick(names, which)
    if name is None:
        return False
    path = world.records / name
    if how == "remove":
        path.unlink()
    else:
        path.write_bytes(b"" if how == "empty" else path.read_bytes()[:40])
    return True


def put_file(world: World, name: str, version: int, kind: str) -> bool:
    """Another tool puts something into the store."""
    model = world.model
    file_name = images.file_of(name, version)
    names = {
        "left behind": f".{file_name}.A1b2C3",
        "ours left behind": f".tukit-sysext.{file_name}.99",
        "readme": "README",
        "folder": "folder.raw",
        "link": "link.raw",
    }
    where = world.store / names.get(kind, file_name)
    if os.path.lexists(where):
        return False
    model.serial += 1
    content = b"<html>404</html>" if kind == "error page" else images.content_of(name, "1", model.serial)
    if kind == "half":
        content = content[:8]
    if kind == "folder":
        where.mkdir()
        return True
    if kind == "link":
        where.symlink_to("/nowhere")
        return True
    _put(world, where, content)
    if where.name == file_name:
        model.truth[file_name] = images.sha256(content)
    if where.name == file_name and (not images.is_image(content) or (world.records / f"{file_name}.json").exists()):
        # good for nothing, or not what is recorded under this name
        model.damaged.add(file_name)
    model.born[where.name] = world.faults.now
    world.did()
    return True


def fill(world: World, *, writes: int | None) -> None:
    """The disk is full after so many writes, or (None) but for a few bytes, which suffice for what is not an image."""
    if writes is None:
        used = sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(world.store))
        world.faults.capacity = used + 10
    else:
        world.faults.writes_left = writes


def free(world: World) -> bool:
    """There is room again."""
    was = world.faults.full
    world.faults.writes_left = world.faults.capacity = None
    return was


def move_clock(world: World, seconds: int) -> None:
    """The clock jumps, or time passes. It is not before 1970."""
    world.faults.now = max(1, world.faults.now + seconds)
    world.latest = max(world.latest, world.faults.now)


def merge_running(world: World) -> None:
    """systemd-sysext merges what the running system has: it stays in use whatever becomes of the links."""
    model = world.model
    running = model.snaps[model.running]
    there = world.store_names()
    model.merged = {image for (place, _), image in running.links.items() if place == EXTENSIONS and image in there}


def say(world: World, words: Words, which: int) -> bool:
    """What the plugin says from now on."""
    image = pick(sorted(world.model.truth), which)
    if words is Words.REFERS and image is None:
        return False
    world.model.words, world.model.referred = words, image or ""
    world.did()
    return True


def want(world: World, which: int, name: str, *, hold: int | None) -> bool:
    """Hold a version in a tree, or none."""
    snap = pick(world.model.usable(), which)
    if snap is None or name not in NAMES:
        return False
    world.want(snap, name, hold)
    world.did()
    return True


def upgrade(world: World, which: int, level: str) -> bool:
    """The update makes an open snapshot that of another system."""
    snap: Snap | None = pick([snap for snap in world.model.pending() if snap.complete], which)
    if snap is None:
        return False
    world.set_level(snap, level)
    return True
