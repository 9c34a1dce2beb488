# SPDX-License-Identifier: LGPL-2.1-or-later
"""The public key of a source whose images are signed with cosign: a PEM file, as ``cosign public-key`` prints it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

from tukit_sysext.errors import UnknownState
from tukit_sysext.system.tree import Tree

_LIMIT = 16 * 1024
_SIGNING = (bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06092a864886f70d010101"))
"""How a key (DER) says that it is one of ECDSA, or of RSA."""
_PEM = re.compile(rb"\s*-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*")

_EXPECTED = "expected one public key in PEM form, as cosign public-key prints it"


class CosignKey(NamedTuple):
    """The file's path in the tree, and its bytes."""

    path: str
    content: bytes

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the key (DER), in hexadecimal digits."""
        import hashlib  # 3 ms, and every configuration is read with this

        return hashlib.sha256(_der(self.content) or b"").hexdigest().upper()


def load(tree: Tree, path: str) -> CosignKey:
    """Read the key of a tree. Raises UnknownState where there is none that can be used."""
    content = tree.read(path.lstrip("/"), limit=_LIMIT)
    if content is None:
        raise UnknownState(f"{path}: there is no such file")
    if _der(content) is None:
        raise UnknownState(f"{path}: {_EXPECTED}")
    return CosignKey(path=path, content=content)


def check(content: bytes) -> None:
    """Raises ValueError for what is no public key, is cut short, or is a key of another kind than cosign makes."""
    der = _der(content)
    if der is None or len(content) > _LIMIT:
        raise ValueError(_EXPECTED)
    head, size = 2, int.from_bytes(der[1:2])
    if size > 127:  # the length of the length
        head, size = size - 126, int.from_bytes(der[2 : size - 126])
    if der[:1] != b"\x30" or len(der) != head + size:
        raise ValueError("the key is not whole")
    if not any(kind in der for kind in _SIGNING):
        raise ValueError("expected a key of ECDSA or RSA")


def _der(content: bytes) -> bytes | None:
    match = _PEM.fullmatch(content)
    try:
        return base64.b64decode(b"".join(match[1].split()), validate=True) if match is not None else None
    except binascii.Error:
        return None
