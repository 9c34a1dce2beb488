# SPDX-License-Identifier: LGPL-2.1-or-later
"""The entries of a tree's /etc/extensions: what systemd-sysext will merge when the tree boots (systemd-sysext(8))."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from tukit_sysext.errors import NoEtc, OutsideTree, UnknownState
from tukit_sysext.layout import EXTENSIONS, PASSED_OVER, SHARED_EXTENSIONS, STORE
from tukit_sysext.snapshots.versions import VERSIONS
from tukit_sysext.system.durable import TEMPORARY_PREFIX
from tukit_sysext.system.label import LINK, labelled
from tukit_sysext.system.lock import alone
from tukit_sysext.system.tree import Tree


class EntryKind(StrEnum):
    """What an entry is."""

    LINK = "link"
    DIRECTORY = "directory"
    FILE = "file"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry. ``target`` is what a link says; ``image`` the file of the store that it leads to, None otherwise.

    ``folder`` is where it is, relative to the root of the tree.
    """

    name: str
    kind: EntryKind
    target: str | None = None
    image: str | None = None
    folder: str = EXTENSIONS

    @property
    def shown(self) -> str:
        """For people: the name, with the folder where that is not the tree's own."""
        return self.name if self.folder == EXTENSIONS else f"/{self.folder}/{self.name}"

    @property
    def path(self) -> str:
        """Its path below the tree."""
        return f"/{self.folder}/{self.name}"

    @property
    def is_mask(self) -> bool:
        """Whether it says that the administrator does without the image of its name: a link to /dev/null."""
        return self.target == "/dev/null"

    @property
    def is_versions(self) -> bool:
        """Whether it is a folder of versions (systemd.v(7)), or a link, which may lead to one."""
        return self.name.endswith(VERSIONS) and self.kind in (EntryKind.DIRECTORY, EntryKind.LINK)

    @property
    def what(self) -> str:
        """What it is, in a few words."""
        if self.is_mask:
            return "mask (link to /dev/null)"
        if self.target is not None:
            return f"link to {self.target}"
        return "folder of versions" if self.is_versions else str(self.kind)

    @property
    def stem(self) -> str:
        """The name under which systemd-sysext sees it."""
        return (self.name.removesuffix(VERSIONS) if self.is_versions else self.name).removesuffix(".raw")


class FolderEntries(NamedTuple):
    """What a folder has. ``images`` are files of the store by the links that say plainly where they are: most do.

    ``others`` is all else, and what is called like a folder of versions.
    """

    images: Mapping[str, str] = MappingProxyType({})
    others: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All of it, sorted by name."""
        links = (
            Entry(name=name, kind=EntryKind.LINK, target=f"{STORE}/{image}", image=image)
            for name, image in self.images.items()
        )
        return tuple(sorted((*links, *self.others), key=lambda entry: entry.name))


_NO_NAMES = ("", ".", "..")


def image_of(target: str, folder: str = EXTENSIONS) -> str | None:
    """The file of the store that a link of a folder with this text leads to, None for a link elsewhere."""
    if "\0" in target:
        return None
    head, name = posixpath.split(posixpath.normpath(posixpath.join("/", folder, target)))
    # normpath leaves two slashes at the start, which are one for Linux
    return name if head.replace("//", "/") == STORE and name else None


def read_entries(tree: Tree) -> tuple[Entry, ...]:
    """All entries, sorted by name. Raises as :func:`read_content`."""
    return read_content(tree).entries


def read_content(tree: Tree) -> FolderEntries:
    """What the tree's /etc/extensions has.

    Raises NoEtc where the tree's /etc is missing or empty (a snapshot that is being made, or was half deleted: unknown
    is not "none"), UnknownState where it is unreadable, OutsideTree where etc or etc/extensions is a symbolic link.
    """
    descriptor = tree.directory(EXTENSIONS)
    if descriptor is None:
        etc = tree.directory("etc")
        if etc is None:
            raise NoEtc(f"{tree.path}/etc: not there; what this tree has is not known")
        try:
            if not os.listdir(etc):
                raise NoEtc(f"{tree.path}/etc: empty, as when a snapshot is being made; what it has is not known")
        except OSError as error:
            raise UnknownState(f"{tree.path}/etc: cannot be read: {error.strerror}") from error
        finally:
            os.close(etc)
        return FolderEntries()
    try:
        return content_of(descriptor)
    except OSError as error:
        raise UnknownState(f"{tree.path}/{EXTENSIONS}: cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)


def shared_entries(tree: Tree) -> tuple[Entry, ...]:
    """What systemd-sysext finds beside /etc/extensions where this tree runs, the strongest first.

    Raises UnknownState where it cannot be read.
    """
    found: list[Entry] = []
    for folder, descriptor in tree.find_each(SHARED_EXTENSIONS):
        try:
            entries = entries_of(descriptor)
        except OSError as error:
            raise UnknownState(f"{tree.path / folder}: cannot be read: {error.strerror}") from error
        found += (
            replace(entry, folder=folder, image=image_of(entry.target or "", folder))
            for entry in entries
            # a link is followed first, whatever its name, and fails all where it leads in a circle
            if entry.kind is EntryKind.LINK or not entry.name.startswith(PASSED_OVER)
        )
    return tuple(found)


def entries_of(directory: int) -> tuple[Entry, ...]:
    """All entries of an open directory, as :func:`content_of` has them, sorted by name. Raises OSError."""
    return content_of(directory).entries


def content_of(directory: int) -> FolderEntries:
    """What an open directory has but temporary names of ours and systemd's locks. Raises OSError."""
    images, others = dict[str, str](), list[Entry]()
    readlink = os.readlink
    for name in os.listdir(directory):
        if name[0] == "." and (name.startswith(TEMPORARY_PREFIX) or is_lock(name)):
            continue
        try:
            target = readlink(name, dir_fd=directory)
        except OSError as error:
            if error.errno != errno.EINVAL:  # no link
                raise
            others.append(_no_link(directory, name))
            continue
        image = _plain(target)
        if image is not None and not name.endswith(VERSIONS):
            images[name] = image
        else:
            others.append(Entry(name=name, kind=EntryKind.LINK, target=target, image=image_of(target)))
    return FolderEntries(images=images, others=tuple(others))


@lru_cache(maxsize=1024)
def _plain(target: str) -> str | None:
    """The file of the store where a link says plainly that it is one; those of all snapshots say much the same."""
    folder, _, image = target.rpartition("/")
    return image if folder == STORE and image not in _NO_NAMES else None


def is_lock(name: str) -> bool:
    """Whether it is what systemd leaves beside an image or a folder that it locked (``.#gdb.raw.lck``)."""
    return name.startswith(PASSED_OVER) and name.endswith(".lck")


def _no_link(directory: int, name: str) -> Entry:
    mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    kinds = {stat.S_IFDIR: EntryKind.DIRECTORY, stat.S_IFREG: EntryKind.FILE}
    return Entry(name=name, kind=kinds.get(stat.S_IFMT(mode), EntryKind.OTHER))


_SYNC_POINT = "etc/etc.syncpoint/extensions"
"""transactional-update's copy of /etc as it was when the snapshot was made."""


def _changed(directory: int, name: str) -> int | None:
    """When a link was made (seconds since the epoch); None where there is no link of this name."""
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return int(status.st_mtime) if stat.S_ISLNK(status.st_mode) else None


@contextmanager
def changing(tree: Tree, locks: Path) -> Iterator[None]:
    """No other repair and no quarantine changes the links of this tree meanwhile, but waits.

    The lock is a file in ``locks``, named after the tree's /etc by whichever path that was reached: /etc itself could
    be locked by everybody. Raises UnknownState where the tree has no /etc, OutsideTree, Busy where another one takes
    too long, OSError.
    """
    etc = tree.directory("etc")
    if etc is None:
        raise UnknownState(f"{tree.path}/etc: not there; its links cannot be changed")
    try:
        status = os.fstat(etc)
    finally:
        os.close(etc)
    with alone(locks / f"links-{status.st_dev:x}-{status.st_ino}"):
        yield


class LinkWriter:
    """Changes the links of one tree. Nothing is followed out of it, and a link is replaced in one step."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def apply(self, links: dict[str, str], remove: tuple[str, ...]) -> None:
        """Make ``links`` (name to file of the store) be there, then take the links ``remove`` out, then sync.

        Only symbolic links are replaced or removed. Raises OSError, OutsideTree, UnknownState; a link that was not
        reached yet is as it was.
        """
        if not links and not remove:
            return
        self._tree.expect_own_etc()
        directory = self._tree.directory(EXTENSIONS, create=bool(links))
        if directory is None:
            return
        try:
            self._sweep(directory)
            for name, image in sorted(links.items()):
                self._link(directory, name, f"{STORE}/{image}")
            for name in remove:
                self._unlink(directory, name)
            os.fsync(directory)
        finally:
            os.close(directory)

    def pin(self, names: Iterable[str]) -> None:
        """Make links that stay as they are look changed to transactional-update, where it takes them for untouched.

        At the first boot of a snapshot it copies entries of the old /etc that changed meanwhile over those of the new
        one that are as they were when the snapshot was made, by their times in seconds: a link that an image for the
        old system got meanwhile would replace one that fits. Raises as apply().
        """
        with ExitStack() as stack:
            before, now = self._tree.directory(_SYNC_POINT), self._tree.directory(EXTENSIONS)
            for descriptor in (before, now):
                if descriptor is not None:
                    stack.callback(os.close, descriptor)
            if before is None or now is None:
                return
            untouched = [name for name in names if _changed(now, name) == _changed(before, name)]
            if not untouched:
                return
            self._sweep(now)
            for name in untouched:
                self._link(now, name, os.readlink(name, dir_fd=now))
            os.fsync(now)

    def _link(self, directory: int, name: str, target: str) -> None:
        # systemd-sysext would fail on one that ends in .raw, and a kill may leave it behind
        temporary = f"{TEMPORARY_PREFIX}{name}~"
        with labelled(f"/{EXTENSIONS}/{name}", LINK):
            os.symlink(target, temporary, dir_fd=directory)
        try:
            try:
                if not stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                    raise OutsideTree(f"{self._tree.path}/{EXTENSIONS}/{name}: expected a link, found something else")
            except FileNotFoundError:
                pass
            os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            os.unlink(temporary, dir_fd=directory)
            raise

    def _unlink(self, directory: int, name: str) -> None:
        try:
            if stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=directory)
        except FileNotFoundError:
            pass

    def _sweep(self, directory: int) -> None:
        """Take out what an interrupted run left under a temporary name."""
        for name in os.listdir(directory):
            if name.startswith(TEMPORARY_PREFIX):
                self._unlink(directory, name)


def leads_to(entry: Entry, *, tree: Path, root: Path) -> Path:
    """Where an entry of a tree leads: into /usr and /etc of that tree, with all else into the running system."""
    if entry.target is None:
        return tree / entry.folder / entry.name
    absolute = entry.target if entry.target.startswith("/") else f"/{entry.folder}/{entry.target}"
    return (tree if absolute.startswith(("/usr/", "/etc/")) else root) / absolute.lstrip("/")
