# SPDX-License-Identifier: LGPL-2.1-or-later
"""One point of the matrix: a scenario, a fault, and the call that it strikes at; and what came of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.crash import checks, state
from tests.crash.calls import Call
from tests.crash.ground import Ended, Ground
from tests.crash.mounts import copy
from tests.crash.order import hollow, unwaited
from tests.crash.scenarios import Scenario
from tests.crash.state import State
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.system.durable import TEMPORARY_PREFIX
from tukit_sysext.update.left_out import LeftOut

_TRIES = 3
_PATIENCE = 50
"""Tries for a power cut while others have all disks written."""
_STEPS = ("fsync", "fdatasync", "rename", "link", "symlink", "unlink")
_DIGITS = re.compile(r"\d+")
NOT_STRUCK = "the fault cannot be brought about"
END = Call(name="end", number=0, about="after the last call")


class Fault(StrEnum):
    """What happens at a call: the process is killed before it, it fails, or the power goes right before it."""

    KILL = "kill"
    ENOSPC = "ENOSPC"
    EIO = "EIO"
    POWER = "power"


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A fault at a call of a scenario's run; ``END`` for right after it."""

    scenario: str
    fault: Fault
    call: Call

    @property
    def name(self) -> str:
        """By which it can be run again."""
        return f"{self.scenario}:{self.fault}:{self.call.name}:{self.call.number}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A run without a fault: its calls, the machine before and after it, and what it said."""

    calls: Sequence[Call]
    before: State
    after: State
    ended: Ended


def is_step(call: Call) -> bool:
    """Whether something lasts by it, or is published, linked or deleted: no other call makes the power cut differ."""
    return call.name.startswith(_STEPS)


class NotStruck(Exception):
    """The run went another way than the one that was counted."""


class Disturbed(Exception):
    """Somebody else had all disks written: a power cut shows nothing."""


class Bench:
    """Runs points of one scenario."""

    def __init__(self, ground: Ground, scenario: Scenario, published: Mapping[str, str]) -> None:
        self.scenario = scenario
        self._ground = ground
        self._published = published
        self._disk = ground.folder / "work"
        self._cut = ground.folder / "cut"

    def count(self) -> Reference:
        """Run without a fault: its calls, which wait for the disk where they must."""
        reference = self.twice()
        for text in unwaited(reference.calls):
            raise SystemExit(f"{self.scenario.name}: {text}")
        return reference

    def twice(self) -> Reference:
        """Run without a fault, twice: the same calls come each time, or they could not be enumerated."""
        run: Reference = self._without_fault()
        way: tuple[object, ...] = ()
        for _ in range(_TRIES):
            last, run = run, self._without_fault()
            ways = [[(call.name, call.number, call.about) for call in each.calls] for each in (last, run)]
            if ways[0] == ways[1]:
                return run
            way = next((pair for pair in zip(*ways, strict=False) if pair[0] != pair[1]), ())
        raise SystemExit(f"{self.scenario.name}: two runs are not the same: {way}")

    def _without_fault(self) -> Reference:
        scenario = self.scenario
        copy(scenario.disk, self._disk)
        with self._ground.machine(self._disk, running=scenario.running) as root:
            scenario.write_unsynced(root)
            before = state.read(root)
            ended = self._ground.run(scenario.argv)
            return Reference(calls=ended.calls, before=before, after=state.read(root), ended=ended)

    def points(self, reference: Reference) -> Iterator[Point]:
        """Every call with every fault."""
        for fault in Fault:
            for call in reference.calls:
                yield Point(scenario=self.scenario.name, fault=fault, call=call)
        yield Point(scenario=self.scenario.name, fault=Fault.POWER, call=END)

    def cuts(self, reference: Reference) -> Iterator[Point]:
        """Where the power goes: at every step that publishes, links, remembers or deletes, the last one first."""
        yield Point(scenario=self.scenario.name, fault=Fault.POWER, call=END)
        for call in reversed(reference.calls):
            if is_step(call):
                yield Point(scenario=self.scenario.name, fault=Fault.POWER, call=call)

    def wrong(self, point: Point, reference: Reference) -> list[str]:
        """What does not hold after the fault, or after the run that follows it."""
        missed: list[str] = []
        disturbed = 0
        while len(missed) < _TRIES and disturbed < _PATIENCE:
            try:
                return [*self._wrong(point, reference)]
            except NotStruck as error:
                missed.append(str(error))
            except Disturbed:
                disturbed += 1
        return [f"{NOT_STRUCK}: {missed[-1] if missed else 'other processes call sync(2) all the time'}"]

    def _wrong(self, point: Point, reference: Reference) -> Iterator[str]:
        scenario = self.scenario
        copy(scenario.disk, self._disk)
        self._ground.witness.begin()
        with self._ground.machine(self._disk, running=scenario.running) as root:
            scenario.write_unsynced(root)
            ended = self._ground.run(scenario.argv, inject=_inject(point))
            _check_struck(point, ended)
            if point.fault is Fault.POWER:
                # nothing but what is synced has reached the disk
                copy(self._disk, self._cut)
                if self._ground.witness.disturbed():
                    raise Disturbed
            else:
                yield from self._check_status(point, ended, state.read(root), reference)
                yield from self._check(root, point, reference)
        if point.fault is Fault.POWER:
            with self._ground.machine(self._cut, running=scenario.running) as root:
                _empty(root, hollow(ended.calls))
                yield from self._check(root, point, reference)

    def _check(self, root: Path, point: Point, reference: Reference) -> Iterator[str]:
        now = state.read(root)
        for text in checks.broken(
            reference.before,
            now,
            reference.after,
            self._published,
            tree=str(self.scenario.tree),
            left_out=point.fault in (Fault.ENOSPC, Fault.EIO),
        ):
            yield f"after the fault: {text}"
        if point.call is END:
            yield from (f"said to be done, and not on the disk: {text}" for text in checks.done(reference.after, now))
        again = self._ground.run(self.scenario.argv, traced=False)
        # it may have to tell once more what the first one told
        told = self.scenario.hook and _DIGITS.sub("", again.messages) not in (
            "",
            _DIGITS.sub("", reference.ended.messages),
        )
        if again.status != reference.ended.status or told:
            yield f"the next run: status {again.status}: {again.messages}"
        last = state.read(root)
        for text in (*checks.differences(reference.after, last), *checks.left_over(reference.before, last)):
            yield f"after the next run: {text}"

    def _check_status(self, point: Point, ended: Ended, now: State, reference: Reference) -> Iterator[str]:
        # what came of an image is kept for the next run, which is looked at afterwards
        temporary = now.temporary - reference.before.temporary
        left = {path for path in temporary if not os.path.basename(path).startswith(f"{TEMPORARY_PREFIX}partial.")}
        if left and point.fault is not Fault.KILL and not point.call.name.startswith(("unlink", "rmdir")):
            yield f"temporary files are left: {sorted(left)}"
        told = ended.messages != reference.ended.messages or ended.output != reference.ended.output
        if self.scenario.hook:
            # no place in the store or the tree for a required image that the running system has: that alone may refuse
            refused = ended.status == ExitStatus.REFUSED and point.fault in (Fault.ENOSPC, Fault.EIO)
            policy = any(kind in ended.messages for kind in (LeftOut.NOT_STORED, LeftOut.NO_PLACE))
            if ended.status != 0 and not (refused and policy):
                yield f"status {ended.status}: a fault of the machine stops no transaction: {ended.messages}"
            if now.links != reference.after.links and not told:
                yield "the links are not what they should be, and nothing was said"
        elif point.fault is not Fault.KILL and ended.status not in (0, 1):
            yield f"status {ended.status}: {ended.messages}"


def _empty(root: Path, files: frozenset[str]) -> None:
    """Leave of these files what another kernel than this one may leave of them: their names."""
    for path in files:
        with suppress(FileNotFoundError):
            os.truncate(root / path.lstrip("/"), 0)


def _inject(point: Point) -> str | None:
    if point.call is END:
        return None
    what = "signal=SIGKILL" if point.fault in (Fault.KILL, Fault.POWER) else f"error={point.fault}"
    return f"{point.call.name}:{what}:when={point.call.number}"


def _check_struck(point: Point, ended: Ended) -> None:
    if point.call is END:
        return
    wanted = (point.call.name, point.call.number, point.call.about)
    if point.fault in (Fault.KILL, Fault.POWER):
        struck = ended.calls[-1] if ended.calls else None
    else:
        struck = next((call for call in ended.calls if call.injected), None)
    if struck is None or (struck.name, struck.number, struck.about) != wanted:
        raise NotStruck(f"expected {wanted}, found {struck}")
