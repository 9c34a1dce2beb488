# SPDX-License-Identifier: LGPL-2.1-or-later
"""Making room in a transaction: the lock is given up for it, and what others do meanwhile is seen."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.trees import make_tree
from tests.unit.integrity.verify_site import VerifySite, file_of
from tukit_sysext.all_plugins import AllPlugins
from tukit_sysext.collect.collection import Collection, CollectionOptions
from tukit_sysext.collect.decision import Decision, Disposition
from tukit_sysext.errors import Busy
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.store.image_store import StoreFile
from tukit_sysext.update.transaction import Transaction, finalize


def with_collection(monkeypatch: pytest.MonkeyPatch, collected: Callable[[frozenset[str]], Collection]) -> None:
    """Have this called in the place of a collection, with the files that are needed."""

    def collect(machine: Machine, plugins: AllPlugins, options: CollectionOptions) -> Collection:
        assert options.at_once
        return collected(options.needed)

    monkeypatch.setattr("tukit_sysext.collect.free_space.collect", collect)


def test_what_is_collected_while_the_lock_is_given_up_is_not_linked(
    offering: VerifySite, transaction: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C2: another collection was quicker, and took what nothing needed but this transaction."""
    make_tree(transaction.path, {"etc/tukit-sysext/images.d/other.conf": "[Image]\nPolicy=optional\n"})
    spare = offering.store_image("1", "other")
    full = SimpleNamespace(f_bavail=0, f_bfree=0, f_blocks=100, f_frsize=4096)
    monkeypatch.setattr("tukit_sysext.store.image_store.os.statvfs", lambda _: full)
    asked: list[frozenset[str]] = []

    def somebody_else(needed: frozenset[str]) -> Collection:
        asked.append(needed)
        spare.unlink()
        offering.machine.store().records.remove(spare.name)
        raise Busy("somebody else collects")

    with_collection(monkeypatch, somebody_else)
    outcome = finalize(transaction, Plugins())
    assert asked == [frozenset({file_of("1"), spare.name})]
    assert os.listdir(transaction.path / "etc/extensions") == []
    assert {image.name: image.chosen for image in outcome.plan.images}["other"] is None


def _is_new(flags: object) -> bool:
    return isinstance(flags, int) and flags & os.O_TMPFILE == os.O_TMPFILE


@pytest.mark.parametrize("call", ["open", "write", "fsync", "link", "rename"])
def test_room_is_made_wherever_the_store_is_full(
    offering: VerifySite, transaction: Transaction, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """L11: btrfs may say so at any call. Then the image comes after all."""
    folders = str(offering.layout.store), str(offering.layout.records)
    for folder in folders:
        Path(folder).mkdir(parents=True)
    real = getattr(os, call)
    full = True

    def failing(where: int | Path, *arguments: object, **keys: object) -> object:
        place = os.readlink(f"/proc/self/fd/{where}") if isinstance(where, int) else str(where)
        if full and place.startswith((*folders, "/proc/self/fd")) and (call != "open" or _is_new(arguments[0])):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(where, *arguments, **keys)

    def room(_: frozenset[str]) -> Collection:
        nonlocal full
        full = False
        old = StoreFile(file_name="old.raw", size=1, born=0)
        return Collection(gone=(Decision(file=old, disposition=Disposition.GOES),))

    monkeypatch.setattr(f"tukit_sysext.store.image_store.os.{call}", failing)
    with_collection(monkeypatch, room)
    finalize(transaction, Plugins())
    assert os.listdir(transaction.path / "etc/extensions") == ["gdb.raw"]
