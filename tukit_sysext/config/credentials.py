# SPDX-License-Identifier: LGPL-2.1-or-later
"""A user name and a password for a source's servers, from a file that root alone can read (threat N16).

They are in no ``repr``, so that no log and no trace has them.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from tukit_sysext.errors import UnknownState
from tukit_sysext.system.small_file import read_from
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
    return _read(content, path)


def load_own(path: Path) -> Credentials:
    """Read the same of a file of the user who runs us, or of root.

    Raises UnknownState where it cannot be read, anybody else may read or write it, or it has something else in it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            content = read_from(descriptor, limit=_LIMIT)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UnknownState(f"{path}: cannot be read: {error.strerror}") from error
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o077:
        found = f"of user {status.st_uid} with mode {stat.S_IMODE(status.st_mode):04o}"
        raise UnknownState(f"{path}: expected a file of your own with mode 0600, found one {found}")
    return _read(content, str(path))


def _read(content: bytes, path: str) -> Credentials:
    try:
        line = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        line = ""
    user, colon, password = line.partition(":")
    if not user or not colon or any(ord(character) < 32 or ord(character) == 127 for character in line):
        raise UnknownState(f"{path}: expected one line, user:password")
    return Credentials(path=path, user=user, password=password)
