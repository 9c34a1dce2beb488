# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writing small files so that after a power cut there is the old content or the new one.

Temporary file in the same directory, fsync, rename, fsync of the directory: a rename without the first fsync left empty
files on btrfs, one without the second was lost.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tukit_sysext.system.label import FOLDER, labelled

TEMPORARY_PREFIX = ".tukit-sysext."
"""How every temporary name of ours starts, so that what a power cut left behind can be told from other tools' files."""


def make_directory(path: Path, mode: int = 0o755) -> None:
    """Make a directory with ``mode``, its parents with 0755, durably; one that exists is left as it is."""
    if path.is_dir():
        return
    make_directory(path.parent)
    try:
        with labelled(path, FOLDER):
            path.mkdir()
    except FileExistsError:
        return
    path.chmod(mode)
    sync_directory(path.parent)


def sync_directory(path: Path | int) -> None:
    """fsync(2) of a directory, given by path or by descriptor."""
    if isinstance(path, int):
        os.fsync(path)
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: Path, content: bytes, *, durable: bool = True, known_as: str | None = None) -> None:
    """Replace ``path`` by a file with ``content`` and mode 0644. Raises OSError; the old file is whole then.

    ``durable`` is False for files on tmpfs, where fsync means nothing. ``known_as`` is the path that it has in the
    system that it is for, where that is another one: the path that its label is for.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with labelled(known_as or path):
            descriptor = os.open(temporary, flags, 0o644)
    except KeyboardInterrupt:
        temporary.unlink(missing_ok=True)  # it may have been made already
        raise
    try:
        try:
            os.fchmod(descriptor, 0o644)
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # write(2) does not know of which file it tells
        raise
    if durable:
        sync_directory(path.parent)


def sweep(folder: Path, before: int) -> None:
    """Take away what processes that were killed left in a folder before a time (seconds). Raises OSError."""
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(FileNotFoundError):
            if path.lstat().st_mtime < before:
                path.unlink()
