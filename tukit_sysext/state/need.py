# SPDX-License-Identifier: LGPL-2.1-or-later
"""The mark in /run of images that have to be repaired: which, of which snapshot, why and since when.

A path unit repairs when it changes, so it is rewritten only when other images are wrong than before, or wrong in
another way: a repair that cannot be done does not start itself again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tukit_sysext.state.record import plausible_time
from tukit_sysext.system.durable import make_directory, write_file

_LIMIT = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """An image that has to be repaired, in the snapshot ``snapshot`` (None: the running system, whose is not known).

    ``link`` is its link, ``file_name`` its file in the store, ``since`` in seconds since the epoch.
    """

    snapshot: int | None
    link: str
    file_name: str
    name: str
    version: str
    condition: str
    reason: str
    since: int

    @property
    def what(self) -> tuple[int | None, str, str, str]:
        """What makes two of them the same; the words of a reason may differ from run to run."""
        return self.snapshot, self.link, self.file_name, self.condition


def read(path: Path) -> tuple[Need, ...]:
    """The mark; empty where there is none, or where it is not one."""
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read(_LIMIT))
        return tuple(_need(item) for item in document["images"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return ()


def _need(item: dict[str, object]) -> Need:
    texts = {key: str(item[key]) for key in ("link", "file_name", "name", "version", "condition", "reason")}
    number = item["snapshot"]
    return Need(snapshot=None if number is None else int(str(number)), since=plausible_time(item["since"]), **texts)


def update(
    path: Path, checked: Iterable[int | None], found: Iterable[Need], *, matter: Iterable[int | None]
) -> Sequence[Need]:
    """Enter what is wrong in the snapshots that were ``checked``; what was not wrong before. Raises OSError.

    Of other snapshots that ``matter`` (the running one, that which boots next) stays what is known. The mark goes when
    nothing is wrong.
    """
    before = {need.what: need for need in read(path)}
    keep = set(matter) - set(checked)
    now = {need.what: need for need in before.values() if need.snapshot in keep}
    new: list[Need] = []
    for need in found:
        known = before.get(need.what)
        now[need.what] = need if known is None else replace(need, since=min(known.since, need.since))
        new += [need] if known is None else []
    if not now:
        path.unlink(missing_ok=True)
    elif now.keys() != before.keys():
        make_directory(path.parent)
        images = [asdict(now[key]) for key in sorted(now, key=str)]
        write_file(path, json.dumps({"images": images}, indent=1).encode() + b"\n", durable=False)
    return new
