# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images that units of a tree name (systemd.exec(5), systemd.mount(5)), and its fstab(5).

Only the units of the administrator, of portablectl(1) and of generators are read: a package in /usr has no business
with an image of the store.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tukit_sysext.collect.mounts import fstab
from tukit_sysext.system.tree import Tree

_OF_A_TREE = ("etc/systemd/system", "etc/systemd/system.attached", "etc/systemd/system.control")
_RUNNING = ("run/systemd/system", "run/systemd/system.attached", "run/systemd/system.control", "run/systemd/transient")

_NOT_OURS = (os.devnull, "/usr/lib/", "/lib/")
"""Where the links of units lead that are masked, or an alias of one of a package."""

_LIMIT = 1024 * 1024
_CONTINUED = re.compile(r"\\\n\s*(?:[#;].*\n\s*)*")
_NAMES_IMAGES = re.compile(r"^\s*(?:RootImage|ExtensionImages|MountImages|What)\s*=(.*)$", re.M)
_PATH = re.compile(r"[-+!'\"]*(/[^:]*)")


def images(path: Path, *, running: bool) -> Iterator[str]:
    """Absolute paths that a tree's units and fstab name as images. Raises UnknownState where one cannot be read."""
    with Tree(path) as tree:
        yield from (what for what, _ in fstab(tree) if what.startswith("/"))
        for folder in (*_OF_A_TREE, *(_RUNNING if running else ())):
            for name in tree.names(folder) or ():
                if name.endswith((".service", ".mount")):
                    yield from _of_a_file(tree, f"{folder}/{name}")
                elif name.endswith(".d"):
                    for drop_in in tree.names(f"{folder}/{name}") or ():
                        if drop_in.endswith(".conf"):
                            yield from _of_a_file(tree, f"{folder}/{name}/{drop_in}")


def _of_a_file(tree: Tree, path: str) -> Iterator[str]:
    if (tree.link_text(path) or "").startswith(_NOT_OURS):
        return
    text = (tree.read(path, limit=_LIMIT) or b"").decode("utf-8", "surrogateescape")
    for value in _NAMES_IMAGES.findall(_CONTINUED.sub(" ", text)):
        try:
            words = shlex.split(value)
        except ValueError:
            words = value.split()
        yield from (found[1] for word in words if (found := _PATH.match(word)))
