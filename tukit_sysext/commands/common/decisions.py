# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file of the store and what keeps it, as ``gc`` and ``why`` tell it."""

from __future__ import annotations

from typing import Any

from tukit_sysext.collect.decision import Decision, Disposition
from tukit_sysext.quantities import time_text
from tukit_sysext.terminal.text import local_time

_SHOWN = 3


def decision_text(item: Decision, *, dry_run: bool) -> str:
    """What keeps a file, or what becomes of it, in a few words."""
    match item.disposition:
        case Disposition.NEEDED:
            more = len(item.needed_by) - _SHOWN
            return ", ".join(item.needed_by[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        case Disposition.STAYS:
            return f"stays: {item.reason}"
        case Disposition.UNKNOWN_ORIGIN:
            return f"{item.reason}; gc --unknown-origin collects it"
        case Disposition.GOES:
            return f"{'would be deleted' if dry_run else 'goes with the next run'}: {item.reason}"
    if item.since is None or item.goes_at is None:
        return item.reason
    return f"{item.reason} since {local_time(item.since)}, goes after {local_time(item.goes_at)}"


def decision_document(item: Decision) -> dict[str, Any]:
    """One file of the store for ``--json``."""
    record = item.file.record
    return {
        "file": item.file.file_name,
        "image": record.name if record is not None else None,
        "version": record.version if record is not None else None,
        "size": item.file.size,
        "fate": item.disposition,
        "reason": item.reason or None,
        "needed_by": list(item.needed_by),
        "unreferenced_since": time_text(item.since) if item.since is not None else None,
        "goes_after": time_text(item.goes_at) if item.goes_at is not None else None,
    }
