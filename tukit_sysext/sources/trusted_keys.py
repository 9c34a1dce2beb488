# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whose signatures a source is believed by, and what is wrong with that. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.formats import openpgp
from tukit_sysext.formats.openpgp import PublicKey


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustedKeys:
    """The keys that count (those that are pinned, where any is), and what is wrong."""

    keys: tuple[PublicKey, ...] = ()
    problems: tuple[str, ...] = ()


def trusted_keys(source: SourceSettings) -> TrustedKeys:
    """Look at the keys of a source whose lists have to be signed."""
    if not source.verify:
        return TrustedKeys()
    if source.keyring is None:
        return TrustedKeys(problems=("no keyring, so that no signature can be checked",))
    try:
        keys = openpgp.public_keys(openpgp.dearmour(source.keyring.content))
    except ValueError as error:
        return TrustedKeys(problems=(f"{source.keyring.path}: whose keys they are cannot be told: {error}",))
    if source.fingerprints is None:
        return TrustedKeys(keys=keys)
    missing = sorted(set(source.fingerprints) - {key.fingerprint for key in keys})
    return TrustedKeys(
        keys=tuple(key for key in keys if key.fingerprint in source.fingerprints),
        problems=tuple(f"{source.keyring.path} has no key {pin} (Fingerprint=)" for pin in missing),
    )
