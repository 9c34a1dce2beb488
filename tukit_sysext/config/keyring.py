# SPDX-License-Identifier: LGPL-2.1-or-later
"""The keyrings of a source: one named for it, else systemd's import keyrings (systemd-importd.service(8)), all of them.

A distribution's keys in /usr and an administrator's in /etc count side by side, as do .pgp and .gpg. Older systemd
takes the first of them alone; Fingerprint= of a source does so for keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tukit_sysext.errors import UnknownState
from tukit_sysext.system.tree import Tree

IMPORT_KEYRINGS = tuple(
    f"{folder}/import-pubring.{kind}" for folder in ("etc/systemd", "usr/lib/systemd") for kind in ("pgp", "gpg")
)
"""Where systemd looks for keys of images, relative to a tree."""

_LIMIT = 4 * 1024 * 1024


class Keyring(NamedTuple):
    """A keyring as it is in a file: its path in the tree, and its bytes (binary or ASCII armour)."""

    path: str
    content: bytes


class Keyrings(NamedTuple):
    """The keyrings that count, and why others cannot be read."""

    rings: tuple[Keyring, ...]
    problems: tuple[str, ...] = ()


def load(tree: Tree, named: str | None) -> Keyrings:
    """The keyring ``named`` (an absolute path) alone, else all import keyrings."""
    rings: list[Keyring] = []
    problems: list[str] = []
    for path in (named.lstrip("/"),) if named is not None else IMPORT_KEYRINGS:
        try:
            content = tree.read(path, limit=_LIMIT)
        except UnknownState as error:
            problems.append(str(error))
            continue
        if content is not None:
            rings.append(Keyring(path=f"/{path}", content=content))
        elif named is not None:
            problems.append(f"{named}: there is no such keyring")
    return Keyrings(rings=tuple(rings), problems=tuple(problems))


def paths(rings: Sequence[Keyring]) -> str:
    """Their paths, in words."""
    return ", ".join(ring.path for ring in rings)
