# SPDX-License-Identifier: LGPL-2.1-or-later
"""What becomes of a file of the store: the rules of the collection, without a disk (threats C2, L14)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.records import record
from tukit_sysext.collect.decision import YOUNG, Decision, Disposition, Rules, decide
from tukit_sysext.store.image_store import StoreFile

NOW = 2_000_000_000
DAY = 86400
GRACE = 7 * DAY
NAME = "gdb-15.2.x86-64.raw"


def file(name: str = NAME, *, age: int = 100 * DAY, recorded: bool = True, irregular: str = "") -> StoreFile:
    return StoreFile(
        file_name=name,
        size=1,
        born=NOW - age,
        record=record(file_name=name) if recorded else None,
        irregular=irregular,
    )


def decision(
    file: StoreFile,
    before: tuple[int, int] | None = None,
    *,
    needed_by: Sequence[str] = (),
    now: int = NOW,
    at_once: bool = False,
    unknown_origin: bool = False,
    grace: int = GRACE,
) -> Decision:
    rules = Rules(now=now, grace=grace, at_once=at_once, unknown_origin=unknown_origin)
    known = {file.file_name: before} if before is not None else {}
    (decided,) = decide([file], {file.file_name: needed_by}, known, rules)
    return decided


LONG_AGO = (NOW - 30 * DAY, 1)


def test_what_is_needed_stays_whatever_was_before() -> None:
    decided = decision(file(), LONG_AGO, needed_by=["snapshot 1"], at_once=True)
    assert (decided.disposition, decided.needed_by, decided.since) == (Disposition.NEEDED, ("snapshot 1",), None)


def test_the_first_run_never_deletes() -> None:
    decided = decision(file())
    assert (decided.disposition, decided.since, decided.runs) == (Disposition.WAITS, NOW, 1)
    assert decided.goes_at == NOW + GRACE
    assert decision(file(), grace=0).disposition is Disposition.WAITS


def test_two_runs_and_the_grace_time() -> None:
    assert decision(file(), (NOW - GRACE + 1, 1)).disposition is Disposition.WAITS
    assert decision(file(), (NOW - GRACE, 1)).disposition is Disposition.GOES
    assert decision(file(), (NOW - GRACE, 0)).disposition is Disposition.WAITS, "age alone deletes nothing"


def test_a_young_file_stays() -> None:
    """It was published since the first run, under a name that nothing needed before."""
    decided = decision(file(age=2 * GRACE), LONG_AGO)
    assert (decided.disposition, decided.since, decided.runs) == (Disposition.WAITS, NOW, 1)
    assert decision(file(age=30 * DAY), LONG_AGO).disposition is Disposition.GOES


@pytest.mark.parametrize("ahead", [1, DAY, 50 * 365 * DAY])
def test_a_clock_that_went_back_makes_no_age(ahead: int) -> None:
    assert decision(file(), (NOW + ahead, 1)).since == NOW
    assert decision(file(), (NOW + ahead, 1)).disposition is Disposition.WAITS
    assert decision(file(age=-ahead), LONG_AGO).disposition is Disposition.WAITS
    assert decision(file(age=-ahead), LONG_AGO).goes_at == NOW + GRACE


def test_where_room_is_lacking_it_goes_at_once_but_for_what_is_young() -> None:
    assert decision(file(), at_once=True).disposition is Disposition.GOES
    assert decision(file(age=YOUNG - 1), at_once=True).disposition is Disposition.WAITS


@pytest.mark.parametrize("irregular", ["a symbolic link", "not a regular file", "owned by user 5, not by root"])
def test_what_is_no_file_of_ours_stays(irregular: str) -> None:
    decided = decision(file(irregular=irregular), LONG_AGO)
    assert (decided.disposition, irregular in decided.reason) == (Disposition.STAYS, True)


@pytest.mark.parametrize("name", ["README", "SHA256SUMS", ".keep", ".old.backup", "a b.raw", "gdb.raw.part", "..raw"])
def test_what_has_no_name_of_an_image_stays(name: str) -> None:
    assert decision(file(name, recorded=False), LONG_AGO).disposition is Disposition.STAYS


@pytest.mark.parametrize(
    "name", [".tukit-sysext.gdb-1.raw.77", ".gdb-1.x86-64.raw.Ab12cD", ".gdb-1.x86-64.raw.json.Ab12cD"]
)
def test_leftovers_go_like_images(name: str) -> None:
    assert decision(file(name, recorded=False), LONG_AGO).disposition is Disposition.GOES
    assert decision(file(name, recorded=False, age=DAY), LONG_AGO).disposition is Disposition.WAITS
    assert decision(file(name, recorded=False), LONG_AGO, needed_by=["snapshot 1"]).disposition is Disposition.NEEDED


def test_a_leftover_whose_name_is_no_text_goes_too() -> None:
    """The ledger has such a name in its own spelling."""
    rules = Rules(now=NOW, grace=GRACE)
    item = file(".\udcff.raw.Ab12cD", recorded=False)
    assert decide([item], {}, {".\\udcff.raw.Ab12cD": LONG_AGO}, rules)[0].disposition is Disposition.GOES


def test_of_unknown_origin_it_goes_only_where_that_is_asked_for() -> None:
    assert decision(file(recorded=False), LONG_AGO).disposition is Disposition.UNKNOWN_ORIGIN
    assert decision(file(recorded=False), LONG_AGO, at_once=True).disposition is Disposition.UNKNOWN_ORIGIN
    assert decision(file(recorded=False), LONG_AGO, unknown_origin=True).disposition is Disposition.GOES
    assert decision(file(recorded=False), unknown_origin=True).disposition is Disposition.WAITS


def test_of_unknown_origin_no_time_is_promised_at_which_it_goes() -> None:
    """After a purge all images are: their content tells later that they stay."""
    waiting = decision(file(recorded=False))
    assert (waiting.disposition, waiting.goes_at) == (Disposition.WAITS, None)
    assert "a good image stays; gc --unknown-origin collects it" in waiting.reason
    assert decision(file(recorded=False), LONG_AGO).goes_at is None
    assert decision(file(recorded=False), unknown_origin=True).goes_at == NOW + GRACE
