# SPDX-License-Identifier: LGPL-2.1-or-later
"""Taking images out of the store: file first, record after it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.records import NAME
from tests.unit.ledger.samples import StoreFolder
from tukit_sysext.errors import StoreError


@pytest.fixture
def published(store_folder: StoreFolder) -> StoreFolder:
    store_folder.publish()
    return store_folder


def test_file_and_record_go(published: StoreFolder) -> None:
    published.store.remove(NAME)
    assert (published.names(), published.store.records.names()) == ([], [])


def test_a_file_that_cannot_be_removed_keeps_its_record(
    published: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it it would be of unknown origin, and stay for ever."""

    real = os.unlink

    def failing(path: Path, *, dir_fd: int | None = None) -> None:
        if dir_fd is not None:  # the image, which is reached through the folder
            raise PermissionError(1, "injected")
        real(path)

    monkeypatch.setattr(os, "unlink", failing)
    with pytest.raises(PermissionError):
        published.store.remove(NAME)
    assert (published.names(), published.store.records.names()) == ([NAME], [NAME])


def test_what_is_no_file_stays(published: StoreFolder) -> None:
    (published.folder / "folder.raw").mkdir()
    with pytest.raises(StoreError, match="expected a regular file"):
        published.store.remove("folder.raw")
    assert (published.folder / "folder.raw").is_dir()


def test_what_is_gone_already_takes_its_record_with_it(published: StoreFolder) -> None:
    published.path.unlink()
    published.store.remove(NAME)
    assert published.store.records.names() == []
