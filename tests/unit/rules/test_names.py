# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names of published files: threat N1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.rules.names import NameRefused, check_component


@pytest.mark.parametrize(
    "name",
    ["a", "gdb-15.2.x86-64.raw", "SHA256SUMS", "BEST-BEFORE-2026-11-01", "x_1+2~rc1^git:3@4=5", "a" * 255, "_", "0"],
)
def test_taken(name: str) -> None:
    assert check_component(name) == name


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("", "an empty one"),
        (".", "'.'"),
        ("..", "'.'"),
        ("../x", "'.'"),
        ("a/b", "'/'"),
        ("/a", "'/'"),
        ("a..b", "'..'"),
        (".hidden", "'.'"),
        ("-rf", "'-'"),
        ("a b", "' '"),
        ("a\0b", "'\\x00'"),
        ("a\nb", "'\\n'"),
        ("a\n", "'\\n'"),
        ("a\\b", "'\\\\'"),
        ("a\x7f", "'\\x7f'"),
        ("\u00e9", "'\\xe9'"),
        ("a\u202e", "'\\u202e'"),
        ("a\udcff", "'\\udcff'"),
        ("a%2fb", "'%'"),
        ("a*", "'*'"),
        ("a$b", "'$'"),
        ("a,b", "','"),
        ("a" * 256, "256"),
    ],
)
def test_refused(name: str, found: str) -> None:
    with pytest.raises(NameRefused) as caught:
        check_component(name)
    assert found in str(caught.value)
    assert "expected" in str(caught.value)
    assert str(caught.value).isprintable(), "it goes to a terminal and a log"
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TukitSysextError)


@given(st.text())
def test_what_is_taken_is_one_component(name: str) -> None:
    try:
        check_component(name)
    except NameRefused:
        return
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set("/\\\0 ")
    assert name not in (".", "..")
