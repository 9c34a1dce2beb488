# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file of the store and what keeps it, as ``gc`` and ``why`` tell it."""

from __future__ import annotations

import time
from typing import Any

from tukit_sysext.collect.decision import Decision, Disposition
from tukit_sysext.quantities import local_time, time_text

_SHOWN = 3


def decision_text(decision: Decision, *, dry_run: bool) -> str:
    """What keeps a file, or what becomes of it, in a few words."""
    match decision.disposition:
        case Disposition.NEEDED:
            more = len(decision.needed_by) - _SHOWN
            return ", ".join(decision.needed_by[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        case Disposition.STAYS:
            return f"stays: {decision.reason}"
        case Disposition.UNKNOWN_ORIGIN:
            return f"{decision.reason}; gc --unknown-origin collects it"
        case Disposition.GOES:
            return f"{'would be deleted' if dry_run else 'goes with the next run'}: {decision.reason}"
    if decision.since is None or decision.goes_at is None:
        return decision.reason
    since = f"{decision.reason} since {local_time(decision.since)}"
    if decision.goes_at > time.time():
        return f"{since}, goes after {local_time(decision.goes_at)}"
    # a look that is no run of the collection counts for nothing
    return f"{since}, goes with the {'second run from now' if dry_run else 'next run'}"


def decision_document(decision: Decision) -> dict[str, Any]:
    """One file of the store for ``--json``."""
    record = decision.file.record
    return {
        "file": decision.file.file_name,
        "sha256": record.sha256 if record is not None else None,
        "image": record.name if record is not None else None,
        "version": record.version if record is not None else None,
        "shown": decision.file.shown if record is not None else None,
        "size": decision.file.size,
        "fate": decision.disposition,
        "reason": decision.reason or None,
        "needed_by": list(decision.needed_by),
        "unreferenced_since": time_text(decision.since) if decision.since is not None else None,
        "goes_after": time_text(decision.goes_at) if decision.goes_at is not None else None,
    }
