# SPDX-License-Identifier: LGPL-2.1-or-later
"""Time spans for a person; sizes are in tests/unit/commands/test_output.py."""

from __future__ import annotations

import pytest

from tukit_sysext.config.values import time_span
from tukit_sysext.quantities import span_text

DAY = 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-5, "0s"),
        (1, "1s"),
        (90.7, "1min 30s"),
        (5400, "1h 30min"),
        (30 * DAY, "30d"),
        (30 * DAY + 5, "30d 5s"),
        (33 * DAY + 2 * 3600 + 59, "33d 2h"),
    ],
)
def test_a_time_span(seconds: float, text: str) -> None:
    assert span_text(seconds) == text


@pytest.mark.parametrize("text", ["1s", "1h 30min", "14d"])
def test_it_is_what_the_configuration_says(text: str) -> None:
    assert span_text(time_span(text)) == text
