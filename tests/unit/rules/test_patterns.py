# SPDX-License-Identifier: LGPL-2.1-or-later
"""MatchPattern=: what is none, what is expanded, and that it ends. What it sees, tests/truth asks sysupdate."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.published_names import NAMES, SYSTEM, PublishedName
from tukit_sysext.rules.patterns import Pattern, check_named_pattern, check_pattern, expand, specifiers

VALUES = specifiers(SYSTEM, architecture="x86-64", kernel="6.12.0-1-default")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gcc.raw", "with @v"),
        ("", "with @v"),
        ("a-@v-@v.raw", "@v twice"),
        ("a-@v@a.raw", "between @v and @a"),
        ("a-@v-@x.raw", "found @x"),
        ("a-@v.raw@", "found @"),
        ("a-@v*.raw", "'*'"),
        ("a-[0-9]-@v.raw", "'['"),
        ("a/@v.raw", "without /"),
        ("\u00e4-@v.raw", "'\\xe4'"),
        ("a-@v-%b.raw", "'%b'"),
        ("a-@v.raw%", "'%'"),
    ],
)
def test_no_pattern(text: str, found: str) -> None:
    with pytest.raises(ValueError, match=r"^expected ") as caught:
        check_pattern(text)
    assert found in str(caught.value)


def test_a_source_has_to_know_the_name() -> None:
    assert check_named_pattern("gcc-13-@v-%a.raw") == "gcc-13-@v-%a.raw"
    for text in ("@v.raw", "-@v.raw"):
        assert check_pattern(text) == text
        with pytest.raises(ValueError, match="name of an image before the first wildcard"):
            check_named_pattern(text)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("a-@v-%a.raw", "a-@v-x86-64.raw"),
        ("%o-%w-@v.raw", "fedora-42-@v.raw"),
        ("a-@v-%v%%.raw", "a-@v-6.12.0-1-default%.raw"),
        ("a-@v%A%B%M%W.raw", "a-@v.raw"),
    ],
)
def test_specifiers_are_expanded_first(text: str, expanded: str) -> None:
    assert expand(text, VALUES) == expanded


def test_a_wildcard_is_no_specifier() -> None:
    """@a is a flag, %a the architecture."""
    assert Pattern.parse("x_@v_@a.raw").match("x_1_x86-64.raw") is None
    matched = Pattern.parse(expand("x_@v_%a.raw", VALUES)).match("x_1_x86-64.raw")
    assert matched is not None
    assert (matched.version, matched.sha256) == ("1", None)


@pytest.mark.parametrize("row", [row for row in NAMES if row.pattern], ids=lambda row: row.file)
def test_what_publishers_have(row: PublishedName) -> None:
    pattern = Pattern.parse(expand(row.pattern, VALUES))
    matched = pattern.match(row.file)
    assert (matched.version if matched is not None else "") == (row.version if row.seen is None else row.seen)
    assert pattern.name == row.name


def test_a_hash_in_a_name() -> None:
    matched = Pattern.parse("x-@v-@h.raw").match(f"x-1-{'AB' * 32}.raw")
    assert matched is not None
    assert matched.sha256 == "ab" * 32


def test_it_is_linear() -> None:
    """A pattern and a name made to be tried again and again."""
    pattern = Pattern.parse("-".join(f"a@{letter}" for letter in "vudlhsmtgraf") + "-b.raw")
    begun = time.process_time()
    for _ in range(1000):
        assert pattern.match("a1-" * 5000) is None
    assert time.process_time() - begun < 2


@given(st.text(alphabet="a1-.@v%", max_size=12), st.text(alphabet="a1-.", max_size=12))
def test_whatever_comes(text: str, name: str) -> None:
    try:
        pattern = Pattern.parse(text.replace("%", ""))
    except ValueError:
        return
    matched = pattern.match(name)
    assert matched is None or matched.version in name
