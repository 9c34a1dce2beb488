# SPDX-License-Identifier: LGPL-2.1-or-later
"""Signatures by a key, checked with openssl(1): only a good one counts, and a tool that is broken convicts nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cosigning import CosignPair
from tukit_sysext.errors import ToolBroken
from tukit_sysext.system import openssl
from tukit_sysext.system.control import Control
from tukit_sysext.system.openssl import is_signed, try_openssl


@pytest.fixture(params=["ec", "rsa"])
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> CosignPair:
    return CosignPair.make(tmp_path, kind=request.param)


def test_a_signature(pair: CosignPair) -> None:
    assert is_signed(b"content", pair.sign(b"content"), pair.public)
    assert not is_signed(b"content\n", pair.sign(b"content"), pair.public)


def test_by_another_key(pair: CosignPair, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = CosignPair.make(tmp_path / "other")
    assert not is_signed(b"content", other.sign(b"content"), pair.public)


@pytest.mark.parametrize("signature", [b"", b"x", b"\x30" * 72, bytes(4096)])
def test_what_is_no_signature(pair: CosignPair, signature: bytes) -> None:
    assert not is_signed(b"content", signature, pair.public)


@pytest.mark.parametrize("key", [b"", b"x", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key(pair: CosignPair, key: bytes) -> None:
    assert not is_signed(b"content", pair.sign(b"content"), key)


def test_what_is_known_to_be_good() -> None:
    try_openssl()


@pytest.mark.parametrize(
    "script",
    [
        "#!/bin/sh\nexit 0\n",
        "#!/bin/sh\nexit 1\n",
        "#!/bin/sh\nkill -9 $$\n",
        "#!/bin/sh\necho Verified OK; exit 1\n",
    ],
)
def test_one_that_does_not_work_convicts_nobody(
    pair: CosignPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    broken = tmp_path / "openssl"
    broken.write_text(script)
    broken.chmod(0o755)
    monkeypatch.setattr(openssl, "OPENSSL", str(broken))
    monkeypatch.setattr(openssl, "CONTROL", Control())
    with pytest.raises(ToolBroken):
        is_signed(b"content", pair.sign(b"content"), pair.public)


def test_one_that_is_not_installed(pair: CosignPair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl, "OPENSSL", "/nowhere/openssl")
    monkeypatch.setattr(openssl, "CONTROL", Control())
    with pytest.raises(ToolBroken, match="/nowhere/openssl"):
        is_signed(b"content", b"x", pair.public)
