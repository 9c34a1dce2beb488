# SPDX-License-Identifier: LGPL-2.1-or-later
"""A system tree (a snapshot, or the running system), reached so that nothing leads out of it.

Reading follows symbolic links inside the tree, as they will resolve when the tree is the root: ``etc/os-release`` is
one. Writing follows none at all.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType

from tukit_sysext.errors import OutsideTree, UnknownState
from tukit_sysext.system.disk_space import remedy
from tukit_sysext.system.label import FOLDER, labelled
from tukit_sysext.system.small_file import read_from
from tukit_sysext.system.syscalls import (
    RESOLVE_BENEATH,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    openat2,
)

_READ = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
_STRICT = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS


_CONFEXT = "etc/.systemd-confext"
"""A folder at the top of the overlay that systemd-confext has on /etc."""


class Tree:
    """The tree whose root directory is ``path``. A context manager: it holds a descriptor of the root."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise UnknownState(f"{path}: cannot be opened as the root of a system: {error.strerror}") from error
        except ValueError as error:  # a path out of a damaged file, with a NUL in it
            raise UnknownState(f"{str(path)!r}: no path of a system: {error}") from error

    def __enter__(self) -> Tree:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up the descriptor."""
        os.close(self._root)

    def read(self, path: str, *, limit: int, private: bool = False) -> bytes | None:
        """Content of a regular file, links resolved inside the tree; None where there is no such file.

        Raises UnknownState when it cannot be read, is no regular file, or has more than ``limit`` bytes; with
        ``private`` also where it is not root's, or anybody else may read or write it.
        """
        try:
            descriptor = openat2(self._root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, resolve=_READ)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UnknownState(f"{self.path / path}: cannot be read: {error.strerror}") from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UnknownState(f"{self.path / path}: expected a regular file")
            if private and (status.st_uid != 0 or status.st_mode & 0o077):
                found = f"of user {status.st_uid} with mode {stat.S_IMODE(status.st_mode):04o}"
                raise UnknownState(f"{self.path / path}: expected a file of root with mode 0600, found one {found}")
            content = read_from(descriptor, limit=limit + 1)
        except OSError as error:
            raise UnknownState(f"{self.path / path}: cannot be read: {error.strerror}") from error
        finally:
            os.close(descriptor)
        if len(content) > limit:
            raise UnknownState(f"{self.path / path}: larger than {limit} bytes")
        return content

    def names(self, path: str) -> list[str] | None:
        """Sorted names in a directory, links resolved inside the tree; None where there is no such directory.

        Raises UnknownState when the directory cannot be read.
        """
        try:
            descriptor = openat2(self._root, path, os.O_RDONLY | os.O_DIRECTORY, resolve=_READ)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnknownState(f"{self.path / path}: cannot be read: {error.strerror}") from error
        try:
            return sorted(os.listdir(descriptor))
        finally:
            os.close(descriptor)

    def has(self, path: str) -> bool:
        """Whether something is at ``path``, links resolved inside the tree. Raises UnknownState where not known."""
        try:
            os.close(openat2(self._root, path, os.O_PATH, resolve=_READ))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise UnknownState(f"{self.path / path}: cannot be looked at: {error.strerror}") from error
        return True

    def link_text(self, path: str) -> str | None:
        """What the symbolic link ``path`` says, unresolved; None where ``path`` is no link or does not exist."""
        head, name = os.path.split(path)
        try:
            directory = openat2(self._root, head or ".", os.O_PATH | os.O_DIRECTORY, resolve=_READ)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UnknownState(f"{self.path / head}: cannot be opened: {error.strerror}") from error
        try:
            return os.readlink(name, dir_fd=directory)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):
                return None
            raise UnknownState(f"{self.path / path}: cannot be read: {error.strerror}") from error
        finally:
            os.close(directory)

    def find(self, path: str) -> int | None:
        """Descriptor of a directory to be read, links resolved inside the tree; None where there is none.

        The caller closes the descriptor. Raises UnknownState where it cannot be opened.
        """
        return self._find(path, os.O_RDONLY)

    def _find(self, path: str, flags: int) -> int | None:
        try:
            return openat2(self._root, path, flags | os.O_DIRECTORY, resolve=_READ)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UnknownState(f"{self.path / path}: cannot be opened: {error.strerror}") from error

    def find_each(self, paths: tuple[str, ...]) -> Iterator[tuple[str, int]]:
        """Those of these directories that there are, with a descriptor each, which is closed here; else as find().

        What several are in is looked up once: most of them are in no tree.
        """
        for parent, names in _by_parent(paths).items():
            descriptor = self._find(parent, os.O_PATH)
            if descriptor is None:
                continue
            existing = []
            try:
                for name in names:
                    try:
                        os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    except OSError:
                        pass  # opening it tells what is wrong
                    existing.append(name)
            finally:
                os.close(descriptor)
            for name in existing:
                path = f"{parent}/{name}"
                descriptor = self.find(path)
                if descriptor is not None:
                    try:
                        yield path, descriptor
                    finally:
                        os.close(descriptor)

    def expect_own_etc(self) -> None:
        """Raises UnknownState where /etc is an overlay of systemd-confext, and not this tree's own.

        Such a one is read-only, or (--mutable=) keeps what is written in another place, to no effect on the next boot.
        """
        if self.names(_CONFEXT) is not None:
            raise UnknownState(
                f"{self.path / 'etc'}: configuration extensions are merged into it, nothing can be written to it",
                next_step="systemd-confext unmerge\nthen try it again, and after that:\nsystemd-confext merge",
            )

    def directory(self, path: str, *, create: bool = False) -> int | None:
        """Descriptor of a directory beneath the root, reached without any symbolic link, to be written through.

        None where it does not exist and ``create`` is false. With ``create`` only the last component is made (mode
        0755). The caller closes the descriptor. Raises OutsideTree for a link on the way (threat L4), UnknownState
        otherwise.
        """
        try:
            return self._strict(path)
        except FileNotFoundError:
            if not create:
                return None
        head, name = os.path.split(path)
        try:
            parent = self._strict(head or ".")
            try:
                # the mode is set apart from the umask of whoever called us
                with labelled(f"/{path}", FOLDER):
                    os.mkdir(name, 0o755, dir_fd=parent)
                os.chmod(name, 0o755, dir_fd=parent)  # noqa: S103  # as every directory in /etc
                os.fsync(parent)
            finally:
                os.close(parent)
            return self._strict(path)
        except OSError as error:
            message = f"{self.path / path}: cannot be made: {error.strerror}"
            raise UnknownState(message, next_step=remedy(self.path, error)) from error

    def _strict(self, path: str) -> int:
        try:
            return openat2(self._root, path, os.O_RDONLY | os.O_DIRECTORY, resolve=_STRICT)
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EXDEV):
                raise OutsideTree(
                    f"{self.path / path}: reached through a symbolic link; expected a directory of this tree",
                    next_step="nothing was written; replace the link by a real directory",
                ) from error
            if error.errno == errno.ENOTDIR:
                raise OutsideTree(f"{self.path / path}: expected a directory") from error
            raise UnknownState(f"{self.path / path}: cannot be opened: {error.strerror}") from error


@cache
def _by_parent(paths: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    names: dict[str, list[str]] = {}
    for path in paths:
        parent, name = os.path.split(path)
        names.setdefault(parent, []).append(name)
    return names
