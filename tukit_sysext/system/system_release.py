# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a tree is: its os-release(5), its architecture, and the version of its systemd."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

from tukit_sysext.errors import UnknownState
from tukit_sysext.rules.architectures import architecture
from tukit_sysext.rules.release import ReleaseData, parse
from tukit_sysext.rules.systemd import SystemdVersion, parse_systemd_version
from tukit_sysext.rules.version import sort_key
from tukit_sysext.system.tree import Tree

_LIMIT = 64 * 1024
_SHARED = re.compile(r"libsystemd-shared-(.+)\.so")
_FOLDERS = ("usr/lib/systemd", "usr/lib64/systemd")


def read_release(tree: Tree) -> ReleaseData | None:
    """``etc/os-release``, else ``usr/lib/os-release``, links resolved inside the tree; None where it has neither.

    Raises UnknownState where it cannot be read.
    """
    for path in ("etc/os-release", "usr/lib/os-release"):
        content = tree.read(path, limit=_LIMIT)
        if content is not None:
            return _parsed(content)
    return None


@lru_cache(maxsize=64)
def _parsed(content: bytes) -> ReleaseData:
    """What this content says; many snapshots have the same."""
    return parse(content.decode("utf-8", "surrogateescape"))


def systemd_version(tree: Tree) -> SystemdVersion | None:
    """The version of a tree's systemd, from the name of its shared library; None where that does not tell."""
    folders = list(_FOLDERS)
    try:
        # Debian and its relatives have a folder for each architecture
        folders += [f"usr/lib/{name}/systemd" for name in tree.names("usr/lib") or () if name.endswith("-linux-gnu")]
        for folder in folders:
            for name in tree.names(folder) or ():
                match = _SHARED.fullmatch(name)
                version = parse_systemd_version(match[1]) if match else None
                if version is not None:
                    return version
    except UnknownState:
        return None
    return None


def newest_kernel(tree: Tree) -> str:
    """The release of a tree's newest kernel; empty where it has none, or none can be seen."""
    try:
        return max(tree.names("usr/lib/modules") or (), key=sort_key, default="")
    except UnknownState:
        return ""


def machine_architecture() -> str:
    """The architecture of this machine in systemd's spelling; that of every tree on it."""
    return architecture(os.uname().machine)


def running_label(root: Path) -> str:
    """The same of the running system, whose root this is; empty where it cannot be read."""
    try:
        with Tree(root) as tree:
            return label(read_release(tree))
    except UnknownState:
        return ""


def label(release: ReleaseData | None) -> str:
    """ID and VERSION_ID of a system in one word, to tell two of them apart."""
    if release is None:
        return "unknown"
    return " ".join(filter(None, (release.get("ID"), release.get("VERSION_ID"), release.get("SYSEXT_LEVEL"))))


def system_name(release: ReleaseData | None) -> str:
    """What a person calls a system."""
    if release is None:
        return "a system without os-release"
    name = release.get("NAME") or release.get("ID") or "the new system"
    return " ".join(filter(None, (name, release.get("VERSION_ID"))))


def system_in_words(release: ReleaseData | None) -> str:
    """The same, with the level that images are compared with."""
    level = release.get("SYSEXT_LEVEL") if release is not None else None
    return f"{system_name(release)}{f' ({level})' if level else ''}"
