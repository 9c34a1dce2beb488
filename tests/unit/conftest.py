# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine for each test that asks for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.machine import PlainMachine


@pytest.fixture
def site(tmp_path: Path) -> PlainMachine:
    """A machine in a folder, without snapshots; a module says for itself what else is there."""
    return PlainMachine(tmp_path / "machine")
