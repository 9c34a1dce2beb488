# SPDX-License-Identifier: LGPL-2.1-or-later
"""A lock of ours that cannot be had is a fault of ours: it says nothing about an image, and nothing is linked."""

from __future__ import annotations

import fcntl

import pytest

from tests.trees import make_tree
from tests.unit.integrity.verify_site import VerifySite
from tukit_sysext.errors import Busy
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.update.transaction import Transaction, finalize


@pytest.mark.parametrize("lock", ["lock", "locks/publish"])
def test_a_lock_of_ours_says_nothing_about_an_image(
    offering: VerifySite, transaction: Transaction, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    monkeypatch.setattr("tukit_sysext.system.lock._PATIENCE", 0.1)
    make_tree(offering.layout.runtime, {lock: ""})
    with open(offering.layout.runtime / lock) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Busy, match="held for more than"):
            finalize(transaction, Plugins())
    assert not any((transaction.path / "etc/extensions").glob("*"))
    assert not any(offering.layout.store.glob("*"))
    finalize(transaction, Plugins())
    assert any((transaction.path / "etc/extensions").glob("*"))


def test_a_lock_whose_file_cannot_be_made_neither(offering: VerifySite, transaction: Transaction) -> None:
    """As where /run is full: that is not the store, whose want of room would refuse."""
    make_tree(offering.layout.runtime, {"locks": ""})
    with pytest.raises(Busy, match="locks/publish: cannot be locked: Not a directory"):
        finalize(transaction, Plugins())
