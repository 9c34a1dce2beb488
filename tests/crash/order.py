# SPDX-License-Identifier: LGPL-2.1-or-later
"""That a run waits for the disk where it must, by the order of its calls alone, whatever the file system makes of it.

btrfs makes some things last that nobody has asked it for: a power cut does not show that they were not waited for.
Which these are differs from one kernel to the next: what is synced of a file without a name does not last on Linux
6.12, and does on 6.18. Here it never counts; and :func:`hollow` says which files such a kernel would leave empty.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.crash.calls import Call
from tukit_sysext.layout import STORE
from tukit_sysext.system.durable import TEMPORARY_PREFIX

_MADE_ANEW = rf"/var/lib/tukit-sysext/({re.escape(TEMPORARY_PREFIX)})?ledger-copy\.db"
"""What everybody may read of the ledger: wherever it differs from it, it is made anew."""
_LASTING = re.compile(rf"(?!{_MADE_ANEW})(?:{STORE}|/var/lib/tukit-sysext|(?:/\.snapshots/\d+/snapshot)?/etc)(?:/|$)")
_DESCRIPTOR = r"(?:AT_FDCWD|(\d+))<([^>]*)>"
_AT = re.compile(rf'{_DESCRIPTOR}(?:\(deleted\))?, "([^"]*)"')
_PATH = re.compile(r'"([^"]*)"')
_OPENED = re.compile(r"^(\d+)<(.*)>(\(deleted\))?(?:[,)]|$)")
_NAMELESS = re.compile(r"/proc/self/fd/(\d+)")

_WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile", "ftruncate")
_WAITS = ("fsync", "fdatasync")
_MAKES = ("mkdir", "mkdirat", "symlink", "symlinkat")
_MOVES = ("rename", "renameat", "renameat2")
_DELETES = ("unlink", "unlinkat", "rmdir")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Waiting:
    """Folders whose names changed, and files whose content did, since they were waited for.

    ``named`` has the name that a file got which was opened without one, by its descriptor: strace(1) goes on to tell
    the descriptor as that of a deleted file.
    """

    folders: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    named: dict[int, str] = field(default_factory=dict)

    def opened(self, call: Call) -> str:
        """The name of the open file that a call is about; empty where it has none."""
        match = _OPENED.match(call.about)
        if match is None:
            return ""
        return self.named.get(int(match[1]), "") if match[3] else match[2]

    def follow(self, call: Call) -> None:
        """Take in by which names files are known from this call on."""
        if "O_TMPFILE" in call.about:
            self.named.pop(call.descriptor, None)
        elif call.name == "linkat" and (nameless := _NAMELESS.search(call.about)):
            path = [*_paths(call)][-1]
            self.named[int(nameless[1])] = path
            # whatever of it was synced before
            self.files.add(path)
        elif call.name in _MOVES:
            old, new = _paths(call)
            self.named.update({number: new for number, path in self.named.items() if path == old})
            self.files.discard(new)
            if old in self.files:
                self.files.remove(old)
                self.files.add(new)
        elif call.name in _DELETES:
            self.files.difference_update(_paths(call))


def unwaited(calls: Sequence[Call]) -> Iterator[str]:
    """What is done before something else lasts that it stands on, and what does not last in the end.

    A file has its content before it has its name; a name lasts before one changes in another folder, and before a file
    is opened to be made where names have changed.
    """
    waiting = _Waiting()
    for call in calls:
        if call.failed:
            continue
        if call.name in _WAITS:
            path = waiting.opened(call)
            waiting.folders.discard(path)
            waiting.files.discard(path)
        elif call.name in _WRITES:
            if _LASTING.match(waiting.opened(call)):
                waiting.files.add(waiting.opened(call))
        else:
            yield from _named(call, waiting)
            waiting.follow(call)
    yield from (f"{path}: not waited for in the end" for path in sorted(waiting.folders | waiting.files))


def hollow(calls: Sequence[Call]) -> frozenset[str]:
    """Files that got a name and were not synced since, however often they were before: Linux 6.12 leaves 0 bytes."""
    waiting = _Waiting()
    for call in calls:
        if not call.failed and call.name in _WAITS:
            waiting.files.discard(waiting.opened(call))
        elif not call.failed:
            waiting.follow(call)
    return frozenset(waiting.files)


def _named(call: Call, waiting: _Waiting) -> Iterator[str]:
    """A call that gives or takes names."""
    paths = [*_paths(call)]
    if call.name.startswith("open"):
        folder, name = os.path.split(paths[0]) if paths else ("", "")
        if folder in waiting.folders and "O_TMPFILE" not in call.about and not name.startswith(TEMPORARY_PREFIX):
            yield f"{paths[0]}: made before what has changed in its folder lasts"
    elif call.name == "linkat":
        if not os.path.basename(paths[-1]).startswith(TEMPORARY_PREFIX):
            yield f"{paths[-1]}: has its name before its content lasts"
        yield from _changed(paths[-1:], waiting)
    elif call.name in _MOVES:
        if paths[0] in waiting.files:
            yield f"{paths[1]}: has its name before its content lasts"
        yield from _changed(paths, waiting)
    elif call.name in _MAKES or call.name in _DELETES:
        yield from _changed(paths[-1:], waiting)


def _changed(paths: Sequence[str], waiting: _Waiting) -> Iterator[str]:
    """Names change in the folders of ``paths``; temporary ones count for nothing."""
    ours = [path for path in paths if _LASTING.match(path) and not os.path.basename(path).startswith(TEMPORARY_PREFIX)]
    folders = {os.path.dirname(path) for path in ours}
    for other in sorted(waiting.folders - folders) if folders else ():
        yield f"{ours[0]}: changed before what has changed in {other} lasts"
    if len(folders) > 1:
        for folder in sorted(folders & waiting.folders):
            yield f"{' to '.join(ours)}: moved before what has changed in {folder} lasts"
    waiting.folders.update(folders)


def _paths(call: Call) -> Iterator[str]:
    """The paths that a call is about, in their order; what a symbolic link says is none."""
    if call.name.endswith(("at", "at2")):
        for _, folder, name in _AT.findall(call.about):
            yield os.path.join(folder, name)
    else:
        yield from _PATH.findall(call.about)
