# SPDX-License-Identifier: LGPL-2.1-or-later
"""How a source is, as ``status`` and ``sources`` tell it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tukit_sysext.errors import next_step_lines
from tukit_sysext.quantities import local_time, time_text
from tukit_sysext.sources.health import SourceHealth
from tukit_sysext.terminal.text import Tone, Toned


def failure_lines(name: str, health: SourceHealth) -> Iterator[str]:
    """Why a source fails, and what can be done."""
    yield Toned(f"Problem: source {name} {health.failure(local_time)}", Tone.BAD)
    yield from (f"  {line}" for line in next_step_lines(next_step(name, health)))


def next_step(name: str, health: SourceHealth) -> str:
    """What can be done where a source fails."""
    return health.next_step or f"fix access to it, then:\ntukit-sysext sources refresh {name}"


def health_document(health: SourceHealth | None) -> dict[str, Any] | None:
    """How a source is, for ``--json``; None where it was not asked yet."""
    if health is None:
        return None
    return {
        "asked": time_text(health.asked),
        "last_good": time_text(health.good) if health.good is not None else None,
        "images": health.images,
        "failing_since": time_text(health.failing) if health.failing is not None else None,
        "reason": health.reason or None,
        "next_step": health.next_step or None,
    }
