# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether the links and the configuration of a tree can be changed from outside a transaction."""

from __future__ import annotations

import os

from tukit_sysext.errors import OutsideTree, UnknownState
from tukit_sysext.layout import EXTENSIONS, Layout
from tukit_sysext.state.layers import read_overlaid
from tukit_sysext.system.tree import Tree


def obstacle(tree: Tree, layout: Layout, *, called: str, running: bool, open_: bool, privileged: bool = True) -> str:
    """Why a tree cannot be changed; empty where nothing speaks against it.

    ``called`` is how the tree is named, ``running`` tells the running system (an /etc that is an overlay is mounted
    there), ``open_`` a transaction that is not closed yet. Who is not ``privileged`` cannot write anywhere: a dry run
    asks for the rest.
    """
    if open_:
        return "a transaction has the tree open, which links what fits when it is closed"
    try:
        if not running and read_overlaid(tree, layout) is not None:
            return "the tree's /etc is an overlay, whose links are not changed from here"
        descriptor = tree.directory(EXTENSIONS) or tree.directory("etc")
    except (OutsideTree, UnknownState) as error:
        return str(error)
    if descriptor is None:
        return f"{tree.path}/etc is not there"
    try:
        writable = not privileged or os.access(f"/proc/self/fd/{descriptor}", os.W_OK)
    finally:
        os.close(descriptor)
    return "" if writable else f"{called} is read-only, so that its link cannot be changed"
