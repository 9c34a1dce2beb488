# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ``sources`` and its actions have in common: the sources that are known, and their keys."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from tukit_sysext.config.settings import load_configuration
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.formats.openpgp import PublicKey
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import local_time, time_text
from tukit_sysext.rules.printable import excerpt, printable
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.sources.seen import Seen
from tukit_sysext.sources.trusted_keys import TrustedKey
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.suggest import nearest


def seen_sources(machine: Machine) -> Sequence[str]:
    """Sources of which a list was seen. Raises TukitSysextError."""
    try:
        return Seen.of(machine).sources()
    except OSError as error:
        raise TukitSysextError(f"{machine.layout.seen}: cannot be read: {error.strerror}") from error


def key_lines(keys: Sequence[PublicKey]) -> Iterator[str]:
    """Fingerprints as people compare them, with what the keys call themselves, and when they expire."""
    for key in keys:
        grouped = " ".join(key.fingerprint[start : start + 4] for start in range(0, len(key.fingerprint), 4))
        yield f"key {grouped}"
        yield from (f"    {user_id}" for user_id in key.user_ids)
        if key.expires is not None:
            yield f"    expire{'d' if key.expires <= time.time() else 's'} {local_time(key.expires)}"


def trusted_key_lines(keys: Sequence[TrustedKey]) -> Iterator[str]:
    """As :func:`key_lines`, with the keyrings that have them."""
    for each in keys:
        yield from key_lines((each.key,))
        yield f"    in {', '.join(each.keyrings)}"


def key_document(key: PublicKey) -> dict[str, Any]:
    """A key for ``--json``."""
    expires = time_text(key.expires) if key.expires is not None else None
    return {"fingerprint": key.fingerprint, "user_ids": list(key.user_ids), "expires": expires}


def check_known(machine: Machine, targets: Sequence[Target], name: str) -> None:
    """Raises TukitSysextError for a source that is neither configured in any tree nor remembered."""
    known = {*seen_sources(machine)}
    for target in targets:
        with Tree(target.path) as tree:
            configuration = load_configuration(tree)
            known |= configuration.sources.keys() | configuration.disabled.keys() | configuration.masked.keys()
    if name in known:
        return
    near = nearest(name, known)
    told = f"Did you mean {printable(near)}?" if near is not None else f"Known: {', '.join(sorted(known)) or 'none'}"
    raise TukitSysextError(
        f'No source "{excerpt(name)}". {told}', next_step="tukit-sysext sources" if near is None else None
    )
