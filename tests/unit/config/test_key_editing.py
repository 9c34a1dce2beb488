# SPDX-License-Identifier: LGPL-2.1-or-later
"""Changing keys of a configuration file."""

from __future__ import annotations

import pytest

from tukit_sysext.config.key_editing import Changes, edited


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        ("", {"Policy": ["optional"]}, "[Image]\nPolicy=optional\n"),
        ("[Image]\n", {"Hold": ["1"]}, "[Image]\nHold=1\n"),
        ("[Image]\nHold=1\n", {"Hold": ["2"]}, "[Image]\nHold=2\n"),
        ("[Image]\nHold=1\nPolicy=optional\n", {"Hold": None}, "[Image]\nPolicy=optional\n"),
        ("[Image]\n", {"Hold": None}, "[Image]\n"),
        (
            "# why\n[Image]\n# so\nHold = 1\n\n[X]\nHold=3\n",
            {"Hold": ["2"]},
            "# why\n[Image]\n# so\nHold=2\n\n[X]\nHold=3\n",
        ),
        ("[Image]\nPolicy=optional\n\n[X]\na=b\n", {"Hold": ["2"]}, "[Image]\nPolicy=optional\nHold=2\n\n[X]\na=b\n"),
        ("[Image]\nHold=1\nPolicy=required\nHold=2\n", {"Hold": ["3"]}, "[Image]\nPolicy=required\nHold=3\n"),
        ("[Image]\nBlock=1 \\\n2\nHold=1\n", {"Block": ["3", "4"]}, "[Image]\nBlock=3\nBlock=4\nHold=1\n"),
        ("[X]\na=b", {"Hold": ["2"]}, "[X]\na=b\n[Image]\nHold=2\n"),
    ],
)
def test_only_what_is_changed_changes(before: str, changes: Changes, after: str) -> None:
    assert edited(before, "Image", changes) == after


def test_what_is_written_is_what_was_meant() -> None:
    text = edited(
        "[Image]\nPolicy=optional # by hand\n", "Image", {"State": None, "Hold": ["1.2"], "Version": ["~=1.2"]}
    )
    assert text == "[Image]\nPolicy=optional # by hand\nHold=1.2\nVersion=~=1.2\n"
