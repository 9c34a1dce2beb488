# SPDX-License-Identifier: LGPL-2.1-or-later
"""SHA256SUMS: what is read, what is passed over, what is refused (threats N1 and N3), when a list goes stale."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukit_sysext.errors import ImageBroken
from tukit_sysext.formats.checksums import LIMIT, ListRefused, compose, parse

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
NAMES = {"good.raw": A}


@pytest.mark.parametrize(
    ("text", "skipped"),
    [
        (f"{GOOD}{GOOD}", 0),
        (f"{A.upper()} *good.raw\n{GOOD}", 0),
        (f"{A}  ./good.raw\n", 0),
        (f"{A}  .//./good.raw\n", 0),
        (f"{A}  good.raw\r\n", 0),
        (f"\ufeff{GOOD}", 0),
        (f"{A}  good.raw", 0),
        (f"\n\n{GOOD}\n", 0),
        (f"# signed by hand\n  # and so on\n{GOOD}", 0),
        (f"SHA256 (good.raw) = {A}\n", 0),
        (f"SHA256(good.raw)= {A}\n", 0),
        (f"{A} good.raw\n", 0),
        (f"{A}\tgood.raw\n", 0),
        (f"  {GOOD}", 0),
        (f"\\{GOOD}", 0),
        (f"{GOOD}{B}  a b.raw\n", 1),
        (f"{GOOD}{B}  a[1].raw\n", 1),
        (f"{GOOD}{B}  .hidden.raw\n", 1),
        (f"{GOOD}{B}  -rf.raw\n", 1),
        (f"{GOOD}{B}  a/b.raw\n", 1),
        (f"{GOOD}{B}  /etc/passwd\n", 1),
        (f"{GOOD}{B}  ../up.raw\n", 1),
        (f"{GOOD}{B}  ./../up.raw\n", 1),
        (f"{GOOD}{B}  a..raw\n", 1),
        (f"{GOOD}{B}  caf\u00e9.raw\n", 1),
        (f"{GOOD}{B}  a\x1bb.raw\n{B}  a\0b.raw\n{B}  {'n' * 256}\n", 3),
        (f"{GOOD}\\{B}  a\\nb.raw\n", 1),
        (f"{GOOD}MD5 (good.raw) = {'0' * 32}\nSHA512 (good.raw) = {'0' * 128}\n", 2),
        (f"{GOOD}{'0' * 32}  README\n{B}\nsome words\n", 3),
        (f"{GOOD}{B}   good.raw\n{B}  *good.raw\n", 2),
        (f"{GOOD}{B}  good.raw # not the name\n", 1),
    ],
)
def test_what_sha256sum_reads_is_read_and_foreign_lines_are_counted(text: str, skipped: int) -> None:
    """None of the other names is ever known, so that no path is made of one (threat N1)."""
    listed = parse(text.encode(), where="LIST")
    assert (listed.hashes, listed.skipped) == (NAMES, skipped)


def test_files_of_others_are_known_by_their_names() -> None:
    """A pattern of the configuration may choose any of them."""
    assert read(f"{GOOD}{B}  Tumbleweed.x86_64.iso\n") == {**NAMES, "Tumbleweed.x86_64.iso": B}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{GOOD}{B}  good.raw\n", "line 2: good.raw is listed twice, with two hashes"),
        (f"{GOOD}{B} *./good.raw\r\n", "line 2: good.raw is listed twice"),
        (f"{GOOD}SHA256 (good.raw) = {B}\n", "line 2: good.raw is listed twice"),
        (f"{GOOD}{A}  README\n{B}  README\n", "line 3: README is listed twice"),
        (f"{GOOD}{B[1:]}  short.raw\n", "line 2: short.raw: expected a SHA-256 of 64 hexadecimal digits, found 'bbb"),
        (f"{GOOD}{B}b  long.raw.zst\n", "long.raw.zst: expected a SHA-256"),
        (f"{GOOD}{'g' * 64}  nohex.manifest.gz\n", "nohex.manifest.gz: expected a SHA-256"),
        (f"{GOOD}{'0' * 128}  sha512.raw.json\n", "sha512.raw.json: expected a SHA-256"),
        (f"{GOOD}SHA256 (cut.raw) = {B[:9]}\n", "cut.raw: expected a SHA-256"),
        (f"{GOOD}SHA256 (none.raw) = \n", "none.raw: expected a SHA-256"),
        (f"{GOOD}-  BEST-BEFORE-2020-01-01\n", "BEST-BEFORE-2020-01-01: expected a SHA-256"),
        (f"{GOOD}\x1b[2J  x.raw\n", r"found '\x1b[2J'"),
        ("<!DOCTYPE html>\n<title>Log in</title>\n", "no line of it is HASH  NAME"),
        (f"{'0' * 32}  README\n", "no line of it is HASH  NAME"),
        (f"{GOOD}{EMPTY}  BEST-BEFORE-2026-02-30\n", "names no day"),
        (f"{GOOD}{EMPTY}  BEST-BEFORE-0000-01-01\n", "names no day"),
    ],
)
def test_what_speaks_wrongly_of_a_file_of_ours_refuses_the_whole_list(text: str, words: str) -> None:
    with pytest.raises(ListRefused, match=r"^LIST") as caught:
        read(text)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_name_that_is_not_utf8_is_nobodys() -> None:
    listed = parse(GOOD.encode() + B.encode() + b"  \xff.raw\n", where="LIST")
    assert (listed.hashes, listed.skipped) == (NAMES, 1)


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
    assert len(parsed.hashes) + parsed.skipped <= content.count(b"\n") + 1
    assert all(len(value) == 64 and "/" not in name for name, value in parsed.hashes.items())


def test_what_is_composed_is_what_every_reader_takes() -> None:
    """And so is the day: sha256sum(1) looks for an empty file of that name."""
    content = compose({"b.raw": B, "a.raw": A}, best_before=date(2026, 12, 24))
    assert content == f"{EMPTY}  BEST-BEFORE-2026-12-24\n{A}  a.raw\n{B}  b.raw\n".encode()
    found = parse(content, where="LIST")
    assert (found.best_before, found.skipped, len(found.hashes)) == (date(2026, 12, 24), 0, 3)
