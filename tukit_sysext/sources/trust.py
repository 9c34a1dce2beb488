# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whose lists are believed: the OpenPGP signature of a list, checked against the keyring of its source."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from tukit_sysext.config.keyring import Keyring
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import ImageBroken
from tukit_sysext.formats.armour import public_keys
from tukit_sysext.formats.gpgv_status import Signature
from tukit_sysext.sources.cache import Cache
from tukit_sysext.system.gpgv import check_signature

_KIND = "signatures"
_REMEMBERED_FOR = 3600
"""Seconds for which a check is remembered: a key may expire meanwhile."""
_CLOCK_TOLERANCE = 300
"""Seconds by which the publisher's clock may be ahead of ours."""


class Trust:
    """What one source's lists must have."""

    def __init__(self, settings: SourceSettings, cache: Cache) -> None:
        self._settings = settings
        self._cache = cache

    def signer(self, content: bytes, signature: Callable[[], bytes | None], *, where: str) -> str | None:
        """The fingerprint of the primary key that signed a list; None where the configuration asks for no signature.

        ``signature`` brings the detached signature, None where there is none. Raises ImageBroken where the list is not
        to be believed, and what ``signature`` raises.
        """
        if not self._settings.verify:
            return None
        keyring = self._settings.keyring
        if keyring is None:
            raise ImageBroken(
                f"{where}: there is no keyring to check its signature with",
                hint=f"set Keyring= in {self._settings.origin}, or Verify=no to do without signatures",
            )
        detached = signature()
        if detached is None:
            raise ImageBroken(f"{where}: it is not signed, expected a signature beside it")
        key = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in (content, detached, keyring.content)))
        good = self._remembered(key.hexdigest())
        if good is None:
            good = _check(content, detached, keyring, where=where)
            note = {"fingerprint": good.fingerprint, "time": good.time, "checked": int(time.time())}
            self._cache.put_note(_KIND, key.hexdigest(), note)
        if good.time > time.time() + _CLOCK_TOLERANCE:
            raise ImageBroken(f"{where}: its signature is from the future", hint="is the clock of this machine right?")
        return good.fingerprint

    def _remembered(self, key: str) -> Signature | None:
        note = self._cache.note(_KIND, key) or {}
        fingerprint, made, checked = note.get("fingerprint"), note.get("time"), note.get("checked")
        if not isinstance(checked, int) or not 0 <= time.time() - checked <= _REMEMBERED_FOR:
            return None
        if isinstance(fingerprint, str) and isinstance(made, int):
            return Signature(fingerprint=fingerprint, time=made)
        return None


def _check(content: bytes, detached: bytes, keyring: Keyring, *, where: str) -> Signature:
    try:
        keys = public_keys(keyring.content)
    except ValueError as error:
        raise ImageBroken(f"{keyring.path}: cannot be used as a keyring: {error}") from error
    judged = check_signature(content, detached, keys)
    if judged.bad or not judged.good:
        told = "; ".join(judged.reasons) or "gpgv finds no good signature"
        raise ImageBroken(
            f"{where}: its signature is refused: {told}", hint=f"is {keyring.path} the keyring of this source?"
        )
    return judged.good[0]
