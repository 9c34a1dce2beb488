# SPDX-License-Identifier: LGPL-2.1-or-later
"""Points in time mean what systemd takes them for: systemd-analyze timestamp is asked."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

import pytest

from tukit_sysext.formats.timestamp import seconds

NOW = 1_793_534_400  # Sunday, 2026-11-01 12:00 UTC


@pytest.fixture(autouse=True)
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.tool("systemd-analyze")
@pytest.mark.parametrize(
    "text",
    [
        "2026-11-01",
        "2026-11-01 12:00",
        "2026-11-01 12:00:30",
        "2026-11-01 12:00:30.5",
        "2026-11-01 12:00 UTC",
        "2026-11-01 UTC",
        "2026-07-01 00:00",  # summer time
        "2026-10-25 01:59",
        "Sun 2026-11-01",
        "Sunday 2026-11-01 12:00",
        "@1793534400",
    ],
)
def test_a_time_that_stands_still(text: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "timestamp", text], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    assert done.returncode == 0, done
    (told,) = [line.partition(":")[2].strip() for line in done.stdout.splitlines() if "UNIX" in line]
    assert seconds(text, NOW) == int(float(told.removeprefix("@")))


@pytest.mark.parametrize(
    ("text", "shift"),
    [
        ("now", 0),
        ("-2h", -7200),
        ("-1h 30min", -5400),
        ("+5s", 5),
        ("2 days ago", -172800),
        ("1h ago", -3600),
        ("today", -13 * 3600),
        ("yesterday", -37 * 3600),
        ("tomorrow", 11 * 3600),
        ("yesterday 12:00", -25 * 3600),
        ("12:30", -1800),
        ("2026-11-01T12:00:30Z", 30),  # as --json has it; systemd 255 takes it too
    ],
)
def test_a_time_that_moves(text: str, shift: int) -> None:
    """In Berlin it is 13:00."""
    assert seconds(text, NOW) == NOW + shift


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2026-13-01", "2026-11-31", "2026-11-01 25:00", "ago", "-", "-soon", "Z", "Sun", "@", "@-1",
     "infinity ago", "2026-11", "9999999999999 ago", "-1h ago", "2026-11-01 12", "1"],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time"):
        seconds(text, NOW)
