# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots, links and the store under everything that can happen to them: at least 2,000 steps, each rule among them.

Always the same ones. For others, or more of them: ``python -m tests.model --steps 200000 --seed N``.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from typing import ClassVar

import pytest

from tests.model.__main__ import figures, run
from tests.model.machine import RULES, Snapshots
from tests.model.world import World

SEED = 20261101
EXAMPLES = 200
WANTED = 2000

CAME_ABOUT = (
    "an image that hid from a collection",
    "a collection that found a transaction at work",
    "collected by age",
    "collected for want of room",
    "collection with all known",
    "collection with something unknown",
    "content replaced",
    "ended by a full disk",
    "finalized with a link",
    "in quarantine",
    "killed: boot",
    "killed: collection",
    "killed: repair",
    "killed: settling",
    "killed: transaction",
    "published",
    "refused",
    "repaired",
    "snapshots that changed during a collection",
    "told what is wrong in what boots next",
)
"""What has to have happened, or the test shows nothing."""


@pytest.mark.timeout(600)
def test_the_invariants_hold_after_every_step() -> None:
    class Machine(Snapshots):
        taken: ClassVar[Counter[str]] = Counter()
        seen: ClassVar[Counter[str]] = Counter()

    run(Machine, examples=EXAMPLES, number=SEED)
    found = figures(Machine)
    print(json.dumps(found))
    assert found["steps"] >= WANTED
    assert [rule for rule in RULES if rule not in found["rules"]] == []
    assert [what for what in CAME_ABOUT if what not in found["seen"]] == []


def test_a_machine_that_cannot_be_made_leaves_the_log_as_it_was() -> None:
    class Machine(Snapshots):
        def make(self) -> World:
            assert not logging.getLogger("tukit_sysext").isEnabledFor(logging.CRITICAL)
            raise OSError("no room")

    before = logging.getLogger("tukit_sysext").level
    with pytest.raises(OSError, match="no room"):
        run(Machine, examples=1, number=SEED)
    assert logging.getLogger("tukit_sysext").level == before
