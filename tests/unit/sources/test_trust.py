# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whose lists are believed (threats N8, N10 and N11), with real keys and gpgv."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.lab.signing import SigningKey
from tests.unit.sources.samples import settings, trust
from tukit_sysext.config.keyring import Keyring
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import ImageBroken, SourceUnreachable
from tukit_sysext.formats.gpgv_status import Signature, SignatureCheck

LIST = b"a list\n"
NOW = datetime.now(UTC)


@pytest.fixture
def check(cache: Path) -> Callable[[SourceSettings, bytes | None], str | None]:
    """Who signed LIST with this signature, as a source with these settings sees it."""

    def signer(of: SourceSettings, signature: bytes | None) -> str | None:
        believed = trust(of, cache).check(LIST, lambda: signature, where="LIST")
        return believed.fingerprint if believed is not None else None

    return signer


Check = Callable[[SourceSettings, bytes | None], str | None]


@pytest.mark.parametrize("armoured", [False, True])
@pytest.mark.parametrize("armoured_keyring", [False, True])
def test_a_good_signature(check: Check, key: SigningKey, armoured: bool, armoured_keyring: bool) -> None:
    signature = key.sign(LIST, armoured=armoured)
    assert check(settings(key, armoured=armoured_keyring), signature) == key.fingerprint


def test_a_signature_by_an_rsa_key(check: Check) -> None:
    key = SigningKey.shared("RSA <rsa@localhost>", "rsa2048")
    assert check(settings(key), key.sign(LIST)) == key.fingerprint


@pytest.mark.parametrize("armoured", [False, True])
def test_a_keyring_of_several_keys(check: Check, key: SigningKey, other_key: SigningKey, armoured: bool) -> None:
    content = key.public(armoured) + other_key.public(armoured)
    both = replace(settings(None), keyrings=(Keyring(path="/keys", content=content),))
    assert check(both, key.sign(LIST)) == key.fingerprint
    assert check(both, other_key.sign(LIST)) == other_key.fingerprint


def ring(number: int, content: bytes) -> Keyring:
    return Keyring(path=f"/ring{number}", content=content)


@pytest.mark.parametrize("armoured", [False, True])
def test_all_keyrings_count(check: Check, key: SigningKey, other_key: SigningKey, armoured: bool) -> None:
    rings = (ring(1, other_key.public(armoured)), ring(2, b""), ring(3, key.public()))
    of = replace(settings(None), keyrings=rings)
    assert check(of, key.sign(LIST)) == key.fingerprint
    assert check(of, other_key.sign(LIST)) == other_key.fingerprint
    with pytest.raises(ImageBroken, match=r"is not in the keyring /ring1, /ring2;"):
        check(replace(of, keyrings=rings[:2]), key.sign(LIST))
    with pytest.raises(ImageBroken, match="Fingerprint="):
        check(replace(of, fingerprints=(other_key.fingerprint,)), key.sign(LIST))


@pytest.mark.parametrize("broken", [b"<html>", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!\n", b"KBXf"])
def test_a_keyring_that_is_none_takes_nothing_from_the_others(check: Check, key: SigningKey, broken: bytes) -> None:
    """gpgv looks no further behind one that it cannot read."""
    of = replace(settings(None), keyrings=(ring(1, broken), ring(2, key.public())))
    assert check(of, key.sign(LIST)) == key.fingerprint


def test_what_was_checked_is_remembered_for_these_keyrings_alone(
    check: Check, key: SigningKey, other_key: SigningKey
) -> None:
    both = replace(settings(None), keyrings=(ring(1, other_key.public()), ring(2, key.public())))
    signature = key.sign(LIST)
    assert check(both, signature) == key.fingerprint
    with pytest.raises(ImageBroken, match="is not in the keyring"):
        check(replace(both, keyrings=both.keyrings[:1]), signature)


def test_no_signature(check: Check, key: SigningKey) -> None:
    with pytest.raises(ImageBroken, match="LIST: it is not signed"):
        check(settings(key), None)


@pytest.mark.parametrize("signature", [b"", b"\0", b"nonsense", b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n"])
def test_what_is_no_signature(check: Check, key: SigningKey, signature: bytes) -> None:
    with pytest.raises(ImageBroken, match="LIST: its signature is refused"):
        check(settings(key), signature)


def test_a_signature_of_another_content(check: Check, key: SigningKey) -> None:
    with pytest.raises(ImageBroken, match=r"LIST: its signature is refused: .*another content"):
        check(settings(key), key.sign(b"another list\n"))


def test_a_damaged_signature(check: Check, key: SigningKey) -> None:
    signature = bytearray(key.sign(LIST))
    signature[-1] ^= 0xFF
    with pytest.raises(ImageBroken, match="LIST: its signature is refused"):
        check(settings(key), bytes(signature))


def test_a_signature_by_somebody_else(check: Check, key: SigningKey, other_key: SigningKey) -> None:
    with pytest.raises(
        ImageBroken, match=r"LIST: its signature is refused: the key .* is not in the keyring"
    ) as caught:
        check(settings(key), other_key.sign(LIST))
    assert "/etc/keys.gpg" in (caught.value.next_step or "")


def test_a_key_is_no_signature(check: Check, key: SigningKey) -> None:
    with pytest.raises(ImageBroken, match="its signature is refused"):
        check(settings(key), key.public())


@pytest.mark.parametrize("unknown_first", [False, True])
def test_a_good_one_beside_one_by_an_unknown_key_is_good(
    check: Check, key: SigningKey, other_key: SigningKey, unknown_first: bool
) -> None:
    """A publisher signs with its old and its new key; gpgv's exit status is 2 then."""
    signatures = [key.sign(LIST), other_key.sign(LIST)]
    joined = b"".join(reversed(signatures) if unknown_first else signatures)
    assert check(settings(key), joined) == key.fingerprint


def test_a_good_one_beside_one_of_another_content_is_refused(check: Check, key: SigningKey) -> None:
    with pytest.raises(ImageBroken, match="another content"):
        check(settings(key), key.sign(LIST) + key.sign(b"another"))


@pytest.mark.parametrize("digest", ["MD5", "SHA1"])
def test_a_weak_hash(check: Check, digest: str) -> None:
    key = SigningKey.shared("RSA <rsa@localhost>", "rsa2048")
    with pytest.raises(ImageBroken, match="LIST: its signature is refused"):
        check(settings(key), key.sign(LIST, digest=digest))  # type: ignore[arg-type]  # one of its words


def test_a_signature_of_text(check: Check, key: SigningKey) -> None:
    """Class 0x01: line ends do not count in it, so it is good for other bytes too."""
    with pytest.raises(ImageBroken, match=r"LIST: its signature is refused: .*class 01"):
        check(settings(key), key.sign(LIST, text_mode=True))


def test_a_revoked_key(check: Check, tmp_path: Path) -> None:
    key = SigningKey.make(tmp_path / "key")
    signature = key.sign(LIST)
    assert check(settings(key), signature) == key.fingerprint
    key.revoke()
    with pytest.raises(ImageBroken, match=r"LIST: its signature is refused: the key .* is revoked"):
        check(settings(key), signature)


def test_an_expired_key(check: Check, tmp_path: Path) -> None:
    key = SigningKey.make(tmp_path / "key", expires=NOW - timedelta(days=1))
    with pytest.raises(ImageBroken, match=r"LIST: its signature is refused: the key .* has expired"):
        check(settings(key), key.sign(LIST, time=NOW - timedelta(days=2)))


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=3650)])
def test_a_signature_from_the_future(check: Check, key: SigningKey, ahead: timedelta) -> None:
    """Refused each time, from the cache too."""
    signature = key.sign(LIST, time=NOW + ahead)
    for _ in range(2):
        with pytest.raises(ImageBroken, match="LIST: its signature is from the future"):
            check(settings(key), signature)


def test_a_clock_that_is_a_little_ahead(check: Check, key: SigningKey) -> None:
    assert check(settings(key), key.sign(LIST, time=datetime.now(UTC) + timedelta(seconds=60))) == key.fingerprint


def test_without_a_keyring_nothing_is_believed(check: Check, key: SigningKey) -> None:
    with pytest.raises(ImageBroken, match="LIST: there is no keyring") as caught:
        check(settings(None), key.sign(LIST))
    assert "/etc/web.conf" in (caught.value.next_step or "")


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!\n-----END PGP PUBLIC KEY BLOCK-----\n"],
)
def test_a_keyring_that_is_none(check: Check, key: SigningKey, content: bytes) -> None:
    of = replace(settings(None), keyrings=(Keyring(path="/keys", content=content),))
    with pytest.raises(ImageBroken, match=r"/keys|LIST"):
        check(of, key.sign(LIST))


@pytest.mark.parametrize("signature", [None, b"nonsense"])
def test_the_configuration_alone_switches_signatures_off(
    check: Check, key: SigningKey, signature: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check(settings(None, verify=False), signature) is None
    for name in ("TUKIT_SYSEXT_VERIFY", "VERIFY", "SYSTEMD_IMPORT_VERIFY"):
        monkeypatch.setenv(name, "no")
    with pytest.raises(ImageBroken):
        check(settings(key), signature)


def test_without_verification_the_signature_is_not_asked_for(cache: Path) -> None:
    unverified = trust(settings(None, verify=False), cache)
    assert unverified.check(LIST, lambda: pytest.fail("it was asked for"), where="LIST") is None


def test_a_signature_that_cannot_be_had_is_another_reason(cache: Path, key: SigningKey) -> None:
    def away() -> bytes | None:
        raise SourceUnreachable("no answer")

    with pytest.raises(SourceUnreachable, match="no answer"):
        trust(settings(key), cache).check(LIST, away, where="LIST")


def test_what_was_checked_is_remembered_for_these_bytes_alone(
    check: Check, cache: Path, key: SigningKey, other_key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    signature = key.sign(LIST)
    check(settings(key), signature)
    monkeypatch.setattr("tukit_sysext.sources.trust.check_signature", lambda *_: pytest.fail("gpgv was asked"))
    assert check(settings(key), signature) == key.fingerprint
    monkeypatch.undo()
    with pytest.raises(ImageBroken):
        check(settings(other_key), signature)
    with pytest.raises(ImageBroken):
        check(settings(key), key.sign(b"another"))
    with pytest.raises(ImageBroken, match="is of another content"):
        trust(settings(key), cache).check(b"another", lambda: signature, where="LIST")


def test_what_is_remembered_does_not_outlive_the_key(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock goes on while the keyring stays the same: checked two days ago, expired yesterday (threat N11)."""
    key = SigningKey.make(tmp_path / "key", expires=NOW - timedelta(days=1))
    made = NOW - timedelta(days=3)
    signature = key.sign(LIST, time=made)
    then = SignatureCheck(
        good=(Signature(fingerprint=key.fingerprint, time=int(made.timestamp())),), reasons=(), bad=False
    )
    with monkeypatch.context() as two_days_ago:
        two_days_ago.setattr("time.time", lambda: (NOW - timedelta(days=2)).timestamp())
        two_days_ago.setattr("tukit_sysext.sources.trust.check_signature", lambda *_: then)
        assert check(settings(key), signature) == key.fingerprint
    with pytest.raises(ImageBroken, match="has expired"):
        check(settings(key), signature)


def test_what_a_clock_of_the_future_remembered_is_asked_again(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock was wrong when it was checked, and is right now (threat L14)."""
    key = SigningKey.make(tmp_path / "key", expires=NOW - timedelta(days=1))
    signature = key.sign(LIST, time=NOW - timedelta(days=3))
    good = Signature(fingerprint=key.fingerprint, time=int((NOW - timedelta(days=3)).timestamp()))
    with monkeypatch.context() as next_year:
        next_year.setattr("time.time", lambda: (NOW + timedelta(days=365)).timestamp())
        next_year.setattr(
            "tukit_sysext.sources.trust.check_signature", lambda *_: SignatureCheck(good=(good,), reasons=(), bad=False)
        )
        check(settings(key), signature)
    with pytest.raises(ImageBroken, match="has expired"):
        check(settings(key), signature)


def test_a_pinned_key_alone_counts(check: Check, key: SigningKey, other_key: SigningKey) -> None:
    both = Keyring(path="/keys", content=key.public() + other_key.public())
    of = replace(settings(None), keyrings=(both,), fingerprints=(key.fingerprint,))
    assert check(of, key.sign(LIST)) == key.fingerprint
    assert check(of, other_key.sign(LIST) + key.sign(LIST)) == key.fingerprint
    with pytest.raises(ImageBroken, match=f"expected {key.fingerprint}") as caught:
        check(of, other_key.sign(LIST))
    assert f"Fingerprint={other_key.fingerprint}" in (caught.value.next_step or "")
    either = replace(of, fingerprints=(key.fingerprint, other_key.fingerprint))
    assert check(either, other_key.sign(LIST)) == other_key.fingerprint


def test_a_pin_does_not_make_a_key_known(check: Check, key: SigningKey, other_key: SigningKey) -> None:
    of = replace(settings(key), fingerprints=(other_key.fingerprint,))
    with pytest.raises(ImageBroken, match="is not in the keyring"):
        check(of, other_key.sign(LIST))


def test_pins_count_for_what_is_remembered_of_a_check(check: Check, key: SigningKey, other_key: SigningKey) -> None:
    signature = key.sign(LIST)
    assert check(settings(key), signature) == key.fingerprint
    with pytest.raises(ImageBroken, match="Fingerprint="):
        check(replace(settings(key), fingerprints=(other_key.fingerprint,)), signature)


def test_what_a_withdrawn_key_signed_does_not_lock_the_pinned_one_out(
    cache: Path, aged: SigningKey, other_aged: SigningKey
) -> None:
    both = replace(settings(None), keyrings=(Keyring(path="/keys", content=aged.public() + other_aged.public()),))
    newer, older = other_aged.sign(LIST, time=NOW), aged.sign(LIST, time=NOW - timedelta(days=5))
    first = trust(both, cache)
    first.remember(first.check(LIST, lambda: newer, where="LIST"))
    with pytest.raises(ImageBroken, match="older than"):
        trust(both, cache).check(LIST, lambda: older, where="LIST")
    pinned = replace(both, fingerprints=(aged.fingerprint,))
    assert trust(pinned, cache).check(LIST, lambda: older, where="LIST") is not None


def test_of_two_good_ones_the_newest_counts(check: Check, aged: SigningKey, other_aged: SigningKey) -> None:
    both = replace(settings(None), keyrings=(Keyring(path="/keys", content=aged.public() + other_aged.public()),))
    signatures = aged.sign(LIST, time=NOW) + other_aged.sign(LIST, time=NOW - timedelta(days=90))
    assert check(replace(both, max_age=86400), signatures) == aged.fingerprint
    # who signs in the future can do nothing about those who do not
    signatures = aged.sign(LIST, time=NOW) + other_aged.sign(LIST, time=NOW + timedelta(days=90))
    assert check(both, signatures) == aged.fingerprint


@pytest.mark.parametrize(("days", "good"), [(29, True), (31, False), (2000, False)])
def test_the_age_of_a_signature(check: Check, aged: SigningKey, days: int, good: bool) -> None:
    """Asked each time: it may have come of age in the cache."""
    signature = aged.sign(LIST, time=NOW - timedelta(days=days))
    of = replace(settings(aged), max_age=30 * 86400)
    assert check(settings(aged), signature) == aged.fingerprint
    if good:
        assert check(of, signature) == aged.fingerprint
        return
    with pytest.raises(ImageBroken, match=rf"LIST: signed .*, {days}d.* ago; MaxAge= in /etc/web.conf allows 30d"):
        check(of, signature)


@pytest.mark.parametrize("verify", [True, False])
def test_in_doubt_nothing_is_believed(check: Check, key: SigningKey, verify: bool) -> None:
    of = replace(settings(key, verify=verify), doubt="/etc/web.conf:3: MaxAge=x: expected a time span")
    with pytest.raises(ImageBroken, match=r"source web is not trusted: /etc/web.conf:3: MaxAge=x"):
        check(of, key.sign(LIST))
