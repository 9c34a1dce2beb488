# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keys and signatures of the lab, as gpgv sees them."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.lab.images import ToolFailed
from tests.lab.signing import SigningKey


def gpgv(folder: Path, key: SigningKey, content: bytes, signature: bytes) -> str:
    """The status lines of gpgv."""
    keyring = key.write_keyring(folder / "keyring.gpg")
    (folder / "content").write_bytes(content)
    (folder / "signature").write_bytes(signature)
    argv = ["gpgv", "--status-fd", "1", "--keyring", str(keyring), str(folder / "signature"), str(folder / "content")]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("armoured", [False, True])
@pytest.mark.parametrize("text_mode", [False, True])
def test_gpgv_accepts_a_signature(tmp_path: Path, armoured: bool, text_mode: bool) -> None:
    key = SigningKey.shared()
    signature = key.sign(b"content\n", armoured=armoured, text_mode=text_mode)
    assert signature.startswith(b"-----BEGIN PGP SIGNATURE-----") == armoured
    valid = re.search(r"VALIDSIG (\S+) .* (\d\d) (\S+)$", gpgv(tmp_path, key, b"content\n", signature), re.M)
    assert valid is not None
    assert valid.groups() == (key.fingerprint, "01" if text_mode else "00", key.fingerprint)
    assert "BADSIG" in gpgv(tmp_path, key, b"other\n", signature)


def test_the_public_key_is_binary_or_armoured() -> None:
    key = SigningKey.shared()
    assert key.public(armoured=True).startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----")
    assert not key.public().startswith(b"-")
    assert SigningKey.shared() is key
    assert SigningKey.shared("Another <another@localhost>").fingerprint != key.fingerprint


def test_a_key_of_rsa_and_an_old_digest(tmp_path: Path) -> None:
    key = SigningKey.make(tmp_path / "key", algorithm="rsa2048", name="Old <old@localhost>")
    for digest, number in (("SHA1", 2), ("MD5", 1)):
        signature = key.sign(b"", digest=digest)  # type: ignore[arg-type]
        assert f" 1 {number} 00 " in gpgv(tmp_path, key, b"", signature)
    assert "Old <old@localhost>" in gpgv(tmp_path, key, b"", key.sign(b"", digest="SHA256"))


def test_the_time_of_a_signature(tmp_path: Path) -> None:
    key = SigningKey.make(tmp_path / "key", created=datetime(2020, 1, 1, tzinfo=UTC))
    time = datetime(2021, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert f" 2021-02-03 {int(time.timestamp())} " in gpgv(tmp_path, key, b"", key.sign(b"", time=time))
    future = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3650)
    assert f" {int(future.timestamp())} " in gpgv(tmp_path, key, b"", key.sign(b"", time=future))


def test_an_expired_key(tmp_path: Path) -> None:
    expires = datetime(2021, 1, 1, tzinfo=UTC)
    key = SigningKey.make(tmp_path / "key", expires=expires)
    with pytest.raises(ToolFailed):
        key.sign(b"")
    said = gpgv(tmp_path, key, b"", key.sign(b"", time=expires - timedelta(days=1)))
    assert "EXPKEYSIG" in said
    assert "GOODSIG" not in said


def test_a_revoked_key(tmp_path: Path) -> None:
    key = SigningKey.make(tmp_path / "key")
    signature = key.sign(b"")
    assert "GOODSIG" in gpgv(tmp_path, key, b"", signature)
    key.revoke()
    assert "REVKEYSIG" in gpgv(tmp_path, key, b"", signature)
    with pytest.raises(ToolFailed):
        key.sign(b"")


def test_no_agent_is_left_and_long_paths_do(tmp_path: Path) -> None:
    """The address of a socket has 107 bytes; gpg would fail with a home that is longer."""
    key = SigningKey.make(tmp_path / ("x" * 150) / "key")
    assert key.sign(b"")
    assert not list(key.folder.glob("S.gpg-agent*"))
