# SPDX-License-Identifier: LGPL-2.1-or-later
"""One run: a machine, servers that do wrong, a transaction, and what does not hold after it."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.evil import wrong
from tests.evil.machine import AFTER, ATTACKED, BEFORE, Before, Victim
from tests.evil.world import NAMES, NEW_LEVEL, World, file_of
from tests.lab.ports import unused_url
from tests.lab.server import Server
from tukit_sysext.layout import STORE
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.system.time_limit import TimeUp, time_limit
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.outcome import Outcome
from tukit_sysext.update.transaction import Transaction

DEADLINE = 30.0
"""Seconds for a transaction: each request has one or two by the configuration, and there are three servers."""


@dataclass(slots=True)
class Run:
    """What a run was, and what did not hold; ``sent`` bytes came, ``links`` are those of the snapshot after it."""

    number: int
    servers: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0
    outcome: str = ""
    requests: int = 0
    sent: int = 0
    links: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        told = "\n  ".join((*self.servers, *(f"WRONG: {each}" for each in self.wrong)))
        return f"run {self.number}: {self.outcome} in {self.seconds:.1f} s\n  {told}"


class _Told(logging.Handler):
    """What is logged meanwhile: tracebacks, and what no terminal should get."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.wrong: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            self.wrong.append(f"a traceback is logged: {text!a}")
        if not text.isprintable():
            self.wrong.append(f"logged what is not fit for a terminal: {text!a}")


@contextmanager
def _listening() -> Iterator[_Told]:
    logger, told = logging.getLogger("tukit_sysext"), _Told()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(told)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield told
    finally:
        logger.removeHandler(told)
        logger.setLevel(level)
        logger.propagate = propagate


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a run is: the machine before, whether it has seen a good list, the list of each mirror, and whether the
    servers do anything else wrong. ``weaker``: there is another source too, with a higher version of everything.
    ``registry``: the mirrors are registries.
    """

    before: Before
    seen_before: bool = False
    lists: tuple[str, ...]
    faults: bool = True
    weaker: bool = False
    registry: bool = False

    @classmethod
    def draw(cls, random: Random, world: World) -> Plan:
        """Any of them; good lists are more frequent, or images would never be reached."""
        everything = (*world.believed, *world.refused)
        frequent = ("good", "good", "good", "newer", "newer", "newer")
        return cls(
            before=Before.draw(random),
            weaker=random.random() < 0.3,
            registry=random.random() < 0.4,
            seen_before=random.random() < 0.4,
            lists=tuple(
                random.choice(frequent if random.random() < 0.5 else everything)
                for _ in range(random.choice((1, 2, 2, 3)))
            ),
        )


def attack(world: World, seed: int, number: int, plan: Plan | None = None) -> Run:
    """Carry out one run, drawn where it is not given; the same seed and number are the same run."""
    random = Random(f"{seed} {number}")
    plan = plan or Plan.draw(random, world)
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="evil-", dir=memory if memory.is_dir() else None))
    run = Run(number=number)
    try:
        with ExitStack() as stack:
            _attack(world, plan, random, folder, run, stack)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return run


def _attack(world: World, plan: Plan, random: Random, folder: Path, run: Run, stack: ExitStack) -> None:
    victim = Victim(folder / "machine", world, plan.before)
    stack.enter_context(victim.inspection())
    told = stack.enter_context(_listening())
    names = [f"mirror{number}" for number, _ in enumerate(plan.lists)]
    servers: list[Server] = []
    for name in names:
        world.publish(folder / name, world.believed["good"], registry=plan.registry)
        servers.append(stack.enter_context(Server(folder / name)))
    urls = [_url(server, plan) for server in servers]
    if plan.registry:
        run.servers.append("registries")
    if plan.weaker:
        world.publish(folder / "third", world.foreign)
        victim.weaker = stack.enter_context(Server(folder / "third")).url
        run.servers.append("a weaker source")
    if plan.seen_before:
        victim.open(BEFORE, urls)
        _transaction(victim, BEFORE, run)
        run.servers.append(f"before: {run.outcome}")
    for name, server, listing in zip(names, servers, plan.lists, strict=True):
        world.publish_list(folder / name, world.list_of(listing))
        others = [each.url for each in servers]
        done = _do_wrong(server, folder / name, world, random, others) if plan.faults else []
        run.servers.append("; ".join((f"{name}: list {listing}", *done)))
        server.clear()
    if plan.faults and random.random() < 0.1:
        urls.insert(0, f"oci+{unused_url()}/images" if plan.registry else unused_url())
    # an old list may be believed by who has not seen a newer one
    withdrawn = "replayed" in plan.lists and not plan.seen_before
    victim.open(ATTACKED, urls)
    before = victim.state()
    outcome = _transaction(victim, ATTACKED, run)
    run.wrong += victim.check(ATTACKED, before, withdrawn=withdrawn)
    run.wrong += _whole(victim, outcome)
    run.links = victim.links(ATTACKED)
    run.requests = sum(len(server.requests) for server in servers)
    run.sent = sum(request.sent for server in servers for request in server.requests)
    told_of_attack = run.outcome, run.seconds
    for name, server in zip(names, servers, strict=True):
        server.stop()  # what hangs there must not hold up what comes
        server.heal()
        shutil.rmtree(folder / name)
        world.publish(folder / name, world.believed["newer"], registry=plan.registry)
        server.start()
    victim.open(AFTER, [_url(server, plan) for server in servers])
    before = victim.state()
    _transaction(victim, AFTER, run)
    run.wrong += [f"afterwards: {each}" for each in victim.check(AFTER, before, withdrawn=withdrawn)]
    expected = {f"{name}.raw": f"{STORE}/{file_of(name, '3')}" for name in NAMES}
    if victim.links(AFTER) != expected:
        run.wrong.append(f"with good servers again: expected {expected}, found {victim.links(AFTER)}; {run.outcome}")
    run.wrong += told.wrong
    run.outcome, run.seconds = told_of_attack


def _url(server: Server, plan: Plan) -> str:
    """As the configuration has it."""
    return f"oci+{server.url}/images" if plan.registry else server.url


def _do_wrong(server: Server, folder: Path, world: World, random: Random, urls: Sequence[str]) -> list[str]:
    """Set some faults, and put some other bytes into files; what it was."""
    told = [f"other {wrong.swap(random, folder, world)}" for _ in range(random.choice((0, 0, 1, 2)))]
    for _ in range(random.choice((0, 1, 1, 2, 3, 4))):
        pattern, fault, times = wrong.setting(random, urls)
        server.fail(pattern, fault, times=times)
        told.append(f"{pattern} {fault!a:.200}{f' {times} times' if times else ''}")
    return told


def _transaction(victim: Victim, number: int, run: Run) -> Outcome | None:
    """Have the main job done for an open snapshot, with the plugins, sources and network of a real machine."""
    tree = victim.tree(number)
    started = time.monotonic()
    outcome: Outcome | None = None
    try:
        with time_limit(DEADLINE):
            outcome = Plugins().finalizing(Transaction(machine=victim.machine, path=tree, number=number))
    except TimeUp as error:
        run.wrong.append(f"snapshot {number}: no end: {error}")
    run.seconds = time.monotonic() - started
    if outcome is None:
        run.wrong.append(f"snapshot {number}: the main job came to no outcome")
        return None
    run.outcome = ", ".join(f"{image.name} {image.action}" for image in outcome.plan.images)
    return outcome


def _whole(victim: Victim, outcome: Outcome | None) -> Iterator[str]:
    """Old state or new state, for each image: it fits and is linked, or its update is refused, or it is left out."""
    links = victim.links(ATTACKED)
    if outcome is None:
        return
    for image in outcome.plan.images:
        if image.left_out in (LeftOut.FAULT, LeftOut.NOT_STORED):
            yield f"{image.name}: what a server does became a fault of ours: {image.reason}"
        linked = f"{image.name}.raw" in links
        if linked == (image.left_out is not None):
            yield f"{image.name}: linked is {linked}, but the plan says {image.left_out}"
        source = image.chosen.candidate.source if image.chosen is not None and image.chosen.candidate else ""
        if source == "third" and "main" in outcome.plan.unreachable:
            yield f"{image.name}: of the weaker source while the stronger one could not be asked"
        refuses = victim.was.policies[image.name] == "required" and not linked and image.in_use is not None
        if refuses != image.refuses:
            yield f"{image.name}: linked is {linked}, in use is {image.in_use}, refused is {image.refuses}"
        if not image.reason.isprintable():
            yield f"{image.name}: a reason that is not fit for a terminal: {image.reason!a}"
    if victim.level(ATTACKED) != NEW_LEVEL and links.get("gdb.raw") is None:
        yield "gdb fitted and was whole, and yet it is gone"
