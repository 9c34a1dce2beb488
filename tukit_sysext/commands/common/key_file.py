# SPDX-License-Identifier: LGPL-2.1-or-later
"""The public keys that a command is given (``--key FILE``)."""

from __future__ import annotations

import sys

from tukit_sysext.change.source_files import KEY_LIMIT
from tukit_sysext.errors import TukitSysextError


def read_key(name: str) -> bytes:
    """A file of keys; "-" is standard input. Raises TukitSysextError."""
    try:
        if name == "-":
            content = sys.stdin.buffer.read(KEY_LIMIT + 1)
        else:
            with open(name, "rb") as file:
                content = file.read(KEY_LIMIT + 1)
    except OSError as error:
        raise TukitSysextError(f"{name}: the key cannot be read: {error.strerror}") from error
    if len(content) > KEY_LIMIT:
        raise TukitSysextError(f"{name}: larger than {KEY_LIMIT} bytes, expected a public key")
    return content
