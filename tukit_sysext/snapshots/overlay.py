# SPDX-License-Identifier: LGPL-2.1-or-later
"""/etc of transactional-update < 5: an overlay, whose layers stand in the snapshot's fstab.

The upper layer is ``/var/lib/overlay/NUMBER/etc`` of the running /var, lower layers are those of other snapshots and
the snapshot's own /etc (Documentation/filesystems/overlayfs.rst of the kernel: whiteouts, opaque directories).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tukit_sysext.errors import NoEtc, UnknownState
from tukit_sysext.layout import EXTENSIONS, Layout
from tukit_sysext.snapshots.entries import Entry, entries_of
from tukit_sysext.system.tree import Tree

_LIMIT = 256 * 1024
_FOLDER = EXTENSIONS.removeprefix("etc/")
_INITRD = "/sysroot"
"""Where the initrd, which mounts the overlay, has the root."""


def read_overlaid(tree: Tree, layout: Layout) -> tuple[tuple[Entry, ...], tuple[Entry, ...]] | None:
    """Entries of a tree's /etc/extensions that is an overlay: those that show, and those that an upper layer hides.

    None where the tree's /etc is none. Raises NoEtc where a layer is missing, UnknownState where one cannot be read.
    """
    if not layout.overlays.is_dir():
        return None
    paths = list(_layers(tree))
    if not paths:
        return None
    seen: dict[str, Entry | None] = {}
    hidden: list[Entry] = []
    opaque = False
    for text in paths:
        plain = text.removeprefix(_INITRD)
        # /var is shared by all snapshots, the rest is the tree's own
        base = layout.root if plain.startswith("/var/") else tree.path
        path = base / plain.lstrip("/")
        if not os.path.lexists(path):
            raise NoEtc(f"{path}: a layer of /etc, not there; what {tree.path} has is not known")
        layer = _Layer(path)
        for name, entry in layer.entries.items():
            if entry is not None and (opaque or name in seen):
                hidden.append(entry)
            elif not opaque:
                seen[name] = entry
        opaque = opaque or layer.opaque
    shown = (entry for _, entry in sorted(seen.items()) if entry is not None)
    return tuple(shown), tuple(hidden)


def _layers(tree: Tree) -> Iterator[str]:
    """The layers of /etc as fstab(5) names them, the upper one first; none where /etc is no overlay."""
    content = tree.read("etc/fstab", limit=_LIMIT) or b""
    for line in content.decode("utf-8", "surrogateescape").splitlines():
        fields = line.split()
        if len(fields) < 4 or fields[0].startswith("#") or fields[1] != "/etc" or fields[2] != "overlay":
            continue
        options = dict(option.partition("=")[::2] for option in fields[3].split(","))
        yield from filter(None, (options.get("upperdir"), *options.get("lowerdir", "").split(":")))
        return


class _Layer:
    """One layer of /etc: entries of its ``extensions`` by name (None: a whiteout), and whether it hides all below."""

    def __init__(self, etc: Path) -> None:
        self.entries: dict[str, Entry | None] = {}
        self.opaque = False
        with Tree(etc) as tree:
            descriptor = tree.directory(_FOLDER)
            if descriptor is None:
                return
            try:
                self.entries = {
                    entry.name: None if _whiteout(descriptor, entry.name) else entry for entry in entries_of(descriptor)
                }
                self.opaque = _opaque(descriptor)
            except OSError as error:
                raise UnknownState(f"{etc}/{_FOLDER}: cannot be read: {error.strerror}") from error
            finally:
                os.close(descriptor)


def _whiteout(directory: int, name: str) -> bool:
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _opaque(directory: int) -> bool:
    try:
        return os.getxattr(directory, "trusted.overlay.opaque") == b"y"
    except OSError:
        return False
