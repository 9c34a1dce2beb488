# SPDX-License-Identifier: LGPL-2.1-or-later
"""ASCII armour of OpenPGP (RFC 9580, section 6): keyrings may have it, gpgv wants them without."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

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
            keys += base64.b64decode(b"".join(line for line in lines if not line.startswith(b"=")), validate=True)
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
