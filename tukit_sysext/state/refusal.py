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
from typing import Any

from tukit_sysext.state.record import plausible_time
from tukit_sysext.system.durable import make_directory, write_file

_LIMIT = 256 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldBack:
    """Why an image holds back updates, since when (seconds since the epoch), and the next step (empty: not known)."""

    reason: str
    since: int
    next_step: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """An update that is held back.

    ``last`` in seconds since the epoch, ``times`` how often it was refused, ``images`` those that hold it back, by
    name, ``system`` the version of the refused tree (ID, VERSION_ID and SYSEXT_LEVEL of its os-release).
    """

    last: int
    times: int
    system: str
    images: Mapping[str, HeldBack]

    @property
    def since(self) -> int:
        """Since when updates are held back, in seconds since the epoch."""
        return min((held.since for held in self.images.values()), default=self.last)

    @property
    def next_steps(self) -> Mapping[str, str]:
        """What can be done, by image; empty where it is not known."""
        return {name: held.next_step for name, held in sorted(self.images.items())}


def read(path: Path) -> Refusal | None:
    """The mark; None where there is none, or where it is not one."""
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read(_LIMIT))
        return Refusal(
            last=plausible_time(document["last"]),
            times=int(document["times"]),
            system=str(document["system"]),
            images={
                str(name): HeldBack(
                    reason=str(held["reason"]),
                    since=plausible_time(held["since"]),
                    next_step=str(held.get("next_step") or ""),
                )
                for name, held in document["images"].items()
            },
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None


def document(refusal: Refusal) -> dict[str, Any]:
    """The refusal as JSON has it, in the mark and for ``--json``."""
    return {
        "since": refusal.since,
        "last": refusal.last,
        "times": refusal.times,
        "system": refusal.system,
        "images": {
            name: {"reason": held.reason, "since": held.since, "next_step": held.next_step or None}
            for name, held in refusal.images.items()
        },
    }


def write(path: Path, refusal: Refusal) -> None:
    """Set the mark. Raises OSError."""
    make_directory(path.parent)
    write_file(path, json.dumps(document(refusal), indent=1).encode() + b"\n", durable=False)


def clear(path: Path) -> None:
    """Take the mark away. Raises OSError."""
    path.unlink(missing_ok=True)


def again(
    before: Refusal | None, *, now: int, system: str, images: Mapping[str, str], steps: Mapping[str, str] | None = None
) -> Refusal:
    """The mark after one more refusal: reason and next step by image.

    A clock that went back makes no negative age (threat L14).
    """
    known = before.images if before is not None else {}
    held = {
        name: HeldBack(
            reason=reason,
            since=min(now, known[name].since) if name in known else now,
            next_step=(steps or {}).get(name, ""),
        )
        for name, reason in images.items()
    }
    return Refusal(last=now, times=1 if before is None else before.times + 1, system=system, images=held)


def is_over(refusal: Refusal, *, passed: str, running: str, still_required: frozenset[str]) -> bool:
    """Whether a transaction that was not refused ends the refusal.

    ``passed`` is the version of its tree, ``running`` that of the running system. A package that is installed on top of
    the running system says nothing about the update that is held back; an update that passes does, and so does an image
    that is no longer required.
    """
    return passed == refusal.system or passed != running or not still_required.intersection(refusal.images)
