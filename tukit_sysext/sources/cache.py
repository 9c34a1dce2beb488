# SPDX-License-Identifier: LGPL-2.1-or-later
"""What need not be fetched or checked again: lists and descriptions by their hash, and what a signature check said.

Everything in here may be lost at any time, and nothing in here is trusted: content has its hash checked when it is
read.
"""

from __future__ import annotations

import json
import logging
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from tukit_sysext.system.durable import make_directory, write_file
from tukit_sysext.system.small_file import read_small

log = logging.getLogger(__name__)

LISTS = "lists"
"""The kind of notes by the names of sources: in ``list`` the hash of the list that was fetched last."""

CONTENT, INDEXES = "by-hash", "indexes"
"""Kinds of content: lists, manifests and descriptions, which are small, and indexes of chunks. A collection takes away
the first after 90 days, and the second soon."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LIMIT = 16 * 1024 * 1024


class Cache:
    """A folder below /var/cache/tukit-sysext. With ``writable`` false nothing is put into it."""

    def __init__(self, folder: Path, *, writable: bool) -> None:
        self._folder = folder
        self._writable = writable

    def content(self, sha256: str, kind: str = CONTENT) -> bytes | None:
        """Content by its SHA-256; None where it is not there, or is other content."""
        if not _SHA256.fullmatch(sha256):
            return None
        content = self._read(kind, sha256)
        return content if content is not None and _sha256_of(content) == sha256 else None

    def put_content(self, content: bytes, kind: str = CONTENT) -> str:
        """Keep content; its SHA-256. What is there already is young again: a collection takes away what is old."""
        sha256 = _sha256_of(content)
        if self.content(sha256, kind) is None:
            self._write(kind, sha256, content)
        elif self._writable:
            with suppress(OSError):
                os.utime(self._folder / kind / sha256)
        return sha256

    def note(self, kind: str, key: str) -> dict[str, Any] | None:
        """A note (a JSON object) of a kind under a key; None where there is none."""
        content = self._read(kind, key)
        try:
            note = json.loads(content) if content is not None else None
        except (ValueError, RecursionError):
            return None
        return note if isinstance(note, dict) else None

    def put_note(self, kind: str, key: str, note: dict[str, Any]) -> None:
        """Keep a note."""
        self._write(kind, key, json.dumps(note, sort_keys=True).encode())

    def _read(self, kind: str, key: str) -> bytes | None:
        try:
            return read_small(self._folder / kind / key, limit=_LIMIT)
        except OSError:
            return None

    def _write(self, kind: str, key: str, content: bytes) -> None:
        if not self._writable:
            return
        path = self._folder / kind / key
        try:
            make_directory(path.parent)
            write_file(path, content, durable=False)
        except OSError as error:
            log.info("%s: cannot be kept: %s", path, error.strerror)


def _sha256_of(content: bytes) -> str:
    import hashlib  # 3 ms, and a collection asks for the names of the folders alone

    return hashlib.sha256(content).hexdigest()
