# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whose signatures count, of which keyring, and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.lab.signing import SigningKey
from tests.unit.sources.samples import settings
from tukit_sysext.config.keyring import Keyring
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.formats.openpgp import public_keys
from tukit_sysext.sources.trusted_keys import trusted_keys

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


def source(*contents: bytes, pins: tuple[str, ...] | None = None) -> SourceSettings:
    rings = tuple(Keyring(path=f"/ring{number}", content=content) for number, content in enumerate(contents))
    return replace(settings(None), keyrings=rings, fingerprints=pins)


@pytest.fixture(scope="module")
def expiring(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.make(tmp_path_factory.mktemp("key"), expires=NOW + 40 * DAY)


def expiry(content: bytes) -> datetime | None:
    (key,) = public_keys(content)
    return datetime.fromtimestamp(key.expires, UTC) if key.expires is not None else None


def test_when_a_key_expires(expiring: SigningKey) -> None:
    assert expiry(SigningKey.shared().public()) is None
    assert expiry(expiring.public()) == NOW + 40 * DAY


def test_what_the_newest_signature_of_the_key_says_counts(tmp_path: Path) -> None:
    """A publisher extends a key; the old signature stays in what is exported."""
    key = SigningKey.make(tmp_path / "key", created=NOW - 20 * DAY, expires=NOW + 5 * DAY)
    before = key.public()
    key.extend(NOW + 400 * DAY)
    assert expiry(before) == NOW + 5 * DAY
    assert expiry(key.public()) == NOW + 400 * DAY


def test_of_a_key_that_others_certified_they_do_not_count(expiring: SigningKey, tmp_path: Path) -> None:
    other = SigningKey.make(tmp_path / "key")
    assert expiry(other.certify(expiring.public())) == NOW + 40 * DAY


@pytest.mark.parametrize(
    ("primary", "subkey", "end"), [(None, 9, None), (20, 9, 20), (20, None, 20), (None, None, None)]
)
def test_a_primary_key_that_signs_does_so_as_long_as_it_is_good(
    tmp_path: Path, primary: int | None, subkey: int | None, end: int | None
) -> None:
    key = SigningKey.make(tmp_path / "key", expires=NOW + primary * DAY if primary is not None else None)
    key.add_subkey(expires=NOW + subkey * DAY if subkey is not None else None)
    found = expiry(key.public())
    assert found == (NOW + end * DAY if end is not None else None)


@pytest.mark.parametrize(("primary", "subkey", "end"), [(None, 9, 9), (5, 9, 5), (20, 9, 9), (None, None, None)])
def test_a_primary_key_that_only_certifies(
    tmp_path: Path, primary: int | None, subkey: int | None, end: int | None
) -> None:
    """Its subkeys sign: when the last of them is over, nothing is signed any more."""
    until = NOW + primary * DAY if primary is not None else None
    key = SigningKey.make(tmp_path / "key", expires=until, usage="cert")
    key.add_subkey(expires=NOW + 3 * DAY)
    key.add_subkey(expires=NOW + subkey * DAY if subkey is not None else None)
    found = expiry(key.public())
    assert found == (NOW + end * DAY if end is not None else None)


def test_each_key_is_of_the_keyrings_that_have_it() -> None:
    one, two = SigningKey.shared(), SigningKey.shared("Somebody else <else@localhost>")
    trusted = trusted_keys(source(one.public(), two.public(armoured=True) + one.public(armoured=True)), 0)
    assert [(each.key.fingerprint, each.keyrings) for each in trusted.keys] == [
        (one.fingerprint, ("/ring0", "/ring1")),
        (two.fingerprint, ("/ring1",)),
    ]
    assert trusted.keyrings_of(two.fingerprint) == ("/ring1",)
    assert trusted.keyrings_of("0" * 40) == ()
    assert (trusted.problems, trusted.warnings) == ((), ())


def test_pinned_keys_alone_count_and_one_that_no_keyring_has_is_named() -> None:
    one, two = SigningKey.shared(), SigningKey.shared("Somebody else <else@localhost>")
    trusted = trusted_keys(source(one.public(), two.public(), pins=(two.fingerprint, "F" * 40)), 0)
    assert [each.key.fingerprint for each in trusted.keys] == [two.fingerprint]
    assert trusted.problems == (f"/ring0, /ring1 has no key {'F' * 40} (Fingerprint=)",)


def test_a_keyring_that_cannot_be_told_is_named_and_the_others_count() -> None:
    one = SigningKey.shared()
    trusted = trusted_keys(source(b"<html>", one.public()), 0)
    assert [each.keyrings for each in trusted.keys] == [("/ring1",)]
    (problem,) = trusted.problems
    assert problem.startswith("/ring0: whose keys they are cannot be told")


@pytest.mark.parametrize(("days", "words"), [(0, ""), (9, ""), (11, "expires on"), (41, "expired on")])
def test_a_key_is_told_of_before_it_expires(expiring: SigningKey, days: int, words: str) -> None:
    """A month before; where another key goes on there is nothing to do."""
    now = (NOW + days * DAY).timestamp()
    trusted = trusted_keys(source(expiring.public()), now)
    assert [words in text for text in (*trusted.problems, *trusted.warnings)] == ([True] if words else [])
    assert bool(trusted.problems) is (days > 40)
    both = trusted_keys(source(expiring.public(), SigningKey.shared().public()), now)
    assert (both.problems, both.warnings) == ((), ())
