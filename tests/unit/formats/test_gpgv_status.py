# SPDX-License-Identifier: LGPL-2.1-or-later
"""gpgv's status lines: what counts as a good signature (threats N10 and N11)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tukit_sysext.formats.gpgv_status import Signature, SignatureCheck, judge

FINGERPRINT, PRIMARY, KEY = "A" * 40, "B" * 40, "A" * 16
GOOD = f"GOODSIG {KEY} Somebody <some@body>"


def valid(made: str = "1793527200", digest: str = "10", kind: str = "00", primary: str | None = PRIMARY) -> str:
    words = ["VALIDSIG", FINGERPRINT, "2026-11-01", made, "0", "4", "0", "22", digest, kind]
    return " ".join(words + ([primary] if primary else []))


def lines(*status: str) -> str:
    return "".join(f"[GNUPG:] {line}\n" for line in status)


def reason(*status: str) -> str:
    """Why a single signature is none."""
    judged = judge(lines("NEWSIG", *status))
    assert judged.good == ()
    (only,) = judged.reasons
    return only


def test_a_good_signature() -> None:
    judged = judge(
        lines("NEWSIG", f"KEY_CONSIDERED {PRIMARY} 0", "SIG_ID x 2026-11-01 1", GOOD, valid(), "TRUST_ULTIMATE")
    )
    assert judged == SignatureCheck(good=(Signature(fingerprint=PRIMARY, time=1793527200),), reasons=(), bad=False)


def test_a_key_without_subkeys() -> None:
    assert judge(lines("NEWSIG", GOOD, valid(primary=None))).good[0].fingerprint == FINGERPRINT


@pytest.mark.parametrize("digest", ["8", "9", "10"])
def test_strong_hashes(digest: str) -> None:
    assert len(judge(lines("NEWSIG", GOOD, valid(digest=digest))).good) == 1


@pytest.mark.parametrize("digest", ["1", "2", "3", "11", "0", "99", "x", "08"])
def test_weak_and_unknown_hashes(digest: str) -> None:
    assert "weak hash" in reason(GOOD, valid(digest=digest))


@pytest.mark.parametrize("kind", ["01", "02", "10", "1F", "0", "40"])
def test_signatures_of_something_else_than_a_binary_document(kind: str) -> None:
    assert judge(lines("NEWSIG", GOOD, valid(kind=kind))).good == ()


@pytest.mark.parametrize("made", ["", "20261101T120000", "-1", "1.5", "\u0661", "9" * 5000])
def test_a_time_that_cannot_be_read(made: str) -> None:
    """gpgv may write ISO 8601 (doc/DETAILS); int() takes no more than 4300 digits."""
    assert judge(lines("NEWSIG", GOOD, valid(made=made))).good == ()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (f"EXPSIG {KEY} Somebody", "the signature has expired"),
        (f"EXPKEYSIG {KEY} Somebody", f"the key {KEY} has expired"),
        (f"REVKEYSIG {KEY} Somebody", f"the key {KEY} is revoked"),
        (f"BADSIG {KEY} Somebody", f"the signature by {KEY} is of another content"),
        (f"ERRSIG {KEY} 22 10 00 1793527200 4", f"the signature by {KEY} cannot be checked"),
        ("NODATA 4", "there is no signature"),
    ],
)
@pytest.mark.parametrize("also", [(), (valid(),), (GOOD, valid())])
def test_a_failure_is_one_whatever_else_is_said(status: str, words: str, also: tuple[str, ...]) -> None:
    """gpgv gives VALIDSIG beside EXPKEYSIG and REVKEYSIG."""
    assert words in reason(status, *also)


def test_a_key_that_is_not_known() -> None:
    told = reason(f"ERRSIG {KEY} 22 10 00 1793527200 9 {FINGERPRINT}", f"NO_PUBKEY {KEY}")
    assert told == f"the key {KEY} is not in the keyring"


@pytest.mark.parametrize("status", [GOOD, valid(), "TRUST_ULTIMATE", "SIG_ID x", f"NO_PUBKEY {KEY}"])
def test_half_of_what_makes_a_good_one_is_none(status: str) -> None:
    assert judge(lines("NEWSIG", status)).good == ()


def test_good_and_valid_of_two_signatures_make_no_good_one() -> None:
    assert judge(lines("NEWSIG", GOOD, "NEWSIG", valid())).good == ()


@pytest.mark.parametrize("unknown_first", [False, True])
def test_a_good_one_beside_one_by_an_unknown_key(unknown_first: bool) -> None:
    good, unknown = ("NEWSIG", GOOD, valid()), ("NEWSIG", f"ERRSIG {KEY} 22 10 00 1 9 -", f"NO_PUBKEY {KEY}")
    judged = judge(lines(*unknown, *good) if unknown_first else lines(*good, *unknown))
    assert len(judged.good) == 1
    assert not judged.bad
    assert judged.reasons == (f"the key {KEY} is not in the keyring",)


def test_a_good_one_beside_one_of_another_content() -> None:
    judged = judge(lines("NEWSIG", GOOD, valid(), "NEWSIG", f"BADSIG {KEY} x"))
    assert judged.bad


def test_several_good_ones() -> None:
    assert len(judge(lines("NEWSIG", GOOD, valid(), "NEWSIG", GOOD, valid(made="5"))).good) == 2


@pytest.mark.parametrize(
    "output",
    ["", "gpgv: Good signature\n", lines(""), f"NEWSIG\n{GOOD}\n{valid()}\n", f" {lines(f'{GOOD} {valid()}')}"],
)
def test_nothing_said_is_nothing_good(output: str) -> None:
    assert judge(output) == SignatureCheck(good=(), reasons=(), bad=False)


@pytest.mark.parametrize("end", ["\u2028", "\x85", "\x0b", "\x0c", "\x1c", "\r"])
def test_what_a_key_calls_itself_is_no_status(end: str) -> None:
    """gpgv escapes line feeds in user IDs, and not what else may be taken for the end of a line."""
    forged = end.join(f"[GNUPG:] {line}" for line in ("NEWSIG", GOOD, valid()))
    judged = judge(lines("NEWSIG", f"REVKEYSIG {KEY} x{end}{forged}"))
    assert judged.good == ()


_WORDS = st.sampled_from(
    [
        "NEWSIG",
        "GOODSIG",
        "VALIDSIG",
        "ERRSIG",
        "BADSIG",
        "NO_PUBKEY",
        "NODATA",
        "EXPSIG",
        "REVKEYSIG",
        valid(),
        GOOD,
        "10",
    ]
)
_LINE = st.lists(_WORDS | st.text(max_size=8), max_size=12).map(lambda words: "[GNUPG:] " + " ".join(words))


@given(st.text(max_size=200) | st.lists(_LINE, max_size=8).map("\n".join))
@example(lines("NEWSIG", GOOD, valid(made="9" * 5000)))
@example(lines("NEWSIG", "VALIDSIG", "GOODSIG"))
@example(lines("ERRSIG"))
def test_no_text_makes_it_raise(output: str) -> None:
    judged = judge(output)
    assert len(judged.good) <= output.count("VALIDSIG")


@given(st.lists(_LINE, max_size=8))
def test_without_valid_and_good_nothing_is_good(given_lines: list[str]) -> None:
    for word in ("VALIDSIG", "GOODSIG"):
        assert judge("\n".join(line for line in given_lines if word not in line)).good == ()


def test_what_stands_in_the_place_of_a_key_is_told_harmlessly() -> None:
    assert reason("ERRSIG \x9b2J").isprintable()
    assert reason(GOOD, valid(primary="\x9b2J", digest="2")).isprintable()
