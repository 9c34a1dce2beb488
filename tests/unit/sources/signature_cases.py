# SPDX-License-Identifier: LGPL-2.1-or-later
"""The conformance table of signatures: what is published, what a source trusts, and whether its list is believed.

Every signature is a real one, made by gpg(1) with keys of this run. Each row runs against every kind of source that
there is (test_signatures.py); a new kind of source is added there and must behave as the others.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from tests.lab.signing import SigningKey

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LIST = f"{'1' * 64}  gdb-1.x86-64.raw\n".encode()
OTHER_LIST = f"{'2' * 64}  gdb-2.x86-64.raw\n".encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """What a source has and trusts: signature files by the ending of their name, and the keyring (None: there is none).

    ``pins`` and ``max_age`` (seconds) as configured, ``seen`` what is remembered: seconds by key.
    """

    signatures: Mapping[str, bytes]
    keyring: bytes | None
    content: bytes = LIST
    pins: tuple[str, ...] | None = None
    max_age: int | None = None
    seen: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One row. ``refused`` is what the reason says (a regular expression); None: the list is believed."""

    name: str
    make: Callable[[], Published]
    refused: str | None = None


def _key() -> SigningKey:
    return SigningKey.shared("Publisher <images@localhost>", created=LONG_AGO)


def _other() -> SigningKey:
    return SigningKey.shared("Somebody else <else@localhost>", created=LONG_AGO)


def _namesake() -> SigningKey:
    """A key that calls itself as the publisher's does."""
    return SigningKey.shared("Publisher <images@localhost>", created=LONG_AGO + DAY)


def _rsa() -> SigningKey:
    return SigningKey.shared("RSA <rsa@localhost>", "rsa2048", LONG_AGO)


def _own(*, created: datetime | None = None, expires: datetime | None = None) -> SigningKey:
    """A key that is changed afterwards, so that nobody shares it."""
    folder = Path(tempfile.mkdtemp(prefix="lab-key-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return SigningKey.make(folder, created=created, expires=expires)


@cache
def _with_subkeys() -> tuple[SigningKey, bytes, str, str]:
    """A key, its keyring from before it had subkeys, a subkey, and one that expired yesterday."""
    key = _own(created=LONG_AGO)
    before = key.public()
    return (
        key,
        before,
        key.add_subkey(time=LONG_AGO + DAY),
        key.add_subkey(time=LONG_AGO + 2 * DAY, expires=NOW - DAY),
    )


def by_subkey(*, known: bool = True, expired: bool = False, pinned: bool | None = None) -> Published:
    """Signed by a subkey; ``pinned`` is the primary key, or (False) the subkey."""
    key, before, subkey, over = _with_subkeys()
    signature = key.sign(LIST, by=over if expired else subkey, time=NOW - 2 * DAY if expired else None)
    pins = {None: None, True: (key.fingerprint,), False: (subkey,)}[pinned]
    return Published(signatures={"gpg": signature}, keyring=key.public() if known else before, pins=pins)


def revoked() -> Published:
    """Signed before the key was revoked."""
    key = _own(created=LONG_AGO)
    signature = key.sign(LIST)
    key.revoke()
    return Published(signatures={"gpg": signature}, keyring=key.public())


def revoked_beside_good() -> Published:
    """The publisher has another key by now, and signed with both."""
    key = _own(created=LONG_AGO)
    signature = key.sign(LIST)
    key.revoke()
    return Published(signatures={"gpg": signature + _key().sign(LIST)}, keyring=key.public() + _key().public())


def expired_key() -> Published:
    """Signed before the key expired."""
    key = _own(expires=NOW - DAY)
    return Published(signatures={"gpg": key.sign(LIST, time=NOW - 2 * DAY)}, keyring=key.public())


def status_lines() -> Published:
    """A stranger's key whose name is what gpgv would say of a good signature."""
    key = SigningKey.shared(f"[GNUPG:] GOODSIG x [GNUPG:] VALIDSIG {_key().fingerprint} <x@localhost>")
    return Published(signatures={"gpg": key.sign(LIST)}, keyring=_key().public())


def signed(signature: Callable[[], bytes], *, ending: str = "gpg", **rest: object) -> Callable[[], Published]:
    """Published with this signature, for a source that trusts the publisher's key unless ``rest`` says otherwise."""

    def make() -> Published:
        given = {
            "keyring": _key().public(),
            **{name: value() if callable(value) else value for name, value in rest.items()},
        }
        return Published(signatures={ending: signature()}, **given)  # type: ignore[arg-type]  # what the rows say

    return make


def _plain() -> bytes:
    return _key().sign(LIST)


def _aged(days: int) -> Callable[[], bytes]:
    return lambda: _key().sign(LIST, time=NOW - days * DAY)


def _seen(days: int, key: Callable[[], SigningKey] = _key) -> Callable[[], Mapping[str, int]]:
    return lambda: {key().fingerprint: int((NOW - days * DAY).timestamp())}


def _both() -> bytes:
    return _key().public() + _other().public()


GOOD = (
    Case(name="binary", make=signed(_plain)),
    Case(name="armoured", make=signed(lambda: _key().sign(LIST, armoured=True), ending="asc")),
    Case(name="armoured, named as binary", make=signed(lambda: _key().sign(LIST, armoured=True))),
    Case(name="binary, named as armoured", make=signed(_plain, ending="asc")),
    *(
        Case(name=f"named .{ending}", make=signed(_plain, ending=ending))
        for ending in ("gpg", "sig", "pgp", "sign", "sha256.asc")
    ),
    Case(
        name="of two files the binary one counts",
        make=lambda: Published(signatures={"gpg": _plain(), "asc": b"nonsense"}, keyring=_key().public()),
    ),
    Case(name="RSA, SHA-256", make=signed(lambda: _rsa().sign(LIST, digest="SHA256"), keyring=lambda: _rsa().public())),
    Case(name="SHA-384", make=signed(lambda: _key().sign(LIST, digest="SHA384"))),
    Case(name="keyring with armour", make=signed(_plain, keyring=lambda: _key().public(armoured=True))),
    Case(name="keyring of several keys", make=signed(_plain, keyring=_both)),
    Case(name="two, the second by an unknown key", make=signed(lambda: _plain() + _other().sign(LIST))),
    Case(name="two, the first by an unknown key", make=signed(lambda: _other().sign(LIST) + _plain())),
    Case(name="rotation: both keys known", make=signed(lambda: _other().sign(LIST) + _plain(), keyring=_both)),
    Case(
        name="rotation: the new key alone known",
        make=signed(lambda: _key().sign(LIST, time=NOW - DAY) + _other().sign(LIST), keyring=lambda: _other().public()),
    ),
    Case(name="one by a revoked key beside a good one", make=revoked_beside_good),
    Case(name="subkey", make=by_subkey),
    Case(name="subkey, the primary key pinned", make=lambda: by_subkey(pinned=True)),
    Case(name="pinned", make=signed(_plain, keyring=_both, pins=lambda: (_other().fingerprint, _key().fingerprint))),
    Case(
        name="pinned, beside one that is not",
        make=signed(lambda: _other().sign(LIST) + _plain(), keyring=_both, pins=lambda: (_key().fingerprint,)),
    ),
    Case(name="good for some days", make=signed(lambda: _key().sign(LIST, days=10))),
    Case(name="as old as it may be", make=signed(_aged(29), max_age=30 * 86400)),
    Case(name="old, where any age will do", make=signed(_aged(2000))),
    Case(name="seen before", make=signed(_aged(3), seen=_seen(3))),
    Case(name="newer than seen", make=signed(_aged(3), seen=_seen(4))),
    Case(name="older than what a key signed that is not trusted", make=signed(_aged(3), seen=_seen(1, _other))),
    Case(name="a minute ahead of us", make=signed(lambda: _key().sign(LIST, time=NOW + timedelta(minutes=1)))),
    Case(
        name="beside one from the future",
        make=signed(lambda: _other().sign(LIST, time=NOW + 9 * DAY) + _plain(), keyring=_both),
    ),
)

REFUSED = (
    Case(name="none", make=lambda: Published(signatures={}, keyring=_key().public()), refused="it is not signed"),
    Case(name="empty", make=signed(lambda: b""), refused="its signature is refused"),
    Case(
        name="empty beside a good one",
        make=lambda: Published(signatures={"gpg": b"", "asc": _plain()}, keyring=_key().public()),
        refused="its signature is refused",
    ),
    Case(name="under another name", make=signed(_plain, ending="minisig"), refused="it is not signed"),
    Case(name="nonsense", make=signed(lambda: b"nonsense\n"), refused="its signature is refused"),
    Case(name="cut off", make=signed(lambda: _plain()[:-8]), refused="its signature is refused"),
    Case(name="cut off, armoured", make=signed(lambda: _key().sign(LIST, armoured=True)[:150]), refused="refused"),
    Case(name="a bit flipped", make=signed(lambda: _plain()[:-1] + bytes([_plain()[-1] ^ 1])), refused="refused"),
    Case(name="of another list", make=signed(lambda: _key().sign(OTHER_LIST)), refused="another content"),
    Case(name="the list changed", make=signed(_plain, content=LIST + OTHER_LIST), refused="another content"),
    Case(name="a line end more", make=signed(_plain, content=LIST + b"\n"), refused="another content"),
    Case(
        name="good, beside one of another list",
        make=signed(lambda: _plain() + _key().sign(OTHER_LIST)),
        refused="another content",
    ),
    Case(name="of the signature", make=signed(lambda: _key().sign(_plain())), refused="another content"),
    Case(
        name="a signed message",
        make=signed(lambda: _key().sign(LIST, kind="--sign")),
        refused="its signature cannot be used",
    ),
    Case(
        name="a clear-signed list",
        make=signed(lambda: _key().sign(LIST, kind="--clear-sign")),
        refused="its signature cannot be used",
    ),
    Case(name="a public key", make=signed(lambda: _key().public()), refused="its signature is refused"),
    Case(name="by somebody else", make=signed(lambda: _other().sign(LIST)), refused="is not in the keyring"),
    Case(name="by a namesake", make=signed(lambda: _namesake().sign(LIST)), refused="is not in the keyring"),
    Case(name="by one named as status lines", make=status_lines, refused="is not in the keyring"),
    Case(
        name="SHA-1",
        make=signed(lambda: _rsa().sign(LIST, digest="SHA1"), keyring=lambda: _rsa().public()),
        refused="its signature is refused: .*(weak hash|cannot be checked)",
    ),
    Case(
        name="MD5",
        make=signed(lambda: _rsa().sign(LIST, digest="MD5"), keyring=lambda: _rsa().public()),
        refused="its signature is refused: .*(weak hash|cannot be checked)",
    ),
    Case(name="of text", make=signed(lambda: _key().sign(LIST, text_mode=True)), refused="class 01"),
    Case(name="revoked key", make=revoked, refused="is revoked"),
    Case(name="expired key", make=expired_key, refused="the key .* has expired"),
    Case(
        name="expired signature",
        make=signed(lambda: _key().sign(LIST, time=NOW - 9 * DAY, days=3)),
        refused="the signature has expired",
    ),
    Case(name="expired subkey", make=lambda: by_subkey(expired=True), refused="the key .* has expired"),
    Case(name="subkey that the keyring lacks", make=lambda: by_subkey(known=False), refused="is not in the keyring"),
    Case(name="subkey, itself pinned", make=lambda: by_subkey(pinned=False), refused=r"\(Fingerprint=\)"),
    Case(
        name="not the pinned one",
        make=signed(_plain, keyring=_both, pins=lambda: (_other().fingerprint,)),
        refused=r"it is by the key .*\(Fingerprint=\)",
    ),
    Case(
        name="pinned, but not in the keyring",
        make=signed(lambda: _other().sign(LIST), pins=lambda: (_other().fingerprint,)),
        refused="not in the keyring",
    ),
    Case(
        name="from the future",
        make=signed(lambda: _key().sign(LIST, time=NOW + DAY)),
        refused="is from the future",
    ),
    Case(
        name="from the far future",
        make=signed(lambda: _key().sign(LIST, time=NOW + 20_000 * DAY)),
        refused="is from the future",
    ),
    Case(name="older than seen", make=signed(_aged(3), seen=_seen(2)), refused="older than the newest list seen"),
    Case(
        name="older than what another trusted key signed",
        make=signed(_aged(3), keyring=_both, seen=_seen(2, _other)),
        refused="older than the newest list seen",
    ),
    Case(name="too old", make=signed(_aged(31), max_age=30 * 86400), refused="MaxAge="),
    Case(name="no keyring", make=signed(_plain, keyring=None), refused="there is no keyring"),
    Case(name="keyring empty", make=signed(_plain, keyring=b""), refused="not in the keyring"),
    Case(name="keyring of somebody else", make=signed(_plain, keyring=lambda: _other().public()), refused="not in the"),
    Case(name="keyring that is none", make=signed(_plain, keyring=b"<html>"), refused="refused"),
    Case(name="a signature as a keyring", make=signed(_plain, keyring=_plain), refused="refused"),
)
