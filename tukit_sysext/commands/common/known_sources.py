# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ``sources`` and its actions have in common: the sources that are known, and their keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tukit_sysext.config.settings import load_configuration
from tukit_sysext.errors import TukitSysextError, UsageError
from tukit_sysext.formats.openpgp import PublicKey
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.sources.seen import Seen
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.suggest import nearest


def seen_sources(machine: Machine) -> Sequence[str]:
    """Sources of which a list was seen. Raises TukitSysextError."""
    try:
        return Seen.of(machine).sources()
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


def check_known(machine: Machine, targets: Sequence[Target], name: str) -> None:
    """Raises UsageError for a source that is neither configured in any tree nor remembered."""
    known = {*seen_sources(machine)}
    for target in targets:
        with Tree(target.path) as tree:
            known |= load_configuration(tree).sources.keys()
    if name in known:
        return
    near = nearest(name, known)
    meant = f"did you mean {near}?" if near is not None else f"known: {', '.join(sorted(known)) or 'none'}"
    raise UsageError(f"{name}: no such source; {meant}", next_step="tukit-sysext sources lists them")
