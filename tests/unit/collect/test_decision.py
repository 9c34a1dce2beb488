# SPDX-License-Identifier: LGPL-2.1-or-later
"""What becomes of a file of the store: the rules of the collection, without a disk (threats C2, L14)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.unit.ledger.samples import record
from tukit_sysext.collect.decision import YOUNG, Fate, Judged, Rules, judge
from tukit_sysext.store.image_store import Kept

NOW = 2_000_000_000
DAY = 86400
GRACE = 7 * DAY
NAME = "gdb-15.2.x86-64.raw"


def kept(name: str = NAME, *, age: int = 100 * DAY, recorded: bool = True, irregular: str = "") -> Kept:
    return Kept(
        file_name=name,
        size=1,
        born=NOW - age,
        record=record(file_name=name) if recorded else None,
        irregular=irregular,
    )


def fate(
    item: Kept,
    before: tuple[int, int] | None = None,
    *,
    needed_by: Sequence[str] = (),
    now: int = NOW,
    lacking_room: bool = False,
    unknown_origin: bool = False,
    grace: int = GRACE,
) -> Judged:
    rules = Rules(now=now, grace=grace, lacking_room=lacking_room, unknown_origin=unknown_origin)
    known = {item.file_name: before} if before is not None else {}
    (judged,) = judge([item], {item.file_name: needed_by}, known, rules)
    return judged


LONG_AGO = (NOW - 30 * DAY, 1)


def test_what_is_needed_stays_whatever_was_before() -> None:
    judged = fate(kept(), LONG_AGO, needed_by=["snapshot 1"], lacking_room=True)
    assert (judged.fate, judged.needed_by, judged.since) == (Fate.NEEDED, ("snapshot 1",), None)


def test_the_first_run_never_deletes() -> None:
    judged = fate(kept())
    assert (judged.fate, judged.since, judged.runs, judged.goes_at) == (Fate.WAITS, NOW, 1, NOW + GRACE)
    assert fate(kept(), grace=0).fate is Fate.WAITS


def test_two_runs_and_the_grace_time() -> None:
    assert fate(kept(), (NOW - GRACE + 1, 1)).fate is Fate.WAITS
    assert fate(kept(), (NOW - GRACE, 1)).fate is Fate.GOES
    assert fate(kept(), (NOW - GRACE, 0)).fate is Fate.WAITS, "age alone deletes nothing"


def test_a_young_file_stays() -> None:
    """It was published since the first run, under a name that nothing needed before."""
    judged = fate(kept(age=2 * GRACE), LONG_AGO)
    assert (judged.fate, judged.since, judged.runs) == (Fate.WAITS, NOW, 1)
    assert fate(kept(age=30 * DAY), LONG_AGO).fate is Fate.GOES


@pytest.mark.parametrize("ahead", [1, DAY, 50 * 365 * DAY])
def test_a_clock_that_went_back_makes_no_age(ahead: int) -> None:
    assert fate(kept(), (NOW + ahead, 1)).since == NOW
    assert fate(kept(), (NOW + ahead, 1)).fate is Fate.WAITS
    assert fate(kept(age=-ahead), LONG_AGO).fate is Fate.WAITS
    assert fate(kept(age=-ahead), LONG_AGO).goes_at == NOW + GRACE


def test_where_room_is_lacking_it_goes_at_once_but_for_what_is_young() -> None:
    assert fate(kept(), lacking_room=True).fate is Fate.GOES
    assert fate(kept(age=YOUNG - 1), lacking_room=True).fate is Fate.WAITS


@pytest.mark.parametrize("irregular", ["a symbolic link", "not a regular file", "owned by user 5, not by root"])
def test_what_is_no_file_of_ours_stays(irregular: str) -> None:
    judged = fate(kept(irregular=irregular), LONG_AGO)
    assert (judged.fate, irregular in judged.reason) == (Fate.STAYS, True)


@pytest.mark.parametrize("name", ["README", "SHA256SUMS", ".keep", ".old.backup", "a b.raw", "gdb.raw.part", "..raw"])
def test_what_has_no_name_of_an_image_stays(name: str) -> None:
    assert fate(kept(name, recorded=False), LONG_AGO).fate is Fate.STAYS


@pytest.mark.parametrize(
    "name", [".tukit-sysext.gdb-1.raw.77", ".gdb-1.x86-64.raw.Ab12cD", ".gdb-1.x86-64.raw.json.Ab12cD"]
)
def test_leftovers_go_like_images(name: str) -> None:
    assert fate(kept(name, recorded=False), LONG_AGO).fate is Fate.GOES
    assert fate(kept(name, recorded=False, age=DAY), LONG_AGO).fate is Fate.WAITS
    assert fate(kept(name, recorded=False), LONG_AGO, needed_by=["snapshot 1"]).fate is Fate.NEEDED


def test_a_leftover_whose_name_is_no_text_goes_too() -> None:
    """The ledger has such a name in its own spelling."""
    rules = Rules(now=NOW, grace=GRACE)
    item = kept(".\udcff.raw.Ab12cD", recorded=False)
    assert judge([item], {}, {".\\udcff.raw.Ab12cD": LONG_AGO}, rules)[0].fate is Fate.GOES


def test_of_unknown_origin_it_goes_only_where_that_is_asked_for() -> None:
    assert fate(kept(recorded=False), LONG_AGO).fate is Fate.UNKNOWN_ORIGIN
    assert fate(kept(recorded=False), LONG_AGO, lacking_room=True).fate is Fate.UNKNOWN_ORIGIN
    assert fate(kept(recorded=False), LONG_AGO, unknown_origin=True).fate is Fate.GOES
    assert fate(kept(recorded=False), unknown_origin=True).fate is Fate.WAITS
