# SPDX-License-Identifier: LGPL-2.1-or-later
"""What becomes of each file of the store: the decision of the collection. Pure.

Rules, in this order:

1. what a root needs stays
2. what is no regular file of ours, or has a name that no image has, stays and is reported
3. the rest goes after it was needed by nothing in two runs, and for the grace time since the first of them; what was
   seen before it came here was another file, and a clock that went back makes no negative age
4. where room is lacking, or it is asked for, what has been here for an hour goes at once
5. an image of unknown origin goes only where systemd could not use it either, or where it is asked for
6. where a place could not be looked at nothing goes, and it is not said when it will
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tukit_sysext.ledger.rows import clean
from tukit_sysext.rules.names import NameRefused, check_component
from tukit_sysext.snapshots.entries import is_lock
from tukit_sysext.store.image_store import StoreFile
from tukit_sysext.system.durable import TEMPORARY_PREFIX

RUNS = 2
"""In how many runs an image has to be needed by nothing."""

YOUNG = 3600
"""Seconds for which a file stays in any case: a transaction may be about to link it."""

_LEFT = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}.+|\..+\.raw(\.[a-z]+)?\.[A-Za-z0-9]{{6}}", re.DOTALL)
"""What killed processes left behind: ours, and sysextmgr's ``.NAME.XXXXXX`` of images and what it keeps beside them."""

_IMAGE = ".raw"
_STAYS = ", so that a good image stays; gc --unknown-origin collects it"


class Disposition(StrEnum):
    """What becomes of a file."""

    NEEDED = "needed"
    WAITS = "waits"
    GOES = "goes"
    STAYS = "stays"
    UNKNOWN_ORIGIN = "of unknown origin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What becomes of a file, the reason in words, and the places that need it.

    ``since`` (seconds since the epoch) and ``runs`` tell for how long nothing needed it; None and 0 where something
    does. ``goes_at`` is the earliest time at which it can go, None where it does not go by itself.
    """

    file: StoreFile
    disposition: Disposition
    reason: str = ""
    needed_by: tuple[str, ...] = ()
    since: int | None = None
    runs: int = 0
    goes_at: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What holds for this run: ``now`` in seconds since the epoch, ``grace`` in seconds.

    ``at_once`` does without the grace time and the second run, with ``unknown_origin`` images without a record go too.
    ``doubtful``: not every place is known that may need an image.
    """

    now: int
    grace: int
    at_once: bool = False
    unknown_origin: bool = False
    doubtful: bool = False


Unreferenced = tuple[int, int]
"""Since when nothing needs a file (seconds since the epoch), and in how many runs that was seen."""


def decide(
    files: Iterable[StoreFile],
    roots: Mapping[str, Sequence[str]],
    unreferenced: Mapping[str, Unreferenced],
    rules: Rules,
) -> tuple[Decision, ...]:
    """Decide on all files. ``roots`` are the places that need a file, ``unreferenced`` is by the ledger's names."""
    return tuple(
        _decide(file, roots.get(file.file_name, ()), unreferenced.get(clean(file.file_name)), rules) for file in files
    )


def _decide(file: StoreFile, needed_by: Sequence[str], before: Unreferenced | None, rules: Rules) -> Decision:
    if needed_by:
        return Decision(file=file, disposition=Disposition.NEEDED, needed_by=tuple(needed_by))
    if file.irregular:
        return Decision(file=file, disposition=Disposition.STAYS, reason=f"{file.irregular}, which no image is")
    if not (_is_left_behind(file) or file.record is not None or _is_image_name(file.file_name)):
        reason = "a lock of systemd" if is_lock(file.file_name) else "no name of an image"
        return Decision(file=file, disposition=Disposition.STAYS, reason=reason)
    return _decide_in_doubt(file, before, rules) if rules.doubtful else _decide_unneeded(file, before, rules)


def _decide_unneeded(file: StoreFile, before: Unreferenced | None, rules: Rules) -> Decision:
    since, runs = before if before is not None else (rules.now, 0)
    born = min(file.born, rules.now)
    if since < born:
        since, runs = rules.now, 0  # another file had the name then
    since, runs = min(since, rules.now), min(runs + 1, RUNS)
    goes_at = since + rules.grace
    if rules.at_once:
        goes_at = min(goes_at, born + YOUNG)
    over = rules.now >= goes_at and (runs >= RUNS or rules.at_once)
    disposition, reason = Disposition.GOES if over else Disposition.WAITS, _reason(file)
    if file.record is None and not _is_left_behind(file) and not rules.unknown_origin:
        # its content tells whether it goes: nothing is promised before
        if over:
            return Decision(file=file, disposition=Disposition.UNKNOWN_ORIGIN, reason=reason, since=since, runs=runs)
        return Decision(file=file, disposition=disposition, reason=f"{reason}{_STAYS}", since=since, runs=runs)
    return Decision(file=file, disposition=disposition, reason=reason, since=since, runs=runs, goes_at=goes_at)


def _decide_in_doubt(file: StoreFile, before: Unreferenced | None, rules: Rules) -> Decision:
    """It waits for as long as was known before: no wait begins on the word of an incomplete look."""
    since, runs = before if before is not None and before[0] >= min(file.born, rules.now) else (None, 0)
    reason = _reason(file, nothing="nothing that is known")
    return Decision(file=file, disposition=Disposition.WAITS, reason=reason, since=since, runs=runs)


def _is_left_behind(file: StoreFile) -> bool:
    return _LEFT.fullmatch(file.file_name) is not None


def _is_image_name(name: str) -> bool:
    try:
        return check_component(name).endswith(_IMAGE)
    except NameRefused:
        return False


def _reason(file: StoreFile, *, nothing: str = "nothing") -> str:
    if file.missing:
        return f"{nothing} needs it; of its file only the record is left"
    if _is_left_behind(file):
        return "left behind by a process that was killed"
    return f"{nothing} needs it" if file.record is not None else f"{nothing} needs it; there is no record of it"
