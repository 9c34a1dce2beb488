# SPDX-License-Identifier: LGPL-2.1-or-later
"""A new list with its signatures in the place of the old one, all of them in one step.

A list without the signature that belongs to it is refused, and files can only be renamed one by one. So each name
becomes a link first, which leads over one other link to a folder with a copy of what it was; that link is turned to the
new folder by one rename(2); then each name becomes a file again. Whatever ends us between two steps, names lead to what
belongs together; :func:`settle` goes on from there.

A file system without symbolic links (a USB stick's) gets one file after the other.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from tukit_sysext.system.durable import TEMPORARY_PREFIX, sync_directory, write_file

_LINK = f"{TEMPORARY_PREFIX}lists"
_OLD, _NEW = f"{TEMPORARY_PREFIX}old", f"{TEMPORARY_PREFIX}new"
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


def switch(folder: Path, names: Collection[str], files: Mapping[str, bytes]) -> None:
    """Replace what has these names by ``files``; a name that is not among them goes. Raises OSError."""
    settle(folder, names)
    try:
        _switch(folder, names, files)
    finally:
        settle(folder, names)


def _switch(folder: Path, names: Collection[str], files: Mapping[str, bytes]) -> None:
    old = {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}
    for place, content in ((_OLD, old), (_NEW, files)):
        (folder / place).mkdir()
        for name, data in content.items():
            write_file(folder / place / name, data)
    try:
        _link(folder, _LINK, _OLD)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _one_by_one(folder, names, files)
        return
    sync_directory(folder)
    for name in sorted({*old, *files}):
        _link(folder, name, f"{_LINK}/{name}")
    sync_directory(folder)
    _link(folder, _LINK, _NEW)
    sync_directory(folder)


def settle(folder: Path, names: Collection[str]) -> None:
    """Make files of the links, and take away what a switch needed, or left when it was ended. Raises OSError."""
    for name in names:
        path = folder / name
        if path.is_symlink() and os.readlink(path) == f"{_LINK}/{name}":
            if path.exists():
                write_file(path, path.read_bytes())
            else:
                path.unlink()
    sync_directory(folder)
    with suppress(FileNotFoundError):
        (folder / _LINK).unlink()
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _link(folder: Path, name: str, to: str) -> None:
    temporary = folder / f"{TEMPORARY_PREFIX}link"
    temporary.symlink_to(to)
    temporary.rename(folder / name)


def _one_by_one(folder: Path, names: Collection[str], files: Mapping[str, bytes]) -> None:
    for name in names:
        if name in files:
            write_file(folder / name, files[name])
        else:
            (folder / name).unlink(missing_ok=True)
