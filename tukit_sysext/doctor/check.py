# SPDX-License-Identifier: LGPL-2.1-or-later
"""A check of the set-up, and its results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self

from tukit_sysext.machine import Machine


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
class CheckResult:
    """One result of a check: the check's name, what was found, and the command that helps (None: there is none)."""

    check: str
    severity: Severity
    text: str
    next_step: str | None = None


class Check(Protocol):
    """One part of the set-up as it was seen; the judgement is a pure function of that."""

    @classmethod
    def look(cls, machine: Machine) -> Self:
        """Look at the machine. What cannot be seen is unknown, and no reason to leave out the rest."""

    def judge(self) -> Iterator[CheckResult]:
        """Judge what was seen."""


def problem(check: str, text: str, next_step: str | None = None) -> CheckResult:
    """Something does not work."""
    return CheckResult(check=check, severity=Severity.PROBLEM, text=text, next_step=next_step)


def warning(check: str, text: str, next_step: str | None = None) -> CheckResult:
    """Something to know of."""
    return CheckResult(check=check, severity=Severity.WARNING, text=text, next_step=next_step)


def hint(check: str, text: str, next_step: str | None = None) -> CheckResult:
    """Something for who has just begun."""
    return CheckResult(check=check, severity=Severity.HINT, text=text, next_step=next_step)


def good(check: str, text: str) -> CheckResult:
    """All is well."""
    return CheckResult(check=check, severity=Severity.GOOD, text=text)


def unknown(check: str, text: str, *, privileged: bool) -> CheckResult:
    """The check could not look; the next step for an ordinary user is sudo."""
    next_step = None if privileged else "sudo tukit-sysext doctor"
    return CheckResult(check=check, severity=Severity.UNKNOWN, text=text, next_step=next_step)


def installs(machine: Machine, what: str, *, again: bool = False) -> str:
    """The command that installs a package, or whatever has a file; with ``again`` one that is installed already."""
    option = " --force" if again else ""
    transactional = (machine.layout.root / "usr/sbin/transactional-update").exists()
    zypper = "transactional-update pkg install" if transactional else "zypper install"
    return f"{zypper}{option} {what}"
