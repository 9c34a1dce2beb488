# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints what a disk holds of images, as JSON: look.py FOLDER, where the subvolume `@` is.

Standard library alone, as it runs with the machine's Python too.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any


def look(top: Path) -> dict[str, Any]:
    shown = subprocess.run(["btrfs", "subvolume", "get-default", top], capture_output=True, text=True, check=True)
    snapshots = {
        tree.parent.name: links(tree / "etc/extensions")
        for tree in top.glob(".snapshots/*/snapshot")
        if (tree / "usr").exists()
    }
    store = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in (top / "var/lib/sysext-store").glob("*.raw")
        if file.is_file()
    }
    records = {file.name.removesuffix(".json"): record(file) for file in top.glob("var/lib/tukit-sysext/images/*.json")}
    default = re.search(r"\.snapshots/(\d+)/snapshot", shown.stdout)
    return {
        "default": default[1] if default else "",
        "snapshots": snapshots,
        "store": store,
        "records": records,
    }


def links(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        return {}
    return {entry.name: os.readlink(entry) if entry.is_symlink() else "" for entry in folder.iterdir()}


def record(file: Path) -> str:
    try:
        return str(json.loads(file.read_text())["sha256"])
    except (ValueError, KeyError, TypeError):
        return ""


if __name__ == "__main__":
    json.dump(look(Path(sys.argv[1])), sys.stdout)
