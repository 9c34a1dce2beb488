# SPDX-License-Identifier: LGPL-2.1-or-later
"""The keys whose signatures a source accepts, and what is wrong with them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tukit_sysext.config.keyring import paths
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.formats import openpgp
from tukit_sysext.formats.openpgp import PublicKey
from tukit_sysext.quantities import time_text

_SOON = 30 * 86400
"""So many seconds before a key expires, warnings begin."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustedKey:
    """A key that counts, and the keyrings that have it."""

    key: PublicKey
    keyrings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustedKeys:
    """The keys that count (those that are pinned, where any is), what is wrong, and what soon will be."""

    keys: tuple[TrustedKey, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def keyrings_of(self, fingerprint: str) -> tuple[str, ...]:
        """The keyrings that have a primary key; none where it does not count any more."""
        return next((each.keyrings for each in self.keys if each.key.fingerprint == fingerprint), ())


def trusted_keys(source: SourceSettings, now: float) -> TrustedKeys:
    """Look at the keys of a source whose lists have to be signed."""
    if not source.has_signed_list:
        return TrustedKeys()
    if not source.keyrings:
        return TrustedKeys(problems=("no keyring, so that no signature can be checked",))
    found: dict[str, TrustedKey] = {}
    problems: list[str] = []
    for ring in source.keyrings:
        try:
            keys = openpgp.public_keys(openpgp.dearmour(ring.content))
        except ValueError as error:
            problems.append(f"{ring.path}: whose keys they are cannot be told: {error}")
            continue
        for key in keys:
            before = found[key.fingerprint].keyrings if key.fingerprint in found else ()
            found[key.fingerprint] = TrustedKey(key=key, keyrings=tuple(dict.fromkeys((*before, ring.path))))
    if source.fingerprints is not None and not problems:
        missing = sorted(set(source.fingerprints) - found.keys())
        problems += (f"{paths(source.keyrings)} has no key {pin} (Fingerprint=)" for pin in missing)
    pins = source.fingerprints
    counting = tuple(each for each in found.values() if pins is None or each.key.fingerprint in pins)
    ends = [each.key.expires for each in counting if each.key.expires is not None]
    warnings: list[str] = []
    if ends and len(ends) == len(counting) and max(ends) <= now + _SOON:
        keys_said = ", ".join(each.key.fingerprint for each in counting)
        if max(ends) <= now:
            problems.append(f"expired on {time_text(max(ends))}: its lists are refused now: the key {keys_said}")
        else:
            warnings.append(f"expires on {time_text(max(ends))}, and its lists are refused then: the key {keys_said}")
    return TrustedKeys(keys=counting, problems=tuple(problems), warnings=tuple(warnings))
