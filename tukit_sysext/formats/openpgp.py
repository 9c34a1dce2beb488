# SPDX-License-Identifier: LGPL-2.1-or-later
"""Public keys as OpenPGP packets (RFC 9580): which keys a file has, to tell and to compare. Nothing is verified here.

What a key is worth gpgv decides; a user name is only what the file says. Keyrings may have ASCII armour (section 6 of
the RFC), gpgv wants them without.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tukit_sysext.formats.key_life import KeyLife, end_of_signing
from tukit_sysext.rules.printable import excerpt

_SIGNATURE, _PUBLIC_KEY, _PUBLIC_SUBKEY, _USER_ID = 2, 6, 14, 13
_SECRET = frozenset((5, 7))
_KEYBOX = b"KBXf"
_FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicKey:
    """A primary key: its fingerprint (capital hexadecimal digits), what it calls itself, its subkeys' fingerprints.

    ``expires``: from when on (seconds since the epoch) neither it nor a subkey of it can sign anything, as its own
    signatures say, which nobody has checked; None where it does not expire.
    """

    fingerprint: str
    user_ids: tuple[str, ...] = ()
    subkeys: tuple[str, ...] = ()
    expires: int | None = None


def public_keys(content: bytes) -> tuple[PublicKey, ...]:
    """The primary keys in ``content`` (binary). Raises ValueError where it is not made of public keys alone."""
    if _KEYBOX in content[:16]:
        raise ValueError("a keybox of GnuPG; expected keys as gpg --export writes them")
    keys: list[tuple[KeyLife, list[str], list[KeyLife]]] = []
    for tag, body in _packets(content):
        if tag in _SECRET:
            raise ValueError("it holds a secret key, which belongs on no other machine")
        if tag == _PUBLIC_KEY:
            keys.append((KeyLife.of(_fingerprint_of(body), body), [], []))
        elif not keys:
            raise ValueError(f"it begins with an OpenPGP packet of type {tag}, expected a public key")
        elif tag == _PUBLIC_SUBKEY:
            keys[-1][2].append(KeyLife.of(_fingerprint_of(body), body))
        elif tag == _USER_ID:
            keys[-1][1].append(excerpt(body.decode("utf-8", "replace")))
        elif tag == _SIGNATURE:
            primary, _, subkeys = keys[-1]
            (subkeys[-1] if subkeys else primary).take(body, by=primary.fingerprint)
    if not keys:
        raise ValueError("no public key in it")
    return tuple(
        PublicKey(
            fingerprint=primary.fingerprint,
            user_ids=tuple(user_ids),
            subkeys=tuple(subkey.fingerprint for subkey in subkeys),
            expires=end_of_signing(primary, subkeys),
        )
        for primary, user_ids, subkeys in keys
    )


def fingerprint(text: str) -> str:
    """A fingerprint as a person writes it, with or without white space and 0x. Raises ValueError."""
    plain = re.sub(r"\s", "", text).upper().removeprefix("0X")
    if not _FINGERPRINT.fullmatch(plain):
        raise ValueError("expected a key's whole fingerprint, 40 or 64 hexadecimal digits")
    return plain


def _packets(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each packet. Raises ValueError where they are cut off, or are none."""
    position = 0
    while position < len(content):
        first = content[position]
        position += 1
        if not first & 0x80:
            raise ValueError("it is not made of OpenPGP packets")
        if first & 0x40:
            tag = first & 0x3F
            size, position = _new_length(content, position)
        else:
            tag = first >> 2 & 0x0F
            size, position = _old_length(content, position, first & 3)
        body = content[position : position + size]
        if len(body) != size:
            raise ValueError("it is cut off")
        position += size
        yield tag, body


def _new_length(content: bytes, position: int) -> tuple[int, int]:
    octet = _number(content, position, 1)
    if octet < 192:
        return octet, position + 1
    if octet < 224:
        return (octet - 192 << 8) + _number(content, position + 1, 1) + 192, position + 2
    if octet < 255:
        raise ValueError("a key in pieces (partial lengths)")
    return _number(content, position + 1, 4), position + 5


def _old_length(content: bytes, position: int, kind: int) -> tuple[int, int]:
    if kind == 3:
        raise ValueError("a key without a length")
    octets = 1 << kind
    return _number(content, position, octets), position + octets


def _number(content: bytes, position: int, octets: int) -> int:
    number = content[position : position + octets]
    if len(number) != octets:
        raise ValueError("it is cut off")
    return int.from_bytes(number, "big")


def _fingerprint_of(body: bytes) -> str:
    """The fingerprint of a key's packet, by its version (RFC 9580, section 5.5.4; version 5 is GnuPG's)."""
    import hashlib

    size = len(body)
    match body[:1]:
        case b"\x04" if size < 1 << 16:
            # what the format prescribes; gpgv says what a signature by the key is worth
            digest = hashlib.sha1(b"\x99" + size.to_bytes(2, "big") + body, usedforsecurity=False).hexdigest()
        case b"\x05":
            digest = hashlib.sha256(b"\x9a" + size.to_bytes(4, "big") + body).hexdigest()
        case b"\x06":
            digest = hashlib.sha256(b"\x9b" + size.to_bytes(4, "big") + body).hexdigest()
        case _:
            raise ValueError("a key of a version that is not known")
    return digest.upper()


_BEGIN = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"


_END = b"-----END PGP PUBLIC KEY BLOCK-----"


def dearmour(content: bytes) -> bytes:
    """Keys in binary form, whether they have armour (one or several blocks) or not.

    Raises ValueError for armour that is damaged.
    """
    if b"-----BEGIN PGP" not in content[:4096]:
        return content
    keys = bytearray()
    for block in _blocks(content):
        lines = [line.strip() for line in block.split(b"\n")]
        if any(b":" in line for line in lines):
            lines = lines[lines.index(b"") :] if b"" in lines else []  # behind the headers comes an empty line
        try:
            # the last line but one may be a checksum, which says nothing that the keys' own signatures do not
            keys += binascii.a2b_base64(b"".join(line for line in lines if not line.startswith(b"=")), strict_mode=True)
        except binascii.Error as error:
            raise ValueError(f"damaged ASCII armour: {error}") from error
    if not keys:
        raise ValueError("no public key in it")
    return bytes(keys)


def _blocks(content: bytes) -> Iterator[bytes]:
    """What stands between the lines of each block. A regular expression would need the square of the time for lines
    that begin a block which never ends. Raises ValueError for such a block.
    """
    position = 0
    while (start := content.find(_BEGIN, position)) >= 0:
        position = start + len(_BEGIN)
        if not content.startswith((b"\n", b"\r\n"), position):
            continue
        end = content.find(_END, position)
        if end < 0:
            raise ValueError("damaged ASCII armour: a block has no end")
        yield content[position:end].removeprefix(b"\r").removeprefix(b"\n")
        position = end + len(_END)
