# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong while the package runs: it is killed at a step, the disk fills up, something happens in between.

While :meth:`Faults.active` the functions through which the package writes are replaced: each call is a step. They also
see whether what gets its final name was synced before (invariant 2), under a temporary one: what is synced of a file
without a name is not on the disk, as on btrfs of Linux 6.12. The clock is that of the test.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.model import images
from tukit_sysext.ledger.readable import copy_of
from tukit_sysext.system.durable import TEMPORARY_PREFIX

_OTHERS = 100
"""Bytes of the file system that are not the store's, several times an image: what is announced always fits into it."""


class Killed(KeyboardInterrupt):
    """The process is gone. Nothing that it still tries to do reaches the disk.

    A KeyboardInterrupt, which is the one thing that the package lets out of plugins as it is.
    """


_REAL = SimpleNamespace(
    open=os.open,
    write=os.write,
    fsync=os.fsync,
    link=os.link,
    rename=os.rename,
    symlink=os.symlink,
    unlink=os.unlink,
    mkdir=os.mkdir,
    rmdir=os.rmdir,
    statvfs=os.statvfs,
    connect=sqlite3.connect,
    gmtime=time.gmtime,
)
_WRITING = os.O_CREAT | os.O_WRONLY | os.O_RDWR
_STATEMENTS = ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "COMMIT")
_DESCRIPTOR = "/proc/self/fd/"
_VOLATILE = ("/var/cache/", "/run/")
"""Where nothing needs to be synced."""


class Faults:
    """What is to go wrong."""

    def __init__(self, store: Path) -> None:
        self.now = int(time.time())
        self.steps = 0
        self.unsynced: list[str] = []
        self.writes_left: int | None = None
        self.capacity: int | None = None
        self._store = store
        self._dirty: set[int] = set()
        self._kill_at: int | None = None
        self._between: tuple[int, Callable[[], None]] | None = None
        self._dead = False
        self._replacements = self._make_replacements()
        self._originals = [(owner, name, getattr(owner, name)) for owner, name, _ in self._replacements]

    @contextmanager
    def active(
        self, *, kill_at: int | None = None, between: tuple[int, Callable[[], None]] | None = None
    ) -> Iterator[None]:
        """Run the package: killed before step ``kill_at``, something else happening before step ``between``."""
        self.steps, self._dead = 0, False
        self._kill_at, self._between = kill_at, between
        _put(self._replacements)
        try:
            yield
        finally:
            _put(self._originals)
            self._kill_at = self._between = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let somebody else do something in between, with the real functions."""
        _put(self._originals)
        try:
            yield
        finally:
            _put(self._replacements)

    @property
    def killed(self) -> bool:
        """Whether the process that ran last was killed."""
        return self._dead

    @property
    def full(self) -> bool:
        """Whether anything may fail for want of room."""
        return self.writes_left is not None or self.capacity is not None

    def step(self, *, grows: bool = False) -> bool:
        """One step; False where there is no room for what it would write."""
        if self._dead:
            raise Killed
        self.steps += 1
        if self._between is not None and self.steps == self._between[0]:
            (_, happen), self._between = self._between, None
            happen()
        if self.steps == self._kill_at:
            self._dead = True
            raise Killed
        if not grows or self.writes_left is None:
            return True
        self.writes_left = max(0, self.writes_left - 1)
        return self.writes_left > 0

    def _write_step(self) -> None:
        if not self.step(grows=True):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if not flags & _WRITING:
            return int(_REAL.open(path, flags, mode, dir_fd=dir_fd))
        self._write_step()
        descriptor: int = _REAL.open(path, flags, mode, dir_fd=dir_fd)
        self._dirty.discard(os.fstat(descriptor).st_ino)
        return descriptor

    def _write(self, descriptor: int, data: Any) -> int:
        self._write_step()
        self._dirty.add(os.fstat(descriptor).st_ino)
        return int(_REAL.write(descriptor, data))

    def _fsync(self, descriptor: int) -> None:
        self.step()
        status = os.fstat(descriptor)
        if status.st_nlink:
            self._dirty.discard(status.st_ino)

    def _link(self, source: Any, target: Any, **options: Any) -> None:
        self._write_step()
        if str(source).startswith(_DESCRIPTOR):
            descriptor = int(str(source).removeprefix(_DESCRIPTOR))
            self._see(os.fstat(descriptor).st_ino, str(target))
            # the clock of the file system is not ours
            os.utime(descriptor, (self.now, self.now))
        _REAL.link(source, target, **options)

    def _rename(self, source: Any, target: Any, **options: Any) -> None:
        self._write_step()
        if not any(folder in str(target) for folder in _VOLATILE):
            status = os.stat(source, dir_fd=options.get("src_dir_fd"), follow_symlinks=False)
            self._see(status.st_ino, str(target))
        _REAL.rename(source, target, **options)

    def _see(self, inode: int, name: str) -> None:
        # the copy of the ledger is made anew whenever it differs: it need not outlive a power cut
        base = os.path.basename(name)
        final = base != copy_of(Path("ledger.db")).name and not base.startswith(TEMPORARY_PREFIX)
        if inode in self._dirty and final:
            self.unsynced.append(name)

    def _growing(self, name: str) -> Callable[..., Any]:
        real = getattr(_REAL, name)

        def replaced(*arguments: Any, **options: Any) -> Any:
            self._write_step()
            return real(*arguments, **options)

        return replaced

    def _freeing(self, name: str) -> Callable[..., Any]:
        real = getattr(_REAL, name)

        def replaced(*arguments: Any, **options: Any) -> Any:
            self.step()
            return real(*arguments, **options)

        return replaced

    def _statvfs(self, path: Any) -> Any:
        if self.writes_left is None and self.capacity is None:
            return _REAL.statvfs(path)
        used = sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(self._store))
        free = max(0, self.capacity - used) if self.capacity is not None else _OTHERS
        if self.writes_left == 0:
            free = 0
        return SimpleNamespace(f_bavail=free, f_bfree=free, f_blocks=used + free + _OTHERS, f_frsize=1, f_bsize=1)

    def _connect(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        self.step()
        return _REAL.connect(*arguments, factory=self._connection, **options)  # type: ignore[no-any-return]

    def _make_connection(self) -> type[sqlite3.Connection]:
        faults = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                faults.statement(sql)
                return super().execute(sql, *values)

            def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
                faults.statement(sql)
                return super().executemany(sql, *values)

        return Connection

    def statement(self, sql: str) -> None:
        """A statement of SQLite."""
        if sql.lstrip().startswith(_STATEMENTS):
            if not self.step(grows=True):
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
        elif self._dead:
            raise Killed

    def _gmtime(self, seconds: float | None = None) -> time.struct_time:
        return _REAL.gmtime(self.now if seconds is None else seconds)  # type: ignore[no-any-return]

    def _make_replacements(self) -> list[tuple[Any, str, Any]]:
        import tukit_sysext.integrity.assess
        import tukit_sysext.integrity.quarantine_folder
        import tukit_sysext.store.image_store
        import tukit_sysext.system.inspect_image
        import tukit_sysext.update.content_judge
        import tukit_sysext.update.local
        from tukit_sysext.system.syscalls import rename_new

        self._connection = self._make_connection()

        def renamed(source: int, name: str, target: int, new_name: str) -> None:
            self._write_step()
            self._see(os.stat(name, dir_fd=source, follow_symlinks=False).st_ino, new_name)
            rename_new(source, name, target, new_name)

        return [
            (os, "open", self._open),
            (os, "write", self._write),
            (os, "fsync", self._fsync),
            (os, "link", self._link),
            (os, "rename", self._rename),
            (os, "symlink", self._growing("symlink")),
            (os, "mkdir", self._growing("mkdir")),
            (os, "unlink", self._freeing("unlink")),
            (os, "rmdir", self._freeing("rmdir")),
            (os, "statvfs", self._statvfs),
            (sqlite3, "connect", self._connect),
            (time, "time", lambda: float(self.now)),
            (time, "gmtime", self._gmtime),
            (tukit_sysext.integrity.quarantine_folder, "rename_new", renamed),
            (tukit_sysext.store.image_store, "rename_new", renamed),
            (tukit_sysext.update.content_judge, "inspect_image", images.inspect_image),
            (tukit_sysext.update.local, "inspect_image", images.inspect_image),
            (tukit_sysext.update.content_judge, "look_through_or_say", lambda *_, **__: None),
            (tukit_sysext.system.inspect_image, "inspect_linked", images.inspect_linked),
            (tukit_sysext.system.inspect_image, "inspect_image", images.inspect_image),
        ]


def _put(values: list[tuple[Any, str, Any]]) -> None:
    for owner, name, value in values:
        setattr(owner, name, value)
