# SPDX-License-Identifier: LGPL-2.1-or-later
"""The trees that a command acts on: the running system, the one that boots next, a snapshot, any root.

What every change of one outside a transaction observes: it can be made there, and is not interrupted halfway.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tukit_sysext.errors import NeedsRoot, OutsideTree, TukitSysextError, UnknownState
from tukit_sysext.layout import EXTENSIONS, Layout
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.overlay import read_overlaid
from tukit_sysext.snapshots.snapper import Scan, scan_in_use
from tukit_sysext.snapshots.snapshot import Snapshot
from tukit_sysext.system.tree import Tree

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One tree, and the machine whose store and records its links lead to.

    ``snapshot`` is None where the tree is none (or not known to be one), ``running`` tells the running system,
    ``next`` what boots next.
    """

    machine: Machine
    path: Path
    snapshot: Snapshot | None = None
    running: bool = False
    next: bool = False

    def __str__(self) -> str:
        if self.running:
            return "the running system"
        if self.snapshot is None:
            return str(self.path)
        return f"snapshot {self.snapshot.number}" + (" (boots next)" if self.next else "")


def running_and_next(machine: Machine) -> tuple[Target, ...]:
    """The running system and, where another snapshot boots next, that one.

    A machine without snapshots (an image build, a container) has its running tree alone. Raises TukitSysextError where
    what boots next cannot be told: a change of the running system alone would be lost with the reboot.
    """
    layout = machine.layout
    if not layout.snapshots.is_dir():
        return (Target(machine=machine, path=layout.root, running=True, next=True),)
    snapshots = scan_in_use(layout, machine.subvolumes)
    running, default = snapshots.running, snapshots.default
    if default is None and running is None and snapshots.unknown:
        log.warning("what boots next is not known: %s", "; ".join(snapshots.unknown))
    same = default is None or (running is not None and default.number == running.number)
    trees = [Target(machine=machine, path=layout.root, snapshot=running, running=True, next=same)]
    if default is not None and not same:
        trees.append(Target(machine=machine, path=default.path, snapshot=default, next=True))
    return tuple(trees)


def open_transactions(machine: Machine) -> tuple[int, ...]:
    """Snapshots that a transaction has open: nobody else changes them. Not what a killed one left before the boot."""
    if not machine.layout.snapshots.is_dir():
        return ()
    snapshots = scan_in_use(machine.layout, machine.subvolumes, releases=False).snapshots
    in_use = (each for each in snapshots if each.open and not each.left)
    return tuple(each.number for each in in_use if not each.running and not each.default)


def is_only_tree(machine: Machine) -> bool:
    """Whether no other tree of the machine lives at the same time: none boots next, and none is being made."""
    if not machine.layout.snapshots.is_dir():
        return True
    snapshots = scan_in_use(machine.layout, machine.subvolumes, releases=False)
    default, others = snapshots.default, (each for each in snapshots.snapshots if not each.running)
    return default is not None and default.running and not any(each.open and not each.left for each in others)


def of_snapshot(machine: Machine, number: int) -> Target:
    """The tree of a snapshot. Raises as :func:`snapshot_of`."""
    there = scan_in_use(machine.layout, machine.subvolumes, also=lambda each, _: each == number)
    snapshot = snapshot_of(machine, there, number)
    path = machine.layout.root if snapshot.running else snapshot.path
    return Target(machine=machine, path=path, snapshot=snapshot, running=snapshot.running, next=snapshot.default)


def snapshot_of(machine: Machine, snapshots: Scan, number: int) -> Snapshot:
    """The snapshot of a number.

    Raises NeedsRoot, or UnknownState, where it may be there but cannot be read, TukitSysextError where there is none.
    """
    snapshot = snapshots.get(number)
    if snapshot is not None:
        return snapshot
    # one that cannot be read is named by its number; without any nothing is known of this one
    named = f"snapshot {number}: "
    unknown = [reason for reason in snapshots.unknown if not snapshots.numbers or reason.startswith(named)]
    if unknown:
        kind = UnknownState if machine.privileged else NeedsRoot
        raise kind(f"snapshot {number}: whether it is there is not known: {'; '.join(unknown)}")
    there = ", ".join(map(str, snapshots.numbers)) or "none"
    raise TukitSysextError(
        f"snapshot {number}: expected one that is there, found {there}", next_step="tukit-sysext snapshots"
    )


def of_root(machine: Machine, path: Path) -> Target:
    """The tree below a directory.

    Where that is the running system, or one of its snapshots (wherever it is mounted, as tukit does), the store is that
    of this machine; any other root has a store of its own, as in an image build. Raises TukitSysextError.
    """
    if not path.is_dir():
        raise TukitSysextError(f"{path}: expected the root directory of a tree, found none")
    if path.samefile(machine.layout.root):
        return running_and_next(machine)[0]
    subvolume = None
    try:
        subvolume = machine.subvolumes.find(path)
    except OSError as error:
        log.info("%s: whether it is a snapshot cannot be told: %s", path, error)
    if subvolume is not None:
        uuid = subvolume.uuid
        there = scan_in_use(machine.layout, machine.subvolumes, also=lambda _, each: each.uuid == uuid)
        for snapshot in there.snapshots:
            if snapshot.subvolume.uuid == uuid:
                return Target(machine=machine, path=path, snapshot=snapshot, next=snapshot.default)
    own = replace(machine, layout=Layout(root=path))
    return Target(machine=own, path=path)


def obstacle(machine: Machine, tree: Tree, *, called: str, running: bool, open_: bool) -> str:
    """Why a tree cannot be changed; empty where it can.

    ``called`` is how the tree is named, ``running`` tells the running system (an /etc that is an overlay is mounted
    there), ``open_`` a transaction that is not closed yet. An ordinary user cannot write anywhere: in a dry run only
    the rest is asked.
    """
    if open_:
        return "a transaction has the tree open, which links what fits when it is closed"
    try:
        if not running and read_overlaid(tree, machine.layout) is not None:
            return "the tree's /etc is an overlay, whose links are not changed from here"
        tree.expect_own_etc()
        descriptor = tree.directory(EXTENSIONS) or tree.directory("etc")
    except (OutsideTree, UnknownState) as error:
        return str(error)
    if descriptor is None:
        return f"{tree.path}/etc is not there"
    try:
        writable = not machine.privileged or os.access(f"/proc/self/fd/{descriptor}", os.W_OK)
    finally:
        os.close(descriptor)
    return "" if writable else f"{called} is read-only, so that its link cannot be changed"


def check_changeable(target: Target, tree: Tree) -> None:
    """Raises TukitSysextError where the tree cannot be changed, as a dry run says too."""
    tree.expect_own_etc()
    snapshot = target.snapshot
    # the running system is no transaction, whatever its snapshot's userdata says
    open_ = snapshot is not None and snapshot.open and not target.running
    why = obstacle(target.machine, tree, called=str(target), running=target.running, open_=open_)
    if not why:
        return
    next_step = "try it after the reboot"
    if open_ and snapshot is not None:
        next_step = f"change it within the transaction, or after:\ntukit close {snapshot.number}"
        if snapshot.left:
            next_step = f"to remove what a killed transaction left:\ntukit abort {snapshot.number}"
    elif snapshot is not None and snapshot.subvolume.read_only and not target.next:
        next_step = f"snapper modify --read-write {snapshot.number}"
    raise TukitSysextError(f"{target} cannot be changed: {why}", next_step=next_step)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back SIGINT, SIGTERM and SIGHUP until this is over: none of it takes long."""
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
