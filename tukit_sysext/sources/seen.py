# SPDX-License-Identifier: LGPL-2.1-or-later
"""The newest signature time seen of each source, against old lists that are served again (threat N7).

One file for each source, apart from the ledger: losing that must not make old lists good again. The rules:

* what is remembered belongs to a source's name and to the primary key that signed: the list of a source that has
  other keys now is not measured by what its old keys signed
* a list is older when its signature is older than what is remembered of any key that is still trusted; equal is fine
* remembered is a list that passed every check, with the time of each good signature that it has
* a time never goes down but by :meth:`Seen.reset` (``tukit-sysext sources reset NAME``)
* a memory that cannot be read is no empty one: MemoryUnreadable, nothing new of that source is accepted until it is
  reset, and what is at hand is used as before
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tukit_sysext.errors import MemoryUnreadable
from tukit_sysext.formats.openpgp import fingerprint
from tukit_sysext.machine import Machine
from tukit_sysext.rules.names import check_component
from tukit_sysext.system.durable import make_directory, sync_directory, write_file
from tukit_sysext.system.lock import alone
from tukit_sysext.system.small_file import read_small

_LIMIT = 64 * 1024
LATEST = 10**15
"""Seconds since the epoch that no signature is from: gpgv's status is read up to there."""
_PATIENCE = 5.0
_LOCK = ".lock"


class Seen:
    """The folder of these files. With ``writable`` false nothing is remembered."""

    def __init__(self, folder: Path, *, writable: bool) -> None:
        self._folder = folder
        self._writable = writable

    @classmethod
    def of(cls, machine: Machine) -> Seen:
        """That of a machine; remembered only where we may, and are not just looking."""
        return cls(machine.layout.seen, writable=machine.privileged and not machine.read_only)

    def times(self, source: str) -> Mapping[str, int]:
        """The newest time (seconds since the epoch) seen of each key of a source. Raises MemoryUnreadable."""
        path = self._path(source)
        try:
            return _decode(read_small(path, limit=_LIMIT))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _unreadable(path, source, error.strerror or type(error).__name__) from error
        except (ValueError, RecursionError) as error:
            raise _unreadable(path, source, f"expected times by key, found other content ({error})") from error

    def remember(self, source: str, times: Mapping[str, int]) -> None:
        """Remember signature times by key, where they are newer. Raises OSError, Busy, MemoryUnreadable."""
        if not self._writable or not _newer(self.times(source), times):
            return
        with self._alone():
            known = self.times(source)  # once more: another process may have seen a newer one meanwhile
            newer = _newer(known, times)
            if newer:
                document = {"keys": {**known, **newer}}
                write_file(self._path(source), json.dumps(document, indent=1, sort_keys=True).encode() + b"\n")

    def reset(self, source: str) -> bool:
        """Forget what was seen of a source, whatever the file holds; whether there was any. Raises OSError, Busy."""
        if not self._folder.is_dir():
            return False
        with self._alone():
            try:
                self._path(source).unlink()
            except FileNotFoundError:
                return False
            sync_directory(self._folder)
            return True

    def sources(self) -> list[str]:
        """The sources of which something is remembered, sorted. Raises OSError."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        return sorted(name for name in names if not name.startswith("."))

    def _path(self, source: str) -> Path:
        return self._folder / check_component(source)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder's lock: who reads, compares and writes must be alone, or a time could go down."""
        make_directory(self._folder)
        with alone(self._folder / _LOCK, patience=_PATIENCE):
            yield


def _newer(known: Mapping[str, int], times: Mapping[str, int]) -> dict[str, int]:
    return {key: when for key, when in times.items() if when > known.get(key, -1)}


def _decode(content: bytes) -> Mapping[str, int]:
    """The times in a file. Raises ValueError for anything else than what is written here."""
    document = json.loads(content)
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, dict) or not keys:
        raise ValueError("no object of keys")
    for key, when in keys.items():
        if fingerprint(key) != key:
            raise ValueError("a key that is no fingerprint")
        if type(when) is not int or not 0 <= when < LATEST:
            raise ValueError("a time that is none")
    return keys


def _unreadable(path: Path, source: str, why: str) -> MemoryUnreadable:
    return MemoryUnreadable(
        f"{path}: which lists of source {source} were seen cannot be read: {why}; no list of it is accepted until "
        "this is repaired or forgotten",
        next_step=f"repair it, or forget which lists were seen:\ntukit-sysext sources reset {source}",
    )
