# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which keys a file has: the same that gpg(1) tells of it, and nothing at all of what is no file of public keys."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.lab.signing import SigningKey
from tukit_sysext.formats.openpgp import dearmour, fingerprint, public_keys


@pytest.mark.parametrize("algorithm", ["ed25519", "rsa2048"])
@pytest.mark.parametrize("armoured", [True, False])
def test_a_key(algorithm: str, armoured: bool) -> None:
    key = SigningKey.shared("RSA <rsa@localhost>" if algorithm == "rsa2048" else "Lab <lab@localhost>", algorithm)  # type: ignore[arg-type]  # one of its words
    (found,) = public_keys(dearmour(key.public(armoured)))
    assert (found.fingerprint, found.user_ids, found.subkeys) == (key.fingerprint, (key.name,), ())


def test_several_keys() -> None:
    keys = [SigningKey.shared(), SigningKey.shared("Somebody else <else@localhost>")]
    found = public_keys(b"".join(key.public() for key in keys))
    assert [key.fingerprint for key in found] == [key.fingerprint for key in keys]


def test_subkeys(tmp_path: Path) -> None:
    key = SigningKey.make(tmp_path / "key")
    subkey = key.add_subkey()
    (found,) = public_keys(key.public())
    assert (found.fingerprint, found.subkeys) == (key.fingerprint, (subkey,))


def test_a_secret_key_is_refused(tmp_path: Path) -> None:
    key = SigningKey.make(tmp_path / "key")
    argv = ["gpg", "--batch", "--homedir", str(key.folder), "--pinentry-mode", "loopback", "--passphrase", ""]
    environment = {"PATH": "/usr/bin:/bin", "GNUPGHOME": str(key.folder)}
    secret = subprocess.run([*argv, "--export-secret-keys"], capture_output=True, env=environment, check=True).stdout
    subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=environment, check=False)
    for content in (secret, key.public() + secret):
        with pytest.raises(ValueError, match="a secret key"):
            public_keys(content)


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"\x00" * 32 + b"KBXf", b"\x99\x00", b"\x99\xff\xff\x04", b"\xc6\xff"]
)
def test_what_is_no_key(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        public_keys(content)


def test_a_signature_is_no_key() -> None:
    with pytest.raises(ValueError, match="type 2"):
        public_keys(SigningKey.shared().sign(b"list"))


def test_a_key_that_is_cut_off() -> None:
    content = SigningKey.shared().public()
    for size in range(1, 50):
        with pytest.raises(ValueError, match=r"."):
            public_keys(content[:size])


def test_a_name_does_not_command_a_terminal() -> None:
    content = SigningKey.shared().public()
    name = "\x1b]0;evil\x07 \u202e x".encode()
    (found,) = public_keys(content + b"\xcd" + bytes([len(name)]) + name)
    assert all(user_id.isprintable() for user_id in found.user_ids)


@given(st.binary(max_size=300))
@example(b"\xc6\x01\x04")
@example(b"\xc6\xff\xff\xff\xff\xff")
@example(b"\x9b\x04")
def test_whatever_comes_is_keys_or_a_reason(content: bytes) -> None:
    try:
        found = public_keys(content)
    except ValueError as error:
        assert str(error).isprintable()
    else:
        assert all(len(key.fingerprint) in (40, 64) for key in found)


@pytest.mark.parametrize("text", ["ab" * 20, "0x" + "AB" * 20, "ABAB " * 10, " 0X" + "ab" * 32])
def test_fingerprints_as_people_write_them(text: str) -> None:
    assert fingerprint(text) in ("AB" * 20, "AB" * 32)


@pytest.mark.parametrize("text", ["", "ABCD1234ABCD1234", "AB" * 19, "AB" * 21, "GG" * 20, "\u0661" * 40])
def test_what_is_no_fingerprint(text: str) -> None:
    with pytest.raises(ValueError, match="whole fingerprint"):
        fingerprint(text)


def test_a_key_with_very_many_names_takes_no_more_time_than_reading_it() -> None:
    """As a file of 4 MiB may have them; tests/fuzz measures how the time grows."""
    (key,) = public_keys(b"\x99\x00\x05\x04abcd" + b"\xb4\x00" * 500_000)
    assert len(key.user_ids) == 500_000
