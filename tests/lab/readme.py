# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands that README shows."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def commands(section: str, *, after: str = "") -> list[str]:
    """The lines of the first block of a section, without what begins with #.

    :param after: the first block after this text of the section is meant
    """
    text = (TOP / "README.md").read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    assert after in text, f"README has no {after!r} in {section}"
    block = re.search(r"^(?: {4}.+\n)+", text.partition(after)[2] if after else text, re.M)
    assert block is not None, f"README has no commands in {section}"
    lines = [line.strip() for line in block[0].splitlines()]
    return [re.split(r" {2,}#", line)[0] for line in lines if not line.startswith("#")]
