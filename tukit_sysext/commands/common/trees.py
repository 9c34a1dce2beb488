# SPDX-License-Identifier: LGPL-2.1-or-later
"""The trees that a command acts on, one such command after the other; how trees are shown."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.snapshots.entries import Entry
from tukit_sysext.snapshots.fitting import TreeFacts
from tukit_sysext.snapshots.snapper import Scan
from tukit_sysext.snapshots.snapshot import Snapshot
from tukit_sysext.snapshots.targets import Target, of_root, of_snapshot, open_transactions, running_and_next
from tukit_sysext.store.image_store import Stored
from tukit_sysext.system.lock import queued
from tukit_sysext.terminal.output import Output

LEFT = "left by a transaction that was killed"
"""Why a tree still shows, whose transaction nobody will close."""


def acting(machine: Machine, arguments: argparse.Namespace) -> tuple[Target, ...]:
    """The trees that a command changes: the one that is named, else the running one and what boots next."""
    if arguments.root is not None or arguments.snapshot is not None:
        return (looked_at(machine, arguments),)
    return running_and_next(machine)


def looked_at(machine: Machine, arguments: argparse.Namespace) -> Target:
    """The tree that a command tells of: the one that is named, else the running one."""
    if arguments.root is not None:
        return of_root(machine, arguments.root)
    if arguments.snapshot is not None:
        return of_snapshot(machine, arguments.snapshot)
    return running_and_next(machine)[0]


def tell_open_transactions(machine: Machine, arguments: argparse.Namespace, output: Output) -> None:
    """Say that a transaction goes on, whose tree has its own /etc: what was changed may not be in it."""
    named = getattr(arguments, "root", None) is not None or getattr(arguments, "snapshot", None) is not None
    if not arguments.dry_run and not named:
        for number in open_transactions(machine):
            output.warn(
                f"snapshot {number} is open in a transaction and was not changed; once that is over, run it again",
                next_step=arguments.typed,
            )


def target_in(machine: Machine, snapshots: Scan, snapshot: Snapshot | None) -> Target:
    """The tree of a snapshot; the running system where that is None, as its snapshot is not known."""
    running = snapshot is None or snapshot.running
    boots_next = snapshot is not None and snapshot.default
    return Target(
        machine=machine,
        path=machine.layout.root if snapshot is None or running else snapshot.path,
        snapshot=snapshot,
        running=running,
        next=boots_next or (running and snapshots.default is None),
    )


def tree_document(target: Target) -> dict[str, Any]:
    """Which tree it is, for ``--json``."""
    return {
        "path": str(target.path),
        "snapshot": target.snapshot.number if target.snapshot is not None else None,
        "running": target.running,
        "boots_next": target.next,
    }


def host_document(tree: TreeFacts) -> dict[str, str | None]:
    """What images are compared with, for ``--json``."""
    release = tree.release or ReleaseData()
    return {
        "id": release.get("ID"),
        "version_id": release.get("VERSION_ID"),
        "sysext_level": release.get("SYSEXT_LEVEL"),
        "architecture": tree.architecture,
        "systemd": str(tree.systemd) if tree.systemd is not None else None,
    }


Run = Callable[[Machine, argparse.Namespace], ExitStatus]


def alone(run: Run) -> Run:
    """The ``run`` of a command, which waits for another one that it could come across, but for a dry run."""

    @wraps(run)
    def guarded(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
        if getattr(arguments, "dry_run", True) or not machine.privileged:
            return run(machine, arguments)
        waiting = _keep_silent if getattr(arguments, "quiet", False) else _tell
        with queued(machine.layout.changes_lock, waiting):
            return run(machine, arguments)

    return guarded


def _tell(holder: str) -> None:
    print(f"tukit-sysext: waiting for another command that changes images: {holder}", file=sys.stderr, flush=True)


def _keep_silent(_: str) -> None:
    pass


Look = Callable[[str], Stored]
"""Looks at a file of the store."""


def entry_document(entry: Entry, look: Look) -> dict[str, Any]:
    """One entry of a snapshot's /etc/extensions for ``--json``."""
    stored = look(entry.image) if entry.image is not None else None
    record = stored.record if stored is not None else None
    version = stored.version if stored is not None else "?"
    return {
        "link": entry.name,
        "folder": f"/{entry.folder}",
        "kind": entry.kind,
        "target": entry.target,
        "image": stored.name if stored is not None else None,
        "version": None if version == "?" else version,
        "shown": stored.shown if stored is not None and version != "?" else None,
        "file": entry.image,
        "sha256": record.sha256 if record is not None else None,
        "condition": stored.condition if stored is not None else None,
        "source": record.source if record is not None else None,
        "url": record.url if record is not None else None,
    }
