# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writing files of a tree's /etc/tukit-sysext: durably, and through no link out of the tree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tukit_sysext.config.files import LIMIT
from tukit_sysext.errors import UnknownState
from tukit_sysext.layout import CONFIGURATION
from tukit_sysext.system.durable import sync_directory, write_file
from tukit_sysext.system.tree import Tree

ETC = CONFIGURATION[0]


@contextmanager
def own_folder(tree: Tree, name: str) -> Iterator[Path]:
    """A folder of a tree's /etc/tukit-sysext, made where it is not there; to be written through while it is open.

    Raises OutsideTree, UnknownState.
    """
    tree.expect_own_etc()
    ours = tree.directory(ETC, create=True)
    if ours is not None:
        os.close(ours)
    descriptor = tree.directory(f"{ETC}/{name}", create=True)
    if descriptor is None:
        raise UnknownState(f"{tree.path}/{ETC}/{name}: cannot be made")
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def write(tree: Tree, folder: str, name: str, content: str) -> None:
    """Replace a file of a folder of ours. Raises OSError, OutsideTree, UnknownState; the old one is whole then."""
    with own_folder(tree, folder) as place:
        write_file(place / name, content.encode(), known_as=f"/{ETC}/{folder}/{name}")


def delete(tree: Tree, folder: str, name: str) -> None:
    """Remove a file of a folder of ours, if it is there. Raises OSError, OutsideTree, UnknownState."""
    with own_folder(tree, folder) as place:
        try:
            os.unlink(place / name)
        except FileNotFoundError:
            return
        sync_directory(place)


def text(tree: Tree, folder: str, name: str) -> tuple[str, bool]:
    """What a file of the strongest directory says that has it (empty: none, or masked), and whether a weaker one is.

    Raises UnknownState where it cannot be read as text.
    """
    there = places(tree, folder, name)
    shipped = any(place != ETC for place in there)
    return _text(tree, f"{there[0]}/{folder}/{name}") if there else "", shipped


def shipped_text(tree: Tree, folder: str, name: str) -> str:
    """What would count without the file in /etc (empty: nothing, or masked). Raises as :func:`text`."""
    weaker = [place for place in places(tree, folder, name) if place != ETC]
    return _text(tree, f"{weaker[0]}/{folder}/{name}") if weaker else ""


def places(tree: Tree, folder: str, name: str) -> list[str]:
    return [place for place in CONFIGURATION if name in (tree.names(f"{place}/{folder}") or ())]


def _text(tree: Tree, path: str) -> str:
    if tree.link_text(path) == "/dev/null":
        return ""
    try:
        return (tree.read(path, limit=LIMIT) or b"").decode()
    except UnicodeDecodeError as error:
        raise UnknownState(f"{tree.path / path}: expected UTF-8, found something else") from error
