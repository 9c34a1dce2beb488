# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine with two images, of which one is needed, and with collections on it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.machine import OS_RELEASE, PlainMachine
from tests.records import publish, record
from tests.trees import Content, Link
from tukit_sysext.collect.collection import Collection, CollectionOptions, collect
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.store.image_store import Store

DAY = 86400
STORE = "/var/lib/sysext-store"
A, B = "a-1.0.x86-64.raw", "b-1.0.x86-64.raw"


class CollectionSite(PlainMachine):
    """A machine with images a and b, snapshot 1 that needs a, and a clock that can be moved."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(root)
        self.plugins = Plugins()
        self.now = int(time.time()) + 60  # what is published now has come before that
        monkeypatch.setattr(time, "time", lambda: self.now)
        self.store = Store(self.layout)
        for name in (A, B):
            self.store_image(name)
        self.snapshot(1, self.linked(A))

    def linked(self, *images: str) -> dict[str, Content]:
        links: dict[str, Content] = {f"etc/extensions/{name[0]}.raw": Link(f"{STORE}/{name}") for name in images}
        return {"etc/os-release": OS_RELEASE, **links}

    def store_image(self, name: str, content: bytes = b"image") -> None:
        entry = record(content, file_name=name, name=name[0], version="1.0", merge_name=name[0])
        publish(self.store, content, entry)

    def collect(self, options: CollectionOptions | None = None, *, dry_run: bool = False) -> Collection:
        return collect(self.machine, self.plugins, options, dry_run=dry_run)

    def let_pass(self, days: float = 8) -> None:
        self.now += int(days * DAY)

    def names(self) -> list[str]:
        return sorted(os.listdir(self.layout.store))

    def delete_snapshot(self, number: int) -> None:
        shutil.rmtree(self.layout.snapshots / str(number))
