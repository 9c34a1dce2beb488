# SPDX-License-Identifier: LGPL-2.1-or-later
"""Entries of a tree's /etc/extensions, as ``status`` and ``snapshots`` tell them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tukit_sysext.snapshots.entries import Entry
from tukit_sysext.store.image_store import Stored

Look = Callable[[str], Stored]
"""Looks at a file of the store."""


def entry_document(entry: Entry, look: Look) -> dict[str, Any]:
    """One entry of a snapshot's /etc/extensions for ``--json``."""
    stored = look(entry.image) if entry.image is not None else None
    record = stored.record if stored is not None else None
    version = stored.version if stored is not None else "?"
    return {
        "link": entry.name,
        "kind": entry.kind,
        "target": entry.target,
        "image": stored.name if stored is not None else None,
        "version": None if version == "?" else version,
        "file": entry.image,
        "condition": stored.condition if stored is not None else None,
        "source": record.source if record is not None else None,
        "url": record.url if record is not None else None,
    }
