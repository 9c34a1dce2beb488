# SPDX-License-Identifier: LGPL-2.1-or-later
"""That a run waits for the disk where it must, by the order of its calls alone, whatever the file system makes of it.

btrfs makes some things last that nobody has asked it for: a power cut does not show that they were not waited for.
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
_OPENED = re.compile(r"^\d+<(.*)>(?:\(deleted\))?(?:[,)]|$)")

_WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile", "ftruncate")
_WAITS = ("fsync", "fdatasync")
_MAKES = ("mkdir", "mkdirat", "symlink", "symlinkat")
_MOVES = ("rename", "renameat", "renameat2")
_DELETES = ("unlink", "unlinkat", "rmdir")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Waiting:
    """Folders whose names changed, and files whose content did, since they were waited for.

    ``temporary`` has what is open without a name by the temporary name that it got.
    """

    folders: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    temporary: dict[str, str] = field(default_factory=dict)


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
            path = _opened(call)
            waiting.folders.discard(path)
            waiting.files.discard(path)
        elif call.name in _WRITES:
            if _LASTING.match(_opened(call)):
                waiting.files.add(_opened(call))
        else:
            yield from _named(call, waiting)
    yield from (f"{path}: not waited for in the end" for path in sorted(waiting.folders | waiting.files))


def _named(call: Call, waiting: _Waiting) -> Iterator[str]:
    """A call that gives or takes names."""
    paths = [*_paths(call)]
    if call.name.startswith("open"):
        folder, name = os.path.split(paths[0]) if paths else ("", "")
        if folder in waiting.folders and "O_TMPFILE" not in call.about and not name.startswith(TEMPORARY_PREFIX):
            yield f"{paths[0]}: made before what has changed in its folder lasts"
    elif call.name == "linkat":
        # of what is open, without a name: its number tells nothing here
        nameless = next((path for path in sorted(waiting.files) if path.startswith(f"{STORE}/#")), "")
        if os.path.basename(paths[-1]).startswith(TEMPORARY_PREFIX):
            waiting.temporary[paths[-1]] = nameless
        else:
            yield from _content(nameless, paths[-1], waiting)
        yield from _changed(paths[-1:], waiting)
    elif call.name in _MOVES:
        yield from _content(waiting.temporary.pop(paths[0], paths[0]), paths[1], waiting)
        yield from _changed(paths, waiting)
    elif call.name in _MAKES or call.name in _DELETES:
        yield from _changed(paths[-1:], waiting)


def _content(source: str, name: str, waiting: _Waiting) -> Iterator[str]:
    if source in waiting.files:
        yield f"{name}: has its name before its content lasts"


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


def _opened(call: Call) -> str:
    match = _OPENED.match(call.about)
    return match[1] if match is not None else ""


def _paths(call: Call) -> Iterator[str]:
    """The paths that a call is about, in their order; what a symbolic link says is none."""
    if call.name.endswith(("at", "at2")):
        for _, folder, name in _AT.findall(call.about):
            yield os.path.join(folder, name)
    else:
        yield from _PATH.findall(call.about)
