# SPDX-License-Identifier: LGPL-2.1-or-later
"""Until when a key can sign, as its own signatures say (RFC 9580, sections 5.2.3.13 and 5.2.3.29). To be shown.

Nothing is verified here: gpgv says whether a signature by a key that has expired is good, it is not asked about keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_CERTIFICATIONS = frozenset((0x10, 0x11, 0x12, 0x13, 0x1F))
"""Signature types that say something of a primary key: of a user id of it, and of the key itself."""
_BINDING = 0x18
_CREATED, _EXPIRES_AFTER, _ISSUER, _FLAGS, _ISSUER_FINGERPRINT = 2, 9, 16, 27, 33
_MAY_SIGN = 0x02
_CRITICAL = 0x80


@dataclass(kw_only=True, slots=True)
class KeyLife:
    """A primary key or a subkey, and what the newest signature of the primary key says of it.

    Times in seconds since the epoch; ``expires`` None for never.
    """

    fingerprint: str
    created: int
    expires: int | None = None
    signs: bool = True
    said: int = -1

    @classmethod
    def of(cls, fingerprint: str, body: bytes) -> KeyLife:
        """That of a key's packet, of which nothing was said yet."""
        return cls(fingerprint=fingerprint, created=int.from_bytes(body[1:5], "big"))

    def take(self, body: bytes, *, by: str) -> None:
        """Take in a signature packet behind the key; one that is not by the primary key ``by`` says nothing."""
        parts = _parts(body)
        if parts is None:
            return
        kind, hashed, unhashed = parts
        issued = hashed.get(_ISSUER_FINGERPRINT, b"")[1:].hex().upper() == by
        issued = issued or any(by.endswith(area.get(_ISSUER, b"-").hex().upper()) for area in (hashed, unhashed))
        made = int.from_bytes(hashed.get(_CREATED, b"")[:4], "big")
        if not issued or kind not in {*_CERTIFICATIONS, _BINDING} or made < self.said:
            return
        self.said = made
        after = int.from_bytes(hashed.get(_EXPIRES_AFTER, b"")[:4], "big")
        self.expires = self.created + after if after else None
        self.signs = _FLAGS not in hashed or bool(int.from_bytes(hashed[_FLAGS][:1], "big") & _MAY_SIGN)


def end_of_signing(primary: KeyLife, subkeys: Sequence[KeyLife]) -> int | None:
    """From when on none of these keys can sign; None for never."""
    signers = [key.expires for key in (primary, *subkeys) if key.signs] or [primary.expires]
    ends = [end for end in (_latest(signers), primary.expires) if end is not None]
    return min(ends, default=None)


def _latest(ends: Sequence[int | None]) -> int | None:
    known = [end for end in ends if end is not None]
    return max(known) if len(known) == len(ends) else None


def _parts(body: bytes) -> tuple[int, dict[int, bytes], dict[int, bytes]] | None:
    """The type of a signature, and its subpackets: those that it covers, and the others; None where it has none."""
    wide = {4: 2, 6: 4}.get(body[0] if body else 0)
    if wide is None:
        return None
    start = 4 + wide
    size = int.from_bytes(body[4:start], "big")
    hashed = body[start : start + size]
    start += size + wide
    unhashed = body[start : start + int.from_bytes(body[start - wide : start], "big")]
    return (body[1], dict(_subpackets(hashed)), dict(_subpackets(unhashed))) if len(body) > 1 else None


def _subpackets(area: bytes) -> Iterator[tuple[int, bytes]]:
    """Types and contents; the rest is left out where it is no subpacket."""
    position = 0
    while position < len(area):
        first = area[position]
        octets = 1 if first < 192 else 2 if first < 255 else 5
        size = first
        if octets == 2 and position + 1 < len(area):
            size = (first - 192 << 8) + area[position + 1] + 192
        elif octets == 5:
            size = int.from_bytes(area[position + 1 : position + 5], "big")
        position += octets
        part = area[position : position + size]
        if not part:
            return
        yield part[0] & ~_CRITICAL, part[1:]
        position += size
