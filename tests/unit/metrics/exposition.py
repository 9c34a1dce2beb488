# SPDX-License-Identifier: LGPL-2.1-or-later
"""A reader of Prometheus' text format that is as strict as promtool(1): what it takes, node_exporter takes."""

from __future__ import annotations

import re

_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
_SAMPLE = re.compile(rf"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (\S+)")
_COMMENT = re.compile(r"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)")


def check(text: str) -> dict[tuple[str, str], float]:
    """The samples by name and labels. Fails for what promtool complains about."""
    assert text.endswith("\n")
    values: dict[tuple[str, str], float] = {}
    described: dict[str, set[str]] = {}
    last = ""
    for line in text.splitlines():
        if line.startswith("#"):
            comment = _COMMENT.fullmatch(line)
            assert comment, line
            kinds = described.setdefault(comment[2], set())
            assert comment[1] not in kinds, f"{line}: twice"
            assert (comment[1], comment[3]) != ("TYPE", "") and comment[2] not in {name for name, _ in values}
            kinds.add(comment[1])
            last = comment[2]
            continue
        sample = _SAMPLE.fullmatch(line)
        assert sample, line
        assert sample[1] == last, f"{line}: apart from its HELP and TYPE"
        assert described[sample[1]] == {"HELP", "TYPE"}
        key = (sample[1], sample[2] or "")
        assert key not in values, f"{line}: twice"
        values[key] = float(sample[3])
    for name in described:
        assert not name.endswith(("_total", "_count", "_sum", "_bucket")), f"{name}: not the name of a gauge"
    return values
