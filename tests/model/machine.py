# SPDX-License-Identifier: LGPL-2.1-or-later
"""The state machine: its rules draw what happens next. Each effective step is counted."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.model import hands, images, mending, package, quiet, races, snapper, transactions
from tests.model.model import CONFEXTS, EXTENSIONS, QUARANTINE, Etc, Words
from tests.model.volume import PlainVolume
from tests.model.world import NAMES, World

S = TypeVar("S", bound="Snapshots")

HERE = st.integers(0, 11)
"""Which of those that there are."""

MOMENT = st.integers(1, 60)
"""At which step of a run something happens."""

YES = st.booleans()
NAME = st.sampled_from(NAMES)
LEVEL = st.sampled_from(images.LEVELS)
VERSION = st.integers(1, hands.MOST_VERSIONS)
FOLDER = "/dev/shm"
TROUBLE = 6
"""Steps after which a disk that is full or not mounted is seen to."""

RULES: list[str] = []
"""The names of all rules."""


def step(function: Callable[..., bool]) -> Callable[..., None]:
    """A rule's body: whether it did anything tells whether it counts."""

    def wrapped(self: Snapshots, **drawn: Any) -> None:
        self.world.trouble -= 1
        if self.world.trouble == 0:
            # nobody can work for long like that
            hands.free(self.world)
            hands.mount(self.world, True, stale=False)
        if function(self, **drawn):
            type(self).taken[function.__name__] += 1

    wrapped.__name__ = function.__name__
    RULES.append(function.__name__)
    return wrapped


def _halves(self: Snapshots) -> bool:
    return any(not (snap.tree and snap.info) for snap in self.world.model.snaps.values())


def _hidden(self: Snapshots) -> bool:
    return any(snap.etc is not Etc.THERE for snap in self.world.model.trees())


class Snapshots(RuleBasedStateMachine):
    """One machine, from its installation to the quiet at the end."""

    taken: ClassVar[Counter[str]] = Counter()
    """How often each rule did something, in all machines so far."""

    seen: ClassVar[Counter[str]] = Counter()
    """What came of it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = self.make()
        hands.offer(self.world, "a", 1, "1", again=False)

    def make(self) -> World:
        """A fresh machine."""
        self.folder = Path(tempfile.mkdtemp(prefix="model-", dir=FOLDER if Path(FOLDER).is_dir() else None))
        root = self.folder / "root"
        root.mkdir()
        return World(root, PlainVolume(root))

    def teardown(self) -> None:
        try:
            quiet.check(self.world)
        finally:
            type(self).seen.update(self.world.seen)
            self.clean()

    def clean(self) -> None:
        """Take the machine away."""
        self.world.destroy()
        self.folder.rmdir()

    def _opened(self, which: int) -> bool:
        return transactions.opened(self.world, which)

    # transactions

    @rule(parent=HERE, reuse=YES, slowly=YES)
    @step
    def open(self, parent: int, reuse: bool, slowly: bool) -> bool:
        return snapper.begin(self.world, parent, reuse=reuse, slowly=slowly)

    @rule(which=HERE, level=LEVEL)
    @step
    def upgrade(self, which: int, level: str) -> bool:
        return self._opened(which) and hands.upgrade(self.world, which, level)

    @rule(which=HERE)
    @step
    def fetch_link_and_finalize(self, which: int) -> bool:
        return self._opened(which) and transactions.finalize(self.world, which)

    @rule(which=HERE, kill_at=MOMENT, again=YES)
    @step
    def finalize_killed(self, which: int, kill_at: int, again: bool) -> bool:
        return self._opened(which) and transactions.finalize(self.world, which, kill_at=kill_at, again=again)

    @rule(which=HERE, collect_at=MOMENT)
    @step
    def finalize_while_collecting(self, which: int, collect_at: int) -> bool:
        return self._opened(which) and transactions.finalize(self.world, which, collect_at=collect_at)

    @rule(which=HERE)
    @step
    def abort(self, which: int) -> bool:
        return self._opened(which) and snapper.end_badly(self.world, which, how="abort")

    @rule(which=HERE)
    @step
    def discard(self, which: int) -> bool:
        return self._opened(which) and snapper.end_badly(self.world, which, how="discard")

    @rule(which=HERE)
    @step
    def kill(self, which: int) -> bool:
        return self._opened(which) and snapper.end_badly(self.world, which, how="killed")

    @rule(parent=HERE, level=LEVEL, reuse=YES)
    @step
    def update(self, parent: int, level: str, reuse: bool) -> bool:
        return transactions.update(self.world, parent, level, reuse=reuse)

    @rule(name=NAME, level=LEVEL, reuse=YES)
    @step
    def release(self, name: str, level: str, reuse: bool) -> bool:
        return transactions.release(self.world, name, level, reuse=reuse)

    @rule(name=NAME, collect_at=MOMENT)
    @step
    def again_while_collecting(self, name: str, collect_at: int) -> bool:
        return transactions.again_while_collecting(self.world, name, collect_at)

    @rule(name=NAME, level=LEVEL)
    @step
    def release_without_room(self, name: str, level: str) -> bool:
        return transactions.release_without_room(self.world, name, level)

    # snapshots

    @rule(parent=HERE, reuse=YES, read_only=YES)
    @step
    def create(self, parent: int, reuse: bool, read_only: bool) -> bool:
        return snapper.create(self.world, parent, reuse=reuse, read_only=read_only)

    @rule(parent=HERE)
    @step
    def old_system(self, parent: int) -> bool:
        snapper.clean_overlays(self.world)
        stored = [name for name in sorted(self.world.store_names()) if name.endswith("raw") and name[0] != "."]
        return snapper.old_system(self.world, parent, stored[:2])

    @rule(which=HERE)
    @step
    def delete(self, which: int) -> bool:
        return snapper.delete(self.world, which, how="whole")

    @rule(which=HERE, how=st.sampled_from(("tree", "info")))
    @step
    def delete_half(self, which: int, how: str) -> bool:
        return snapper.delete(self.world, which, how=how)

    @rule(which=HERE, how=st.sampled_from(("pre", "post", "silent", "number")))
    @step
    def delete_oddly(self, which: int, how: str) -> bool:
        return snapper.delete(self.world, which, how=how)

    @precondition(_halves)
    @rule(which=HERE, back=YES)
    @step
    def mend_half(self, which: int, back: bool) -> bool:
        return snapper.mend(self.world, which, back=back)

    @rule(which=HERE, event=st.sampled_from(("rollback-post", "set-default-snapshot-post", "set-default-snapshot")))
    @step
    def roll_back(self, which: int, event: str) -> bool:
        return snapper.roll_back(self.world, which, event=event)

    @rule(which=HERE, how=st.sampled_from(("remove", "cut", "rot")))
    @step
    def roll_back_to_harm(self, which: int, how: str) -> bool:
        return mending.roll_back_to_harm(self.world, which, how)

    @rule(which=st.none() | HERE)
    @step
    def boot(self, which: int | None) -> bool:
        return snapper.boot(self.world, which)

    # by hand

    @rule(
        which=HERE,
        image=HERE,
        place=st.sampled_from((EXTENSIONS, EXTENSIONS, CONFEXTS, QUARANTINE)),
        name=st.sampled_from((*NAMES, "x")),
        style=st.sampled_from(("plain", "plain", "relative", "dotted", "through")),
    )
    @step
    def link_by_hand(self, which: int, image: int, place: str, name: str, style: str) -> bool:
        return hands.link(self.world, which, image, place=place, name=name, style=style)

    @rule(which=HERE, entry=HERE)
    @step
    def unlink_by_hand(self, which: int, entry: int) -> bool:
        return hands.unlink(self.world, which, entry)

    @rule(which=HERE, how=st.sampled_from((Etc.MISSING, Etc.EMPTY)))
    @step
    def hide_etc(self, which: int, how: Etc) -> bool:
        return hands.hide(self.world, which, how)

    @precondition(_hidden)
    @rule(which=HERE)
    @step
    def show_etc(self, which: int) -> bool:
        return hands.show(self.world, which)

    @rule(stale=YES)
    @step
    def unmount_or_mount(self, stale: bool) -> bool:
        self.world.trouble = TROUBLE
        return hands.mount(self.world, not self.world.model.mounted, stale=stale)

    @rule(which=HERE, name=NAME, hold=st.none() | VERSION)
    @step
    def hold(self, which: int, name: str, hold: int | None) -> bool:
        return hands.want(self.world, which, name, hold=hold)

    @rule(words=st.sampled_from(tuple(Words)), which=HERE)
    @step
    def plugin_says(self, words: Words, which: int) -> bool:
        return hands.say(self.world, words, which)

    @rule(merged=YES)
    @step
    def merge(self, merged: bool) -> bool:
        if merged:
            hands.merge_running(self.world)
        else:
            self.world.model.merged.clear()
        snapper.merge(self.world)
        return True

    @rule(name=NAME, version=VERSION, level=LEVEL, again=YES)
    @step
    def offer(self, name: str, version: int, level: str, again: bool) -> bool:
        return hands.offer(self.world, name, version, level, again=again)

    @rule(which=HERE)
    @step
    def withdraw(self, which: int) -> bool:
        return hands.withdraw(self.world, which)

    # faults

    @rule(how=st.sampled_from(("remove", "empty", "garbage", "torn", "rotten")))
    @step
    def harm_ledger(self, how: str) -> bool:
        return hands.harm_ledger(self.world, how)

    @rule(which=HERE, how=st.sampled_from(("remove", "cut", "grow", "rot")))
    @step
    def harm_image(self, which: int, how: str) -> bool:
        return hands.harm_image(self.world, which, how)

    @rule(which=HERE, how=st.sampled_from(("remove", "empty", "torn")))
    @step
    def harm_record(self, which: int, how: str) -> bool:
        return hands.harm_record(self.world, which, how)

    @rule(
        name=NAME,
        version=VERSION,
        kind=st.sampled_from(
            ("image", "error page", "half", "left behind", "ours left behind", "readme", "folder", "link")
        ),
    )
    @step
    def put_file(self, name: str, version: int, kind: str) -> bool:
        return hands.put_file(self.world, name, version, kind)

    @rule(writes=st.none() | st.integers(0, 30))
    @step
    def fill_or_free_the_disk(self, writes: int | None) -> bool:
        if not hands.free(self.world):
            hands.fill(self.world, writes=writes)
            self.world.trouble = TROUBLE
        return True

    @rule(seconds=st.sampled_from((60, 2 * hands.HOUR, hands.DAY, 8 * hands.DAY, 8 * hands.DAY, -hands.HOUR,
                                   -30 * hands.DAY, -100_000 * hands.DAY, 400 * hands.DAY)))  # fmt: skip
    @step
    def move_clock(self, seconds: int) -> bool:
        hands.move_clock(self.world, seconds)
        return True

    @rule(mode=st.sampled_from(("once", "twice", "lost", "late")))
    @step
    def events_come(self, mode: str) -> bool:
        self.world.event_mode = mode
        if mode != "late":
            self.world.deliver()
        return True

    # the package

    @rule(lacking_space=YES, unknown_origin=YES)
    @step
    def collect(self, lacking_space: bool, unknown_origin: bool) -> bool:
        return package.collect(self.world, lacking_space=lacking_space, unknown_origin=unknown_origin)

    @rule(kill_at=st.none() | MOMENT)
    @step
    def collect_for_room(self, kill_at: int | None) -> bool:
        hands.move_clock(self.world, 2 * hands.HOUR)
        return package.collect(self.world, lacking_space=True, kill_at=kill_at)

    @rule(kill_at=MOMENT, lacking_space=YES)
    @step
    def collect_killed(self, kill_at: int, lacking_space: bool) -> bool:
        return package.collect(self.world, kill_at=kill_at, lacking_space=lacking_space)

    @rule(which=HERE, moment=st.integers(1, 30), over=YES)
    @step
    def collect_while_snapper_works(self, which: int, moment: int, over: bool) -> bool:
        return races.collect_while(self.world, which, moment, over=over)

    @rule(which=HERE, swap=YES)
    @step
    def collect_what_hides(self, which: int, swap: bool) -> bool:
        return races.collect_what_hides(self.world, which, swap=swap)

    @rule()
    @step
    def let_the_grace_time_pass(self) -> bool:
        package.collect(self.world)
        hands.move_clock(self.world, 8 * hands.DAY)
        return package.collect(self.world)

    @rule(booted=YES)
    @step
    def settle(self, booted: bool) -> bool:
        return package.settle(self.world, booted=booted)

    @rule(kill_at=MOMENT)
    @step
    def settle_killed(self, kill_at: int) -> bool:
        return package.settle(self.world, kill_at=kill_at)

    @rule()
    @step
    def repair(self) -> bool:
        return mending.repair(self.world)

    @rule(kill_at=MOMENT)
    @step
    def repair_killed(self, kill_at: int) -> bool:
        return mending.repair(self.world, kill_at=kill_at)

    @rule()
    @step
    def verify_at_boot(self) -> bool:
        return mending.verify_at_boot(self.world)

    @rule(which=HERE, how=st.sampled_from(("remove", "cut")))
    @step
    def boot_with_harm(self, which: int, how: str) -> bool:
        return mending.boot_with_harm(self.world, which, how)

    @rule(kill_at=MOMENT)
    @step
    def verify_at_boot_killed(self, kill_at: int) -> bool:
        return mending.verify_at_boot(self.world, kill_at=kill_at)
