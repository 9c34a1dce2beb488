# SPDX-License-Identifier: LGPL-2.1-or-later
"""What runs as a process of its own where an image is mounted: says as JSON what that has and needs.

It reads what a publisher made: all that it keeps has a limit, and where one is reached it ends with a message.
tukit_sysext.system.look_through starts it.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from typing import Any

from tukit_sysext.formats.elf import MAGIC, ElfRefused, read_elf

HIERARCHIES = ("usr", "opt")
"""What systemd-sysext merges."""
_LABEL = "security.selinux"
_NO_LABELS = (b"unlabeled_t", b"file_t")
"""Types that the kernel gives to what has no label."""
_SCRIPT = re.compile(rb"#![ \t]*(/[!-~]{1,254})(?:[ \t\r\n]|$)")
_HEAD = 260
_MOST_ENTRIES = 200_000
_MOST_CHARACTERS = 16 * 1024 * 1024
_MOST_NEEDS = 20_000
_MOST_OF_NEEDS = 256 * 1024
_MOST_REFUSED = 20
_DEEPEST = 64


class TooMuch(Exception):
    """A limit was reached."""


class Walk:
    """One walk of a mounted image."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._entries = 0
        self._characters = 0
        self._needs: set[str] = set()
        self._provides: set[str] = set()
        self._refused: list[str] = []
        self._labelled = 0
        self._unlabelled = 0
        self._first_unlabelled = ""

    def document(self) -> dict[str, Any]:
        folder = self._folder(self._root, HIERARCHIES, 0)
        if sum(map(len, (*self._needs, *self._provides))) > _MOST_OF_NEEDS:
            raise TooMuch(f"what its files need and provide has more than {_MOST_OF_NEEDS} characters")
        return {
            "needs": sorted(self._needs),
            "provides": sorted(self._provides),
            "files": folder,
            "refused": self._refused,
            "labelled": self._labelled,
            "unlabelled": self._unlabelled,
            "first_unlabelled": self._first_unlabelled,
        }

    def _folder(self, path: str, only: tuple[str, ...], depth: int) -> list[Any]:
        if depth > _DEEPEST:
            raise TooMuch(f"its directories are more than {_DEEPEST} deep")
        nodes: dict[str, Any] = {}
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if not only or entry.name in only:
                    nodes[entry.name] = self._node(entry, depth)
        return [stat.S_IMODE(os.lstat(path).st_mode), nodes]

    def _node(self, entry: os.DirEntry[str], depth: int) -> Any:
        self._entries += 1
        self._characters += len(entry.name)
        if self._entries > _MOST_ENTRIES or self._characters > _MOST_CHARACTERS:
            raise TooMuch(f"it has more than {_MOST_ENTRIES} files, or {_MOST_CHARACTERS} characters of names")
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            return self._folder(entry.path, (), depth + 1)
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(entry.path)
            self._characters += len(target)
            return target
        if not stat.S_ISREG(status.st_mode):
            return None
        if status.st_mode & 0o111 or ".so" in entry.name:
            self._look_into(entry, status.st_size)
        return status.st_size

    def _look_into(self, entry: os.DirEntry[str], size: int) -> None:
        try:
            descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                head = os.pread(descriptor, _HEAD, 0)
                if head.startswith(MAGIC):
                    self._check_label(descriptor, entry.path)
                    found = read_elf(lambda many, at: os.pread(descriptor, many, at), size, entry.name)
                    if found is not None:
                        self._needs |= found.needs
                        self._provides |= found.provides
                elif script := _SCRIPT.match(head):
                    self._check_label(descriptor, entry.path)
                    self._needs.add(script[1].decode("ascii"))
            finally:
                os.close(descriptor)
        except (ElfRefused, OSError) as error:
            if len(self._refused) < _MOST_REFUSED:
                why = error.strerror if isinstance(error, OSError) else error
                self._refused.append(f"{os.path.relpath(entry.path, self._root)}: {why}")
        if len(self._needs) + len(self._provides) > _MOST_NEEDS:
            raise TooMuch(f"its files need and provide more than {_MOST_NEEDS} things")

    def _check_label(self, descriptor: int, path: str) -> None:
        try:
            label = os.getxattr(descriptor, _LABEL)
        except OSError:
            label = b""
        if label and not any(name in label.split(b":") for name in _NO_LABELS):
            self._labelled += 1
            return
        self._unlabelled += 1
        self._first_unlabelled = self._first_unlabelled or os.path.relpath(path, self._root)


def main(folder: str) -> str:
    """Print what the image that is mounted on a folder has and needs; why it cannot be walked."""
    try:
        json.dump(Walk(folder).document(), sys.stdout)
    except (TooMuch, OSError, RecursionError) as error:
        return str(error)
    except MemoryError:
        return "it takes more memory than there is for it"
    return ""
