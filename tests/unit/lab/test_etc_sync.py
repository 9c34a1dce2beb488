# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab's copying of /etc at boot does what transactional-update 6.1.3 did with the same trees."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from tests.lab.etc_sync import sync

RECORDING = Path(__file__).parents[2] / "data/transactional-update/etc-sync.json"
"""Trees before and after the real program ran: path to [kind, text, time]."""

Listing = dict[str, list[str | int]]


def make(folder: Path, listing: Listing) -> Path:
    folder.mkdir()
    for name, (kind, text, time) in listing.items():
        path = folder / name
        match kind:
            case "directory":
                path.mkdir()
            case "link":
                path.symlink_to(str(text))
            case _:
                path.write_text(str(text))
        os.utime(path, (int(time), int(time)), follow_symlinks=False)
    for name, (kind, _, time) in listing.items():
        if kind == "directory":
            os.utime(folder / name, (int(time), int(time)))
    return folder


def listed(folder: Path) -> Listing:
    """Folders without their times, which nothing depends on afterwards."""
    found: Listing = {}
    for path in sorted(folder.rglob("*")):
        name, time = str(path.relative_to(folder)), int(path.lstat().st_mtime)
        if path.is_symlink():
            found[name] = ["link", os.readlink(path), time]
        elif path.is_dir():
            found[name] = ["directory", "", 0]
        else:
            found[name] = ["file", path.read_text(), time]
    return found


def test_as_recorded(tmp_path: Path) -> None:
    recorded = json.loads(RECORDING.read_text())
    for number, case in enumerate(recorded["cases"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        parent = make(folder / "parent", case["parent"])
        current = make(folder / "current", case["current"])
        sync(parent, current, make(folder / "syncpoint", case["syncpoint"]))
        assert listed(current) == case["after"], case["name"]
        shutil.rmtree(folder)
