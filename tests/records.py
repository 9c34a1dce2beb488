# SPDX-License-Identifier: LGPL-2.1-or-later
"""Records of images, images with their records, and the need of a repair."""

from __future__ import annotations

import hashlib
from typing import Any

from tukit_sysext.integrity.needs import Need
from tukit_sysext.quantities import KEEP_FREE
from tukit_sysext.store.image_store import Store
from tukit_sysext.store.record import Record

NAME = "gdb-15.2.x86-64.raw"
CONTENT = b"the image"
MISSING_GDB = Need(
    snapshot=7,
    link="gdb.raw",
    file_name="gdb-1.x86-64.raw",
    name="gdb",
    version="1",
    condition="missing",
    reason="not in the store",
    since=1000,
)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def record(content: bytes = CONTENT, file_name: str = NAME, **changes: Any) -> Record:
    """A record of an image with this content."""
    keys: dict[str, Any] = {
        "file_name": file_name,
        "name": "gdb",
        "version": "15.2",
        "sha256": sha256(content),
        "size": len(content),
        "source": "local",
        "url": f"/srv/{file_name}",
        "signer": None,
        "time": "2026-11-01T10:00:00Z",
        "merge_name": "gdb",
        "release": {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.42"},
    }
    return Record(**{**keys, **changes})


def publish(store: Store, content: bytes, wanted: Record, *, replaceable: bool = False) -> Record:
    """Receive an image in pieces, and publish it."""
    with store.receive(sha256=wanted.sha256, limit=1 << 20, where="SOURCE", keep_free=KEEP_FREE) as incoming:
        incoming.expect(len(content))
        incoming.write(content[:3])
        incoming.write(content[3:])
        incoming.finish()
        return store.publish(incoming, wanted, replaceable=lambda _: replaceable)
