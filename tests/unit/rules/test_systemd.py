# SPDX-License-Identifier: LGPL-2.1-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukit_sysext.rules.systemd import SystemdVersion, as_version, has_id_like, parse_systemd_version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("257", (257, 0)),
        ("v257", (257, 0)),
        ("257.13-1~deb13u1)", (257, 13)),
        ("257.7+suse.36.g1a2b3c4d5e", (257, 7)),
        ("258~rc2", (257, 0)),
        ("258-rc2", (257, 0)),
        ("259.so", (259, 0)),
        ("252-18.el9", (252, 0)),
    ],
)
def test_version_read(text: str, version: tuple[int, int]) -> None:
    assert parse_systemd_version(text) == version


@pytest.mark.parametrize("text", ["", "systemd 257", "abc", "-1", ".5", "\u0662\u0665\u0667"])
def test_no_version(text: str) -> None:
    assert parse_systemd_version(text) is None


@given(st.text())
def test_takes_any_text(text: str) -> None:
    parse_systemd_version(text)


def test_number_is_the_first_release() -> None:
    assert as_version(257) == SystemdVersion(257, 0)
    assert as_version(SystemdVersion(257, 3)) == SystemdVersion(257, 3)
    assert as_version(None) is None
    assert [str(SystemdVersion(257)), str(SystemdVersion(257, 13))] == ["257", "257.13"]


def test_id_like_came_to_257_in_a_stable_release() -> None:
    versions = [(256, 20), (257, 0), (257, 7), (257, 8), (257, 13), (258, 0), (260, 0)]
    assert [has_id_like(SystemdVersion(*each)) for each in versions] == [False, False, False, True, True, True, True]
