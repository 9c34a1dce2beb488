# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine, and a process that hooks may change, for tests that ask for them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import PlainMachine, with_source
from tests.unit.integrity.verify_site import VerifySite, fake_look_inside
from tukit_sysext.update import content_judge


@pytest.fixture
def site(tmp_path: Path) -> PlainMachine:
    """A machine in a folder, without snapshots; a module says for itself what else is there."""
    return PlainMachine(tmp_path / "machine")


@pytest.fixture(autouse=True)
def no_look_through_images(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most images of tests are none, and nobody is to find that out; a module that has real ones says so."""
    if not getattr(request.module, "LOOKS_THROUGH_IMAGES", False):
        monkeypatch.setattr(content_judge, "look_through_or_say", lambda *_, **__: None)


@pytest.fixture
def snapshot_7(site: PlainMachine) -> PlainMachine:
    """A machine with snapshot 7."""
    site.snapshot(7)
    return site


@pytest.fixture
def linked_gdb(tmp_path: Path) -> PlainMachine:
    """gdb 1.0 is linked in the snapshot that runs and boots next; the source offers nothing yet."""
    site = with_source(tmp_path)
    site.snapshot_with(1, {"gdb": "1.0"}, default=True)
    site.boot(1)
    return site


@pytest.fixture
def verify_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VerifySite:
    """A machine with a source, whose images say what they are without being mounted."""
    fake_look_inside(monkeypatch)
    return VerifySite(tmp_path / "machine")


@pytest.fixture
def hook_process() -> Iterator[None]:
    """For entry.main in this process: what it changes for a process of its own is as before in the end."""
    logger, folder, mask = logging.getLogger("tukit_sysext"), Path.cwd(), os.umask(0o022)
    handlers, level = list(logger.handlers), logger.level
    yield
    os.chdir(folder)
    os.umask(mask)
    logger.handlers[:] = handlers
    logger.setLevel(level)
