# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names of links. That systemd accepts them is shown by tests/truth/test_link_names.py."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukit_sysext.rules.link_names import MergeNameRefused, link_name_accepted, merge_name
from tukit_sysext.rules.systemd import SystemdVersion


@pytest.mark.parametrize(
    ("stem", "files", "newer", "older"),
    [
        ("x", {"x": None}, "x", "x"),
        ("x", {"x": None, "z": False}, "x", "x"),
        ("y", {"x": None}, None, None),
        ("y", {"x": True}, None, None),
        ("y", {"x": False}, "x", "x"),
        ("y", {"x": False, "z": False}, None, None),
        ("x_1", {"x": None}, "x", None),
        ("x+1", {"x": True}, "x", None),
        ("z_1", {"x": False, "z": None}, None, "x"),
        ("x.sysext", {"x": None}, "x", None),
        ("x.sysext", {"x.sysext": None}, None, "x.sysext"),
        ("x:1", {"x:1": None}, None, None),
        ("y", {}, None, None),
    ],
)
def test_accepted(stem: str, files: Mapping[str, bool | None], newer: str | None, older: str | None) -> None:
    assert link_name_accepted(stem, files, systemd_version=257) == newer
    assert link_name_accepted(stem, files, systemd_version=SystemdVersion(252, 39)) == older
    assert link_name_accepted(stem, files, systemd_version=None) == (newer if newer == older else None)


def test_xattr_came_with_250() -> None:
    assert link_name_accepted("y", {"x": False}, systemd_version=249) is None
    assert link_name_accepted("y", {"x": False}, systemd_version=250) == "x"


@pytest.mark.parametrize(
    ("files", "preferred", "name"),
    [
        ({"gdb": None}, "gdb", "gdb"),
        ({"gdb-15": None}, "gdb", "gdb-15"),
        ({"gdb-15": True}, "gdb", "gdb-15"),
        ({"gdb-15": False}, "gdb", "gdb"),
        ({"gdb": None}, "gdb_15", "gdb"),
        ({"gdb": None, "other": None}, "gdb", "gdb"),
        ({"a": None, "b": False}, "gdb", "gdb"),
        ({"gdb": False}, "gdb:15", "gdb"),
        ({"gdb": None}, "gdb.raw", "gdb"),
    ],
)
def test_merge_name(files: Mapping[str, bool | None], preferred: str, name: str) -> None:
    assert merge_name(files, preferred) == name


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "the image has no extension-release file"),
        ({"a": None, "b": None}, "the image has extension-release files for a, b, and systemd would take none for gdb"),
        ({"a": False, "b": False}, "for a, b, and"),
        ({"gdb.sysext": None}, "for gdb.sysext, and"),
        ({"a:b": None}, "for a:b, and"),
        ({"a b": None}, "extension-release file of the image: name 'a b'"),
        ({"-rf": None}, "extension-release file of the image: name '-rf'"),
    ],
)
def test_no_merge_name(files: Mapping[str, bool | None], message: str) -> None:
    with pytest.raises(MergeNameRefused) as caught:
        merge_name(files, "gdb")
    assert message in str(caught.value)
    assert isinstance(caught.value, ValueError)


@given(
    st.dictionaries(st.text(alphabet="ab_+.:-", min_size=1, max_size=4), st.sampled_from([None, True, False])),
    st.text(alphabet="ab_+.:-", min_size=1, max_size=4),
)
def test_merge_name_is_accepted_by_every_version(files: Mapping[str, bool | None], preferred: str) -> None:
    try:
        name = merge_name(files, preferred)
    except MergeNameRefused:
        return
    for version in (250, 252, 254, 255, 256, 257, 258, 300):
        assert link_name_accepted(name, files, systemd_version=version) is not None


def test_names_of_a_stranger_are_told_harmlessly() -> None:
    with pytest.raises(MergeNameRefused) as raised:
        merge_name({"\x1b[2J": None, "x": None}, "\udc9b")
    assert str(raised.value).isprintable()
