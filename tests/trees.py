# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plain trees of files, links and directories."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link with this text."""

    text: str


Content = str | bytes | Link | None
"""What stands at a path: a file's content, a link, or (None) an empty directory."""


def make_tree(root: Path, entries: Mapping[str, Content]) -> Path:
    """Make files, links and directories below ``root``, with the folders that they need."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in entries.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match content:
            case None:
                path.mkdir(exist_ok=True)
            case Link():
                path.symlink_to(content.text)
            case str():
                path.write_text(content)
            case bytes():
                path.write_bytes(content)
    return root


def listing(root: Path) -> dict[str, Content]:
    """The reverse of make_tree: everything below ``root``."""
    found: dict[str, Content] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = Link(os.readlink(path))
        elif path.is_dir():
            found[name] = None
        else:
            found[name] = path.read_bytes()
    return found


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Run with another umask."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
