# SPDX-License-Identifier: LGPL-2.1-or-later
"""What snapper writes beside the tree of a snapshot: a folder with its number, and in it info.xml (snapper(8))."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from tukit_sysext.layout import Layout
from tukit_sysext.system.small_file import read_small

NUMBER = re.compile(r"[1-9][0-9]{0,9}")
"""How a folder of snapper is called."""

_DATE = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)")
_IN_PROGRESS = "transactional-update-in-progress"
_INFO_LIMIT = 1024 * 1024


def numbers_in(layout: Layout) -> list[int]:
    """The numbers of the folders, sorted. Raises OSError."""
    return sorted(int(name) for name in os.listdir(layout.snapshots) if NUMBER.fullmatch(name))


@lru_cache(maxsize=1024)
def tree_of(layout: Layout, number: int) -> Path:
    """Where the tree of a snapshot is; a path takes longer to be made than to be asked for."""
    return Path(f"{_folder(layout)}/{number}/snapshot")


def _info_path(layout: Layout, number: int) -> str:
    return f"{_folder(layout)}/{number}/info.xml"


@lru_cache(maxsize=4)
def _folder(layout: Layout) -> str:
    return str(layout.snapshots)


class SnapshotInfo(NamedTuple):
    """What info.xml says of a snapshot: ``open`` while a transaction of tukit has not closed it."""

    date: str
    description: str
    open: bool


def may_be_open(layout: Layout, number: int) -> bool:
    """Whether a transaction may have a snapshot open, as its info.xml says; there may be none."""
    try:
        return _IN_PROGRESS.encode() in read_small(_info_path(layout, number), limit=_INFO_LIMIT)
    except OSError:
        return True


def read_info(layout: Layout, number: int) -> SnapshotInfo | None:
    """snapper's info.xml; None where it is missing or not whole."""
    from xml.etree import ElementTree

    try:
        # snapper's own file, which only root can write
        root = ElementTree.fromstring(read_small(_info_path(layout, number), limit=_INFO_LIMIT))  # noqa: S314
    except (OSError, ElementTree.ParseError, LookupError, ValueError):
        return None
    data = {entry.findtext("key"): entry.findtext("value") for entry in root.findall("userdata")}
    return SnapshotInfo(
        date=root.findtext("date") or "",
        description=root.findtext("description") or "",
        open=data.get(_IN_PROGRESS) == "yes",
    )


def is_before(date: str, since: str) -> bool:
    """Whether a date of info.xml is one, and before another."""
    return bool(_DATE.fullmatch(date)) and date < since


def rfc3339(date: str) -> str | None:
    """The date of a snapshot (snapper writes it in UTC) as records and ledger have times; None where it is none."""
    match = _DATE.fullmatch(date)
    return f"{match[1]}T{match[2]}Z" if match is not None else None
