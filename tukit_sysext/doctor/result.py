# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is.

    A problem keeps something from working, or is about to. A warning is something to know of. A hint is for who has
    just begun. ``unknown`` could not be looked at.
    """

    PROBLEM = "problem"
    WARNING = "warning"
    HINT = "hint"
    UNKNOWN = "unknown"
    GOOD = "good"


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One thing that was checked: the check's name, what was found, and the command that mends it (None: none does)."""

    check: str
    severity: Severity
    text: str
    mend: str | None = None


def problem(check: str, text: str, mend: str | None = None) -> Result:
    """Something does not work."""
    return Result(check=check, severity=Severity.PROBLEM, text=text, mend=mend)


def warning(check: str, text: str, mend: str | None = None) -> Result:
    """Something to know of."""
    return Result(check=check, severity=Severity.WARNING, text=text, mend=mend)


def hint(check: str, text: str, mend: str | None = None) -> Result:
    """A next step for who has just begun."""
    return Result(check=check, severity=Severity.HINT, text=text, mend=mend)


def good(check: str, text: str) -> Result:
    """All is well."""
    return Result(check=check, severity=Severity.GOOD, text=text)


def unknown(check: str, text: str, *, privileged: bool) -> Result:
    """It could not be looked at; an ordinary user is told that root could."""
    mend = None if privileged else "sudo tukit-sysext doctor"
    return Result(check=check, severity=Severity.UNKNOWN, text=text, mend=mend)
