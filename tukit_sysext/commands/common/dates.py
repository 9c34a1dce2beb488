# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dates of snapper and of the ledger for a person."""

from __future__ import annotations

from tukit_sysext.quantities import local_time
from tukit_sysext.snapshots.snapper_files import rfc3339
from tukit_sysext.store.record import seconds_of


def ledger_time(text: str) -> str:
    """A time of the ledger (RFC 3339), local, to the minute; one that cannot be read as it is."""
    seconds = seconds_of(text)
    return local_time(seconds) if seconds is not None else text


def snapper_time(date: str) -> str:
    """A date of snapper's info.xml (UTC) for a person: local, to the minute; "-" where there is none."""
    seconds = seconds_of(rfc3339(date) or "")
    return local_time(seconds) if seconds is not None else (date[:16] or "-")
