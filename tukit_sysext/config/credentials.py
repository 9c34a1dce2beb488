# SPDX-License-Identifier: LGPL-2.1-or-later
"""A user name and a password for a source's servers, from a file that root alone can read (threat N16).

They are in no ``repr``, so that no log and no trace has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tukit_sysext.errors import UnknownState
from tukit_sysext.system.tree import Tree

_LIMIT = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """What a file of credentials says: its path in the tree, and what it is there for."""

    path: str
    user: str = field(repr=False)
    password: str = field(repr=False)


def load(tree: Tree, path: str) -> Credentials:
    """Read ``user:password``, the one line of a file of a tree.

    Raises UnknownState where it cannot be read, is not root's alone, or has something else in it, which is not
    repeated.
    """
    content = tree.read(path.lstrip("/"), limit=_LIMIT, private=True)
    if content is None:
        raise UnknownState(f"{path}: there is no such file")
    try:
        line = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        line = ""
    user, colon, password = line.partition(":")
    if not user or not colon or any(ord(character) < 32 or ord(character) == 127 for character in line):
        raise UnknownState(f"{path}: expected one line, user:password")
    return Credentials(path=path, user=user, password=password)
