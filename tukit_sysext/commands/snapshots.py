# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext snapshots``: the images of every snapshot, as the disk has them."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from tukit_sysext.commands.output import print_json, table
from tukit_sysext.job.options import image_name, image_version
from tukit_sysext.machine import Machine
from tukit_sysext.state.links import Entry
from tukit_sysext.state.snapshots import Snapshot, scan
from tukit_sysext.state.store import Condition, Store
from tukit_sysext.system.system_release import label


def run(machine: Machine, arguments: argparse.Namespace) -> int:
    """Print all snapshots. 0, or 1 where there is something that could not be read."""
    found = scan(machine.layout, machine.subvolumes)
    store = machine.store(writable=False)
    if arguments.json:
        print_json({"snapshots": [document(snapshot, store) for snapshot in found.snapshots], "unknown": found.unknown})
    else:
        rows = (
            (mark(snapshot), _day(snapshot), label(snapshot.release), _images(snapshot, store))
            for snapshot in found.snapshots
        )
        for line in table(("#", "Date", "System", "Images"), rows):
            print(line)
        print("\n* boots next, - running, o open transaction" if found.snapshots else "No snapshot was found.")
        for unknown in found.unknown:
            print(f"tukit-sysext: not known: {unknown}", file=sys.stderr)
    return 1 if found.unknown and not found.snapshots else 0


def document(snapshot: Snapshot, store: Store) -> dict[str, Any]:
    """One snapshot for ``--json``."""
    return {
        "number": snapshot.number,
        "uuid": snapshot.subvolume.uuid,
        "date": snapshot.date or None,
        "description": snapshot.description,
        "system": label(snapshot.release),
        "read_only": snapshot.subvolume.read_only,
        "default": snapshot.default,
        "running": snapshot.running,
        "open": snapshot.open,
        "images": None if snapshot.entries is None else [image(entry, store) for entry in snapshot.entries],
        "unknown": snapshot.unknown or None,
    }


def image(entry: Entry, store: Store) -> dict[str, Any]:
    """One entry of a snapshot's /etc/extensions for ``--json``."""
    if entry.image is None:
        return {"link": entry.name, "kind": entry.kind, "target": entry.target, "image": None}
    stored = store.look(entry.image)
    return {
        "link": entry.name,
        "kind": entry.kind,
        "target": entry.target,
        "image": image_name(stored),
        "version": image_version(stored),
        "file": entry.image,
        "condition": stored.condition,
        "source": stored.record.source if stored.record is not None else None,
        "url": stored.record.url if stored.record is not None else None,
    }


def mark(snapshot: Snapshot) -> str:
    """The number with marks: boots next, running, open."""
    marks = ("*" if snapshot.default else "", "-" if snapshot.running else "", "o" if snapshot.open else "")
    return f"{snapshot.number}{''.join(marks)}"


def _day(snapshot: Snapshot) -> str:
    return snapshot.date[:16] or "-"


def _images(snapshot: Snapshot, store: Store) -> str:
    if snapshot.entries is None:
        return f"not known: {snapshot.unknown}"
    return ", ".join(shown(entry, store) for entry in snapshot.entries) or "-"


def shown(entry: Entry, store: Store) -> str:
    """One entry in a few words."""
    if entry.image is None:
        return f"{entry.name} (not ours)"
    stored = store.look(entry.image)
    name = image_name(stored) or entry.name
    worth = "" if stored.condition is Condition.WHOLE else f" ({stored.condition})"
    return f"{name} {image_version(stored)}{worth}"
