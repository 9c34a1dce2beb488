# SPDX-License-Identifier: LGPL-2.1-or-later
"""The public key of a source whose images are signed with cosign: a PEM file, as ``cosign public-key`` prints it."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from tukit_sysext.errors import UnknownState
from tukit_sysext.system.tree import Tree

_LIMIT = 16 * 1024
_PEM = re.compile(rb"\s*-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*")


@dataclass(frozen=True, kw_only=True, slots=True)
class CosignKey:
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
        raise UnknownState(f"{path}: expected one public key in PEM form, as cosign public-key prints it")
    return CosignKey(path=path, content=content)


def _der(content: bytes) -> bytes | None:
    match = _PEM.fullmatch(content)
    try:
        return base64.b64decode(b"".join(match[1].split()), validate=True) if match is not None else None
    except binascii.Error:
        return None
