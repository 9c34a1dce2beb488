# SPDX-License-Identifier: LGPL-2.1-or-later
"""Records and stores for the tests of this folder and of the job."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tests.machine import OS_RELEASE
from tests.trees import Content, Link
from tukit_sysext.layout import Layout
from tukit_sysext.quantities import KEEP_FREE
from tukit_sysext.store.image_store import Store
from tukit_sysext.store.record import Record

NAME = "gdb-15.2.x86-64.raw"
CONTENT = b"the image"
WITH_A: dict[str, Content] = {
    "etc/os-release": OS_RELEASE,
    "etc/extensions/a.raw": Link("/var/lib/sysext-store/a-1.raw"),
}


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


class StoreFolder:
    """A store below a folder, with a shortcut to publish into it."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root=root)
        self.folder = self.layout.store
        self.store = Store(self.layout)
        self.path = self.folder / NAME

    def publish(self, content: bytes = CONTENT, *, replaceable: bool = False, **changes: Any) -> Record:
        """Receive and publish an image."""
        wanted = record(content, **changes)
        with self.store.receive(sha256=wanted.sha256, limit=1000, where="SOURCE", keep_free=KEEP_FREE) as incoming:
            incoming.expect(len(content))
            incoming.write(content[:3])
            incoming.write(content[3:])
            incoming.finish()
            return self.store.publish(incoming, wanted, replaceable=lambda _: replaceable)

    def names(self) -> list[str]:
        """All names in the folder, hidden ones too."""
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.is_dir() else []
