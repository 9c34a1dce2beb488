# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a discarded snapshot left behind: tukit copies its /etc over that of the snapshot that it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tukit_sysext.ledger.ledger import LedgerEvent, LedgerSnapshot
from tukit_sysext.ledger.rows import images_of
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import time_text
from tukit_sysext.rules.names import shown_version
from tukit_sysext.snapshots.snapper import Scan
from tukit_sysext.update.outcome import ChangeKind


def copied(machine: Machine, scan: Scan, number: int, known: Sequence[LedgerSnapshot]) -> Iterator[LedgerEvent]:
    """The links that other snapshots have by now as the discarded one had them, and did not have before."""
    discarded = next((dict(row.images) for row in reversed(known) if row.number == number), None)
    if discarded is None:
        return
    before = {row.key: dict(row.images) for row in known if row.gone is None and row.number != number}
    for snapshot in scan.snapshots:
        if snapshot.key not in before or snapshot.content is None:
            continue
        old, new = before[snapshot.key], dict(images_of(snapshot.content))
        for link in sorted(old.keys() | new.keys()):
            if old.get(link) != new.get(link) and new.get(link) == discarded.get(link):
                kind, image, what = _difference(machine, link, old.get(link), new.get(link))
                yield LedgerEvent(
                    time=time_text(),
                    kind=kind,
                    snapshot=snapshot.number,
                    image=image,
                    detail=f"{image}: {what} by the /etc of snapshot {number}, which was discarded",
                    uuid=snapshot.subvolume.uuid,
                )


def _difference(machine: Machine, link: str, old: str | None, new: str | None) -> tuple[ChangeKind, str, str]:
    """What became of a link into the store: the kind of change, the image, and a text."""
    store = machine.store(writable=False)
    versions, name = list[str](), link.removesuffix(".raw")
    for file in filter(None, (old, new)):
        stored = store.look(file)
        name = stored.name or name
        versions.append(shown_version(stored.version, file))
    if old is None:
        return ChangeKind.LINKED, name, f"{versions[0]} added"
    if new is None:
        return ChangeKind.REMOVED, name, f"{versions[0]} removed"
    return ChangeKind.REPLACED, name, " -> ".join(versions)
