# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reading os-release and extension-release. That systemd reads it so is shown by tests/truth/test_matching.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.images import release_text
from tukit_sysext.rules.release import ReleaseData, ReleaseProblem, parse

KEYS = st.from_regex(r"[A-Z_][A-Z0-9_]{0,10}", fullmatch=True)


def test_keeps_unknown_keys_in_their_order() -> None:
    data = parse("Z_NEW=1\nID=opensuse-leap\nA_OTHER='two words'\n")
    assert list(data.items()) == [("Z_NEW", "1"), ("ID", "opensuse-leap"), ("A_OTHER", "two words")]
    assert data.problems == ()
    assert data.refused is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("K=v", "v"),
        ("K=", ""),
        ("K=v\n", "v"),
        ("  K = v  \n", "v"),
        ("K=two words\n", "two words"),
        ("K='a b'", "a b"),
        ('K="a b"', "a b"),
        ("K=\"a\"'b'c", "abc"),
        ('K="a" b', "ab"),
        ("K=a'b'", "a'b'"),
        (r'K="\"\\\`\$\n"', r'"\`$\n'),
        (r"K='\"'", r"\""),
        (r"K=a\ b\c", "a bc"),
        ("K=a\\\nb", "ab"),
        ('K="a\\\nb"', "ab"),
        ("K='a\nb'", "a\nb"),
        ("K=a\\ \n", "a "),
        ("K=a # b", "a # b"),
        ("K=a\r\nL=b", "a"),
        ("K=$HOME", "$HOME"),
        ("K=x\nK=v", "v"),
        ("K=x\nK=", ""),
        ("# K=x\n;K=y\nK=v", "v"),
        ("# ends in a backslash \\\nK=v", "v"),
    ],
)
def test_value(text: str, value: str) -> None:
    data = parse(text)
    assert data["K"] == value
    assert data.problems == ()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("ID=x\nnonsense\nN=y\n", 2, "no = in it, ignored"),
        ("ID=x\nexport N=y\n", 2, "'export N' is no key, ignored"),
        ("=x\nID=x", 1, "'' is no key, ignored"),
        ("\ufeffN=y\nID=x\n", 1, "'\\ufeffN' is no key, ignored"),
        ('\n\nID="x', 3, 'the quotation mark " is not closed'),
        ("ID=x\nN='\nM=1\n", 2, "the quotation mark ' is not closed"),
        ("A='1\n2'\nID=x\nnonsense", 4, "no = in it, ignored"),
    ],
)
def test_problems_have_their_line(text: str, line: int, message: str) -> None:
    data = parse(text)
    assert data.problems == (ReleaseProblem(line=line, message=message),)
    assert str(data.problems[0]) == f"line {line}: {message}"
    assert data["ID"] == "x"
    assert data.refused is None


def test_what_systemd_would_not_read_is_refused() -> None:
    broken = parse(b"ID=x\nNAME=\xff\n".decode("utf-8", "surrogateescape"))
    assert broken.refused == "is not UTF-8 in line 2"
    assert broken.problems == (ReleaseProblem(line=2, message="not UTF-8"),)
    assert parse("ID=x\n# \0").refused == "holds a NUL character"
    assert parse("ID=x\n# \udcff\n").refused is None, "systemd does not look into comments"


def test_is_a_value() -> None:
    data = parse("ID=x\nN=y\n")
    assert data == ReleaseData({"ID": "x", "N": "y"})
    assert hash(data) == hash(ReleaseData({"ID": "x", "N": "y"}))
    with pytest.raises((AttributeError, TypeError)):
        data.refused = "no"  # type: ignore[misc]
    with pytest.raises(TypeError):
        data.assigned["ID"] = "z"  # type: ignore[index]


def test_does_not_follow_the_mapping_it_was_made_of() -> None:
    source = {"ID": "x"}
    data = ReleaseData(source)
    source["ID"] = "y"
    assert data["ID"] == "x"


@given(st.text())
def test_takes_any_text(text: str) -> None:
    data = parse(text)
    assert all(problem.line >= 1 for problem in data.problems)


@given(st.text(alphabet="AB=\"'\\\n\r #;$` \t\0\udc80", max_size=40))
def test_takes_any_text_of_what_means_something(text: str) -> None:
    parse(text)


@given(st.binary(max_size=200))
def test_takes_any_bytes(content: bytes) -> None:
    parse(content.decode("utf-8", "surrogateescape"))


@given(st.dictionaries(KEYS, st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"))))
def test_reads_what_was_quoted(keys: dict[str, str]) -> None:
    assert dict(parse(release_text(keys))) == keys
