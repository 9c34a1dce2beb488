# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs and libraries without a label, in a system with SELinux."""

from __future__ import annotations

import pytest

from tests.unit.requirements.grounds import PlainGround
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.requirements.labels import missing_labels


@pytest.mark.parametrize(
    ("unlabelled", "count"),
    [
        (1, "a program or library of it has no SELinux label"),
        (7, "7 of its programs and libraries have no SELinux label"),
    ],
)
def test_what_has_no_label(unlabelled: int, count: str) -> None:
    (said,) = missing_labels(Contents(unlabelled=unlabelled), PlainGround(selinux="targeted"))

    assert said.startswith(count)
    assert said.endswith("mkfs.erofs --file-contexts=/etc/selinux/targeted/contexts/files/file_contexts")


def test_without_selinux_or_with_labels_nothing_is_said() -> None:
    assert list(missing_labels(Contents(unlabelled=7), PlainGround())) == []
    assert list(missing_labels(Contents(), PlainGround(selinux="targeted"))) == []
