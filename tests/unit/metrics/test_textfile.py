# SPDX-License-Identifier: LGPL-2.1-or-later
"""Metrics in Prometheus' text format."""

from __future__ import annotations

from tests.unit.metrics.exposition import check
from tukit_sysext.metrics.exposition import Metric, Sample, rendered


def test_a_file() -> None:
    metrics = [
        Metric(name="a_bytes", text="Size.", samples=(Sample(value=12),)),
        Metric(name="nobody_knows", text="Nothing.", samples=()),
        Metric(name="b", text="A \\ and\na line.", samples=(Sample(value=0.5, labels={"tree": 'a "b"\\\n'}),)),
    ]
    text = rendered(metrics)
    assert text == (
        "# HELP a_bytes Size.\n# TYPE a_bytes gauge\na_bytes 12\n"
        '# HELP b A \\\\ and\\na line.\n# TYPE b gauge\nb{tree="a \\"b\\"\\\\\\n"} 0.5\n'
    )
    assert check(text) == {("a_bytes", ""): 12.0, ("b", 'tree="a \\"b\\"\\\\\\n"'): 0.5}


def test_nothing() -> None:
    assert rendered([]) == ""
