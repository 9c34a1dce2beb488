# SPDX-License-Identifier: LGPL-2.1-or-later
"""The name of an image that is taken over: that of its file, where its content agrees."""

from __future__ import annotations

import pytest

from tukit_sysext.change.import_image import UNKNOWN_VERSION, name_and_version
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.system.inspect_image import Inspection


@pytest.mark.parametrize(
    ("called", "merge_name", "expected"),
    [
        ("gcc-30.3.x86-64.raw", "gcc", ("gcc", "30.3")),
        ("gcc-30.3.x86-64.raw", "gcc-30.3.x86-64", ("gcc", "30.3")),
        ("k3s-1.31.5+k3s1-4.2.x86-64.raw", "k3s", ("k3s", "1.31.5+k3s1-4.2")),
        ("gcc-13.4.raw", "gcc-13", ("gcc-13", UNKNOWN_VERSION)),
        ("gcc.raw", "gcc", ("gcc", UNKNOWN_VERSION)),
    ],
)
def test_the_content_has_the_last_word(called: str, merge_name: str, expected: tuple[str, str]) -> None:
    assert name_and_version(called, Inspection(merge_name=merge_name, release=ReleaseData())) == expected
