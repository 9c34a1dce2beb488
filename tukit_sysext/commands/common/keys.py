# SPDX-License-Identifier: LGPL-2.1-or-later
"""Signing keys as `sources` and `sources add` show them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.formats.openpgp import PublicKey
from tukit_sysext.machine import Machine


def remembered(machine: Machine) -> Sequence[str]:
    try:
        return machine.seen().sources()
    except OSError as error:
        raise TukitSysextError(f"{machine.layout.seen}: cannot be read: {error.strerror}") from error


def key_lines(keys: Sequence[PublicKey]) -> Iterator[str]:
    """Fingerprints as people compare them, with what the keys call themselves."""
    for key in keys:
        grouped = " ".join(key.fingerprint[start : start + 4] for start in range(0, len(key.fingerprint), 4))
        yield f"key {grouped}"
        yield from (f"    {user_id}" for user_id in key.user_ids)


def key_document(key: PublicKey) -> dict[str, Any]:
    """A key for ``--json``."""
    return {"fingerprint": key.fingerprint, "user_ids": list(key.user_ids)}
