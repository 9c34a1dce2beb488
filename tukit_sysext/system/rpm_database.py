# SPDX-License-Identifier: LGPL-2.1-or-later
"""The RPM database of a tree, read without changing anything in the tree.

rpm makes a database where there is none, and calls it empty; it writes beside one that it only reads; and on a
read-only tree it has no answer and no complaint. So its files are looked for first, and rpm's library is given a copy
of them, in a child (tukit_sysext.system.rpm_reader). On btrfs a copy shares the blocks.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tukit_sysext.errors import StoreError, ToolBroken, UnknownState
from tukit_sysext.requirements.capabilities import Package
from tukit_sysext.requirements.evr import evr_key
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.rules.printable import printable
from tukit_sysext.system.process import ProcessResult, TimedOut, run
from tukit_sysext.system.scratch import scratch_folder
from tukit_sysext.system.tree import Tree

FOLDERS = ("usr/lib/sysimage/rpm", "var/lib/rpm", "usr/share/rpm")
"""Where a tree may have it: openSUSE and Fedora, older ones, image-based Fedora. The first that has one counts."""

_KINDS: Sequence[tuple[str, ...]] = (("rpmdb.sqlite", "rpmdb.sqlite-wal"), ("Packages.db", "Index.db"))
"""The files of a database, the main one first: SQLite (its write-ahead log may hold packages), ndb."""

_LOCK = ".rpm.lock"
_READER = Path(__file__).with_name("rpm_reader.py")
_LIMIT = 2 * 1024**3
_TIMEOUT = 30.0
_CPU_SECONDS = 30
_MEMORY = 4 * 1024**3
_WRITTEN = 256 * 1024**2
_NO_REFLINK = (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundPackages:
    """What a database says: what meets each requirement, and the newest package of each name; None: nothing."""

    met: Mapping[Requirement, Package | None]
    installed: Mapping[str, Package | None]


class RpmDatabase:
    """The database of a tree, which stays open as long as it is used.

    ``identity`` is another one as soon as anything was written to it; it is found without reading any of it.
    """

    def __init__(self, tree: Tree) -> None:
        """Raises UnknownState where the tree has none that can be read."""
        self._tree = tree
        self._folder, self._files = _find(tree)
        self.path = tree.path / self._folder
        with self._opened() as folder:
            self.identity = _identity(folder, self._files)

    def ask(self, requirements: Sequence[Requirement], names: Sequence[str], *, scratch: Path) -> FoundPackages:
        """Ask rpm. ``scratch`` is a folder of ours, best on the file system of the tree.

        Raises UnknownState where the database cannot be copied or read, is being written to, or has no package.
        """
        questions = {
            "requirements": [[each.name, each.operator, each.evr] for each in requirements],
            "names": list(names),
        }
        try:
            with scratch_folder(scratch, what="RPM databases cannot be read") as copy:
                self._copy(copy)
                (copy / "questions").write_text(json.dumps(questions))
                answer = self._read(copy)
        except (OSError, StoreError, ToolBroken) as error:
            raise self._unknown(error.strerror if isinstance(error, OSError) else str(error)) from error
        met = zip(requirements, answer["met"], strict=True)
        return FoundPackages(
            met={each: None if package is None else Package(*package) for each, package in met},
            installed={
                name: Package(name, max(versions, key=evr_key)) if versions else None
                for name, versions in answer["installed"].items()
            },
        )

    def _unknown(self, why: str | None, next_step: str | None = None) -> UnknownState:
        return UnknownState(f"{self.path}: the RPM database cannot be read: {why}", next_step=next_step)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        folder = self._tree.find(self._folder)
        if folder is None:
            raise self._unknown("it is gone")
        try:
            yield folder
        finally:
            os.close(folder)

    def _copy(self, destination: Path) -> None:
        with self._opened() as folder:
            try:
                with _no_transaction(folder, self._files[0]):
                    for name in self._files:
                        _copy_file(folder, name, destination)
            except BlockingIOError as error:
                raise self._unknown("rpm is writing to it") from error
            if _identity(folder, self._files) != self.identity:
                raise self._unknown("it was written to meanwhile")

    def _read(self, copy: Path) -> Any:
        argv = [sys.executable, "-IB", str(_READER), str(copy)]
        try:
            result = run(argv, timeout=_TIMEOUT, cpu_seconds=_CPU_SECONDS, memory=_MEMORY, file_size=_WRITTEN)
        except TimedOut as error:
            raise self._unknown(f"rpm's library did not come to an end within {_TIMEOUT:g} s") from error
        if result.died:
            raise self._unknown(f"rpm's library has died of it: {result.died}")
        if "No module named 'rpm'" in result.messages:
            raise self._unknown("Python has no module rpm", next_step="install python3-rpm")
        complaint = _complaint(result)
        if complaint:
            raise self._unknown(complaint)
        answer = json.loads(result.output)
        if answer["empty"]:
            raise self._unknown(f"rpm finds no package in it {result.said}".rstrip())
        return answer


def _find(tree: Tree) -> tuple[str, tuple[str, ...]]:
    """The folder, and the files of the kind that was written to last."""
    for path in FOLDERS:
        folder = tree.find(path)
        if folder is None:
            continue
        try:
            states = {kind: status for kind in _KINDS if (status := _status(folder, kind[0])) is not None}
        finally:
            os.close(folder)
        if states:
            return path, max(states, key=lambda kind: states[kind].st_mtime_ns)
    raise UnknownState(f"{tree.path}: no RPM database (SQLite or ndb) in {', '.join(FOLDERS)}")


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _identity(folder: int, files: Sequence[str]) -> str:
    """As rpm cannot write to a file without another time of its inode, nothing of it has to be read."""
    states = [(name, _status(folder, name)) for name in files]
    return " ".join(
        f"{name}:{state.st_ino}:{state.st_size}:{state.st_mtime_ns}:{state.st_ctime_ns}"
        for name, state in states
        if state is not None and state.st_size
    )


@contextmanager
def _no_transaction(folder: int, main: str) -> Iterator[None]:
    """Keep rpm from writing meanwhile, as its own readers do. Raises BlockingIOError where it does write."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptors: list[int] = []
    try:
        if _status(folder, _LOCK) is not None:
            descriptors.append(os.open(_LOCK, flags, dir_fd=folder))
            fcntl.lockf(descriptors[-1], fcntl.LOCK_SH | fcntl.LOCK_NB)
        descriptors.append(os.open(main, flags, dir_fd=folder))
        fcntl.flock(descriptors[-1], fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _copy_file(folder: int, name: str, destination: Path) -> None:
    """Copy a regular file that may be missing; on btrfs without its blocks. Raises OSError."""
    try:
        source = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return
    with open(source, "rb", buffering=0), open(destination / name, "xb", buffering=0) as copy:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LIMIT:
            raise OSError(errno.EINVAL, f"{name}: expected a regular file of at most {_LIMIT} bytes")
        try:
            while os.copy_file_range(source, copy.fileno(), _LIMIT):
                pass
        except OSError as error:
            if error.errno not in _NO_REFLINK:
                raise
            while os.sendfile(copy.fileno(), source, None, _LIMIT):
                pass


def _complaint(result: ProcessResult) -> str:
    """What is wrong by rpm's messages: its library says it there, and answers as if there were nothing."""
    lines = [printable(line) for line in result.messages.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error:")]
    if errors:
        return errors[0].removeprefix("error:").strip()
    return (lines or [f"status {result.status}"])[-1] if result.status != 0 else ""
