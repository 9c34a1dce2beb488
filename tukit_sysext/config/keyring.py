# SPDX-License-Identifier: LGPL-2.1-or-later
"""The keyring of a source: one named for it, else systemd's import keyring (systemd-importd.service(8))."""

from __future__ import annotations

from dataclasses import dataclass

from tukit_sysext.errors import UnknownState
from tukit_sysext.system.tree import Tree

IMPORT_KEYRINGS = tuple(
    f"{folder}/import-pubring.{kind}" for folder in ("etc/systemd", "usr/lib/systemd") for kind in ("pgp", "gpg")
)
"""Where systemd looks for keys of images, relative to a tree; the first that exists counts."""

_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Keyring:
    """A keyring as it is in a file: its path in the tree, and its bytes (binary or ASCII armour)."""

    path: str
    content: bytes


def load(tree: Tree, named: str | None) -> Keyring | None:
    """The keyring ``named`` (an absolute path), else the first import keyring; None where there is none.

    Raises UnknownState where the named one does not exist, or the one that counts cannot be read.
    """
    for path in (named.lstrip("/"),) if named is not None else IMPORT_KEYRINGS:
        content = tree.read(path, limit=_LIMIT)
        if content is not None:
            return Keyring(path=f"/{path}", content=content)
    if named is not None:
        raise UnknownState(f"{named}: there is no such keyring")
    return None
