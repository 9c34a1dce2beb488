# SPDX-License-Identifier: LGPL-2.1-or-later
"""What becomes of each file of the store: the decision of the collection. Pure.

Rules, in this order:

1. what a root needs stays
2. what is no regular file of ours, or has a name that no image has, stays and is reported
3. the rest goes after it was needed by nothing in two runs, and for the grace time since the first of them; what was
   seen before it came here was another file, and a clock that went back makes no negative age
4. where room is lacking, what has been here for an hour goes at once
5. an image of unknown origin goes only where systemd could not use it either, or where it is asked for
6. where a place could not be looked at nothing goes, and no time is told at which it will
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tukit_sysext.ledger.rows import clean
from tukit_sysext.rules.names import NameRefused, check_component
from tukit_sysext.store.image_store import Kept
from tukit_sysext.system.durable import TEMPORARY_PREFIX

RUNS = 2
"""In how many runs an image has to be needed by nothing."""

YOUNG = 3600
"""Seconds for which a file stays in any case: a transaction may be about to link it."""

_LEFT = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}.+|\..+\.raw(\.[a-z]+)?\.[A-Za-z0-9]{{6}}", re.DOTALL)
"""What killed processes left behind: ours, and sysextmgr's ``.NAME.XXXXXX`` of images and what it keeps beside them."""

_IMAGE = ".raw"


class Fate(StrEnum):
    """What becomes of a file."""

    NEEDED = "needed"
    WAITS = "waits"
    GOES = "goes"
    STAYS = "stays"
    UNKNOWN_ORIGIN = "of unknown origin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A file with its fate, the reason in words, and the places that need it.

    ``since`` (seconds since the epoch) and ``runs`` tell for how long nothing needed it; None and 0 where something
    does. ``goes_at`` is the earliest time at which it can go, None where it does not go by itself.
    """

    kept: Kept
    fate: Fate
    reason: str = ""
    needed_by: tuple[str, ...] = ()
    since: int | None = None
    runs: int = 0
    goes_at: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What holds for this run: ``now`` in seconds since the epoch, ``grace`` in seconds.

    ``lacking_room`` does without the grace time, with ``unknown_origin`` images without a record go too. ``doubtful``:
    not every place is known that may need an image.
    """

    now: int
    grace: int
    lacking_room: bool = False
    unknown_origin: bool = False
    doubtful: bool = False


def judge(
    files: Iterable[Kept],
    roots: Mapping[str, Sequence[str]],
    before: Mapping[str, tuple[int, int]],
    rules: Rules,
) -> tuple[Judged, ...]:
    """The fate of all files.

    ``before`` has since when and in how many runs files were needed by nothing, by their names as the ledger has them.
    """
    return tuple(
        _judge(kept, roots.get(kept.file_name, ()), before.get(clean(kept.file_name)), rules) for kept in files
    )


def _judge(kept: Kept, needed_by: Sequence[str], before: tuple[int, int] | None, rules: Rules) -> Judged:
    if needed_by:
        return Judged(kept=kept, fate=Fate.NEEDED, needed_by=tuple(needed_by))
    left = _LEFT.fullmatch(kept.file_name) is not None
    if kept.irregular:
        return Judged(kept=kept, fate=Fate.STAYS, reason=f"{kept.irregular}, which no image is")
    if not (left or kept.record is not None or _is_image_name(kept.file_name)):
        return Judged(kept=kept, fate=Fate.STAYS, reason="no name of an image")
    if rules.doubtful:
        return _doubtful(kept, before, rules, left=left)
    since, runs = before if before is not None else (rules.now, 0)
    born = min(kept.born, rules.now)
    if since < born:
        since, runs = rules.now, 0  # another file had the name then
    since, runs = min(since, rules.now), min(runs + 1, RUNS)
    goes_at = since + rules.grace
    if rules.lacking_room:
        goes_at = min(goes_at, born + YOUNG)
    over = rules.now >= goes_at and (runs >= RUNS or rules.lacking_room)
    fate, reason = (Fate.GOES if over else Fate.WAITS), _reason(kept, left=left)
    if over and kept.record is None and not left and not rules.unknown_origin:
        fate = Fate.UNKNOWN_ORIGIN
    return Judged(kept=kept, fate=fate, reason=reason, since=since, runs=runs, goes_at=goes_at)


def _doubtful(kept: Kept, before: tuple[int, int] | None, rules: Rules, *, left: bool) -> Judged:
    """It waits, and for as long as was known before: nothing begins on the word of an incomplete look."""
    known = before if before is not None and before[0] >= min(kept.born, rules.now) else (None, 0)
    reason = _reason(kept, left=left, nothing="nothing that is known")
    return Judged(kept=kept, fate=Fate.WAITS, reason=reason, since=known[0], runs=known[1])


def _is_image_name(name: str) -> bool:
    try:
        return check_component(name).endswith(_IMAGE)
    except NameRefused:
        return False


def _reason(kept: Kept, *, left: bool, nothing: str = "nothing") -> str:
    if kept.missing:
        return f"{nothing} needs it; of its file only the record is left"
    if left:
        return "left behind by a process that was killed"
    return f"{nothing} needs it" if kept.record is not None else f"{nothing} needs it; there is no record of it"
