# SPDX-License-Identifier: LGPL-2.1-or-later
"""The mark of a refused update in /run: since when, how often and why.

tukit's status gets lost on the way to the caller, so the refusal is made visible here: ``tukit-sysext status`` reads
it, and a unit fails while it exists. It goes when an update passes. Across a reboot the ledger remembers since when.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.system.durable import make_directory, write_file

_LIMIT = 256 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """An update that is held back.

    ``since`` and ``last`` in seconds since the epoch, ``times`` how often it was refused since then, ``images`` the
    reason by image, ``system`` the version of the refused tree (ID and VERSION_ID of its os-release).
    """

    since: int
    last: int
    times: int
    system: str
    images: Mapping[str, str]


def read(path: Path) -> Refusal | None:
    """The mark; None where there is none, or where it is not one."""
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read(_LIMIT))
        return Refusal(
            since=int(document["since"]),
            last=int(document["last"]),
            times=int(document["times"]),
            system=str(document["system"]),
            images={str(name): str(reason) for name, reason in document["images"].items()},
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def write(path: Path, refusal: Refusal) -> None:
    """Set the mark. Raises OSError."""
    make_directory(path.parent)
    document = {key: getattr(refusal, key) for key in ("since", "last", "times", "system")}
    document["images"] = dict(refusal.images)
    write_file(path, json.dumps(document, indent=1).encode() + b"\n", durable=False)


def clear(path: Path) -> None:
    """Take the mark away. Raises OSError."""
    path.unlink(missing_ok=True)


def again(before: Refusal | None, *, now: int, system: str, images: Mapping[str, str]) -> Refusal:
    """The mark after one more refusal. A clock that went back makes no negative age (threat L14)."""
    if before is None:
        return Refusal(since=now, last=now, times=1, system=system, images=images)
    return Refusal(since=min(before.since, now), last=now, times=before.times + 1, system=system, images=images)


def is_over(refusal: Refusal, *, passed: str, running: str, still_required: frozenset[str]) -> bool:
    """Whether a transaction that was not refused ends the refusal.

    ``passed`` is the version of its tree, ``running`` that of the running system. A package that is installed on top of
    the running system says nothing about the update that is held back; an update that passes does, and so does an image
    that is no longer required.
    """
    return passed == refusal.system or passed != running or not still_required.intersection(refusal.images)
