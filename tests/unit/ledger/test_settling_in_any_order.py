# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever part of the events arrives, however often and in whatever order: the ledger is what the disk is (C8)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.machine import snapper_info
from tests.trees import Link, make_tree
from tests.unit.ledger.samples import WITH_A
from tests.unit.ledger.settling_site import Site
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.snapshots import snapper


class Model:
    """A machine to which things happen, and the events that a perfect snapper and tukit would tell of them."""

    def __init__(self, root: Path) -> None:
        self.site = Site(root)
        self.site.snapshot(1)
        self.site.choose(1)
        self.site.settle()
        self.events: list[tuple[str, str]] = []
        self.default = 1
        self.links = 0

    def do(self, what: str, number: int) -> None:
        there = self.site.tree(number).exists()
        if what in ("create", "open") and not there:
            self.site.snapshot(number, WITH_A, info=snapper_info(number, in_progress=what == "open"))
            self.events += [
                ("snapper", f"{stage} / btrfs {number}") for stage in ("create-snapshot", "create-snapshot-post")
            ]
            self.events += [("tukit", f"keep-post {number}")] if what == "open" else []
        elif what == "close" and there:
            self.site.close(number)
            self.events += [("snapper", f"modify-snapshot-post / btrfs {number}"), ("tukit", f"finalize-post {number}")]
        elif what == "default" and there:
            self.site.choose(number)
            self.default = number
            self.events += [("snapper", f"set-default-snapshot-post / btrfs {number}")]
            self.events += [("snapper", f"rollback-post / btrfs 1 {number}")]
        elif what == "delete" and there and number != self.default:
            self.site.delete(number)
            self.events += [("snapper", f"delete-snapshot-post / btrfs {number}"), ("tukit", f"abort-post {number}")]
        elif what == "link" and there:
            self.links += 1
            name = f"etc/extensions/b{self.links}.raw"
            make_tree(self.site.tree(number), {name: Link("/var/lib/sysext-store/b")})

    def state(self) -> tuple[object, ...]:
        """What the ledger knows of what is there."""
        with Ledger(self.site.layout.ledger) as ledger:
            rows = [row for row in ledger.snapshots() if row.gone is None]
            return sorted((row.number, row.uuid, row.state, row.images) for row in rows), ledger.recall("default")

    def disk(self) -> tuple[object, ...]:
        scan = snapper.scan(self.site.layout, self.site.subvolumes)
        assert scan.unknown == ()
        default = next(each for each in scan.snapshots if each.default)
        return (
            sorted(
                (
                    each.number,
                    each.subvolume.uuid,
                    "open" if each.open else "closed",
                    tuple((entry.name, entry.image) for entry in each.entries or ()),
                )
                for each in scan.snapshots
            ),
            f"{default.number} {default.subvolume.uuid}",
        )


_STEP = st.tuples(
    st.sampled_from(["create", "open", "close", "default", "delete", "link", "settle"]), st.integers(2, 5)
)


@settings(max_examples=40)
@given(steps=st.lists(_STEP, max_size=15), data=st.data())
def test_any_order_twice_or_never(steps: Sequence[tuple[str, int]], data: st.DataObject) -> None:
    """C8: whatever part of the events arrives, however often and in whatever order: the ledger is what the disk is."""
    with tempfile.TemporaryDirectory() as folder:
        model = Model(Path(folder))
        seen: set[tuple[int, str]] = set()

        def deliver() -> None:
            events = data.draw(st.lists(st.sampled_from(model.events), max_size=8)) if model.events else []
            for event in events:
                model.site.spool(*event)
            model.site.settle()
            assert model.state() == model.disk()
            with Ledger(model.site.layout.ledger) as ledger:
                rows = ledger.snapshots()
            assert {(row.number, row.uuid) for row in rows} >= seen, "what was seen once is remembered"
            seen.update((row.number, row.uuid) for row in rows)
            assert len({(row.number, row.uuid) for row in rows}) == len(rows)

        for what, number in steps:
            if what == "settle":
                deliver()
            else:
                model.do(what, number)
        deliver()
        assert model.site.settle() == [], "what is settled is settled"
        with Ledger(model.site.layout.ledger) as ledger:
            known = [(event.kind, event.snapshot, event.uuid) for event in ledger.events() if event.uuid is not None]
        told_once = [entry for entry in known if entry[0] in ("snapshot created", "snapshot deleted")]
        assert len(set(told_once)) == len(told_once)
