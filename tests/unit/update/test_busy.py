# SPDX-License-Identifier: LGPL-2.1-or-later
"""A lock of ours that cannot be had is a fault of ours: it says nothing about an image, and nothing is linked."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from tests.trees import make_tree
from tests.unit.integrity.verify_site import VerifySite, fake_look_inside
from tukit_sysext.errors import Busy
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.update.transaction import Transaction, finalize


@pytest.mark.parametrize("lock", ["lock", "locks/publish"])
def test_a_lock_of_ours_says_nothing_about_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str) -> None:
    fake_look_inside(monkeypatch)
    monkeypatch.setattr("tukit_sysext.system.lock._PATIENCE", 0.1)
    site = VerifySite(tmp_path / "machine")
    tree = site.wanting_snapshot(7)
    site.offer("1")
    transaction = Transaction(machine=site.machine, path=tree, number=7)
    make_tree(site.layout.runtime, {lock: ""})
    with open(site.layout.runtime / lock) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Busy, match="held for more than"):
            finalize(transaction, Plugins())
    assert not any((tree / "etc/extensions").glob("*"))
    assert not any(site.layout.store.glob("*"))
    finalize(transaction, Plugins())
    assert any((tree / "etc/extensions").glob("*"))


def test_a_lock_whose_file_cannot_be_made_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where /run is full: that is not the store, whose want of room would refuse."""
    fake_look_inside(monkeypatch)
    site = VerifySite(tmp_path / "machine")
    tree = site.wanting_snapshot(7)
    site.offer("1")
    make_tree(site.layout.runtime, {"locks": ""})
    with pytest.raises(Busy, match="locks/publish: cannot be locked: Not a directory"):
        finalize(Transaction(machine=site.machine, path=tree, number=7), Plugins())
