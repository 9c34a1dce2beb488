# SPDX-License-Identifier: LGPL-2.1-or-later
"""A snapshot, and a store, for the tests of several folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.machine import OS_RELEASE
from tests.records import CONTENT, NAME, publish, record
from tests.trees import Content, Link
from tukit_sysext.layout import Layout
from tukit_sysext.store.image_store import Store
from tukit_sysext.store.record import Record

WITH_A: dict[str, Content] = {
    "etc/os-release": OS_RELEASE,
    "etc/extensions/a.raw": Link("/var/lib/sysext-store/a-1.raw"),
}


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
        return publish(self.store, content, wanted, replaceable=replaceable)

    def names(self) -> list[str]:
        """All names in the folder, hidden ones too."""
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.is_dir() else []
