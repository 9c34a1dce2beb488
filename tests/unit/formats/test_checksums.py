# SPDX-License-Identifier: LGPL-2.1-or-later
"""SHA256SUMS: threats N1 and N3, and the day when a list goes stale."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukit_sysext.errors import ImageBroken
from tukit_sysext.formats.checksums import LIMIT, ListRefused, parse

A, B = "a" * 64, "b" * 64
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def read(text: str) -> dict[str, str]:
    return dict(parse(text.encode(), where="LIST").hashes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        (f"{A}  gdb-15.2.x86-64.raw\n", {"gdb-15.2.x86-64.raw": A}),
        (f"{A} *gdb-15.2.x86-64.raw\n", {"gdb-15.2.x86-64.raw": A}),
        (f"{A.upper()}  x.raw\n", {"x.raw": A}),
        (f"{A}  x.raw\n{B} *y~rc1^1.raw\n", {"x.raw": A, "y~rc1^1.raw": B}),
        (f"{A}  x.raw\n{A}  y.raw\n", {"x.raw": A, "y.raw": A}),
    ],
)
def test_both_line_styles_are_read(text: str, expected: dict[str, str]) -> None:
    assert read(text) == expected


GOOD = f"{A}  good.raw\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{GOOD}{B}  cut.ra", "cut off"),
        (f"{GOOD}{B}  twice.raw\n{B}  twice.raw\n", "line 3: twice.raw is listed twice"),
        (f"{GOOD}{A}  good.raw\n", "listed twice"),
        (f"{GOOD}{B}  good.raw\n", "listed twice"),
        (f"{GOOD}{B}  win.raw\r\n", "line 2"),
        (f"{GOOD}\n", "line 2: expected HASH"),
        (f"{GOOD}{B} one.raw\n", "expected HASH"),
        (f"{GOOD}{B}\tone.raw\n", "expected HASH"),
        (f"{GOOD}{B}  \n", "expected HASH"),
        (f"{GOOD}{B[1:]}  short.raw\n", "expected HASH"),
        (f"{GOOD}{B}b  long.raw\n", "expected HASH"),
        (f"{GOOD}{'g' * 64}  nohex.raw\n", "expected HASH"),
        (f"{GOOD}\\{B}  escaped\n", "expected HASH"),
        (f"{GOOD}{B}  ../up.raw\n", "line 2"),
        (f"{GOOD}{B}  a/b.raw\n", "'/'"),
        (f"{GOOD}{B}  .hidden\n", "line 2"),
        (f"{GOOD}{B}  -rf\n", "line 2"),
        (f"{GOOD}{B}  a b.raw\n", "' '"),
        (f"{GOOD}{B}  a\0b\n", "line 2"),
        (f"{GOOD}{B}  a\x1bb\n", "line 2"),
        (f"{GOOD}{B}  {'n' * 256}\n", "255"),
        (f"{GOOD}{B}  caf\u00e9.raw\n", "line 2"),
        (f"{GOOD}{EMPTY}  BEST-BEFORE-2026-02-30\n", "names no day"),
        (f"{GOOD}{EMPTY}  BEST-BEFORE-0000-01-01\n", "names no day"),
    ],
)
def test_one_bad_line_refuses_the_whole_list(text: str, words: str) -> None:
    with pytest.raises(ListRefused, match=r"^LIST") as caught:
        read(text)
    assert words in str(caught.value)


def test_a_name_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(ListRefused, match="line 1"):
        parse(A.encode() + b"  \xff.raw\n", where="LIST")


def test_a_list_that_is_too_large_is_refused() -> None:
    line = f"{A}  x.raw\n".encode()
    with pytest.raises(ListRefused, match="larger than"):
        parse(line * (LIMIT // len(line) + 1), where="LIST")


def test_best_before() -> None:
    assert parse(f"{EMPTY}  BEST-BEFORE-2026-11-30\n".encode(), where="L").best_before == date(2026, 11, 30)
    assert parse(GOOD.encode(), where="L").best_before is None


def test_of_several_days_the_first_counts() -> None:
    text = "".join(f"{EMPTY} *BEST-BEFORE-{day}\n" for day in ("2027-01-01", "2026-11-30", "2028-01-01"))
    assert parse(text.encode(), where="L").best_before == date(2026, 11, 30)


def test_a_file_that_only_looks_like_a_day_is_none() -> None:
    assert parse(f"{A}  BEST-BEFORE-2026-11-30\n".encode(), where="L").best_before is None


_LINES = st.sampled_from([f"{A}  x\n", f"{EMPTY} *BEST-BEFORE-2026-01-01\n", "\n", f"{B}  ", "z\n", f"{A} *..\n"])


@given(st.one_of(st.binary(max_size=200), st.lists(_LINES, max_size=5).map(lambda lines: "".join(lines).encode())))
def test_raises_nothing_but_its_own_error(content: bytes) -> None:
    try:
        parsed = parse(content, where="LIST")
    except ImageBroken:
        return
    assert len(parsed.hashes) == content.count(b"\n")
    assert all(len(value) == 64 and "/" not in name for name, value in parsed.hashes.items())
