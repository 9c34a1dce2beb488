# SPDX-License-Identifier: LGPL-2.1-or-later
"""How a tree is named above what was done in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.update.samples import facts
from tukit_sysext.change.changer import TreeChange
from tukit_sysext.commands.common.tree_changes import lines
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.update.deciding import decide


@pytest.mark.parametrize("path", ["var/build", "/srv/tree"])
def test_a_path_stays_what_it_is(path: str) -> None:
    target = Target(machine=Machine(), path=Path(path))
    tree = TreeChange(target=target, plan=decide(facts()), files=(), changes=())
    assert list(lines([tree], dry_run=False)) == [f"{path}:", "  No image is wanted."]
