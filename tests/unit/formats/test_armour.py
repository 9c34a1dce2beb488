# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keyrings with and without ASCII armour."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.signing import SigningKey
from tukit_sysext.formats.openpgp import dearmour

BEGIN, END = b"-----BEGIN PGP PUBLIC KEY BLOCK-----", b"-----END PGP PUBLIC KEY BLOCK-----"
KEYS = bytes(range(256))


def armoured(content: bytes = KEYS, *, headers: bytes = b"", checksum: bytes = b"=abcd\n", width: int = 64) -> bytes:
    text = base64.b64encode(content)
    body = b"".join(text[start : start + width] + b"\n" for start in range(0, len(text), width))
    return BEGIN + b"\n" + headers + b"\n" + body + checksum + END + b"\n"


def test_a_real_key_of_gpg() -> None:
    key = SigningKey.shared()
    assert dearmour(key.public(armoured=True)) == key.public()
    assert dearmour(key.public()) == key.public()


@pytest.mark.parametrize(
    "content",
    [
        armoured(),
        armoured(headers=b"Version: GnuPG v2\nComment: a key\n"),
        armoured(checksum=b""),
        armoured(width=76),
        armoured().replace(b"\n", b"\r\n"),
        armoured(headers=b"Version: x\n").replace(b"\n", b"\r\n"),
        armoured(headers=b"Version: x\n \t"),
        b"pub ed25519 2026-11-01\nuid Somebody\n\n" + armoured() + b"trailing words\n",
    ],
)
def test_armour_is_taken_off(content: bytes) -> None:
    assert dearmour(content) == KEYS


@pytest.mark.parametrize("length", [1, 2, 3, 47, 48, 49])
def test_padding_at_the_end_is_no_checksum(length: int) -> None:
    assert dearmour(armoured(KEYS[:length])) == KEYS[:length]
    assert dearmour(armoured(KEYS[:length], checksum=b"")) == KEYS[:length]


def test_several_blocks_are_one_keyring() -> None:
    assert dearmour(armoured(b"one") + b"\n" + armoured(b"two", headers=b"Version: x\n")) == b"onetwo"


@pytest.mark.parametrize(
    "content",
    [
        BEGIN + b"\n\n!!!!\n" + END + b"\n",
        BEGIN + b"\n\nAAA\n" + END + b"\n",
        BEGIN + b"\n\n" + END + b"\n",
        armoured()[: -len(END) - 1],
        b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n",
        b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n-----END PGP PRIVATE KEY BLOCK-----\n",
    ],
)
def test_damaged_armour_is_told(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"armour|no public key"):
        dearmour(content)


@pytest.mark.parametrize("content", [b"", b"\x98\x33\x04", b"nonsense"])
def test_what_has_no_armour_is_left_as_it_is(content: bytes) -> None:
    assert dearmour(content) == content


@given(st.binary(min_size=1, max_size=300), st.sampled_from([b"", b"Version: x\n", b"Comment: a: b\nHash: c\n"]))
def test_there_and_back(content: bytes, headers: bytes) -> None:
    assert dearmour(armoured(content, headers=headers)) == content


@given(st.binary(max_size=200))
def test_nothing_but_its_own_error(content: bytes) -> None:
    for text in (BEGIN + b"\n" + content + END, BEGIN + content, content):
        try:
            dearmour(text)
        except ValueError:
            continue


def test_a_block_without_an_end_is_damaged() -> None:
    """Also many of them, in no more time than reading them takes: --key takes any file."""
    begin = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
    for content in (begin, begin * 100_000):
        with pytest.raises(ValueError, match="has no end"):
            dearmour(content)
