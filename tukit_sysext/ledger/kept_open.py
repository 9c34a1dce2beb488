# SPDX-License-Identifier: LGPL-2.1-or-later
"""One open ledger for all that is written by one settling, or of one transaction.

Whoever opens a ledger has SQLite look through all of it, and whoever closes it makes the copy for ordinary users.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path

from tukit_sysext.ledger.ledger import Ledger


class _Kept(ExitStack):
    """The ledgers that are open, which are closed together."""

    def __init__(self) -> None:
        super().__init__()
        self._by_path: dict[Path, Ledger] = {}

    def ledger(self, path: Path) -> Ledger:
        ledger = self._by_path.get(path)
        if ledger is None or not ledger.in_place:
            ledger = self._by_path[path] = self.enter_context(Ledger(path))
        return ledger


_kept: ContextVar[_Kept | None] = ContextVar("kept", default=None)


@contextmanager
def kept_open() -> Iterator[None]:
    """Meanwhile a ledger that opened() opens stays open. Raises OSError, sqlite3.Error where it is closed."""
    with _Kept() as kept:
        token = _kept.set(kept)
        try:
            yield
        finally:
            _kept.reset(token)


@contextmanager
def opened(path: Path) -> Iterator[Ledger]:
    """The ledger at a path, to be written to. Raises OSError, sqlite3.Error."""
    kept = _kept.get()
    if kept is not None:
        yield kept.ledger(path)
        return
    with Ledger(path) as ledger:
        yield ledger
