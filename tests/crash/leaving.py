# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every place where the package waits for the disk, and how to leave it out: a power cut must show that it lacks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.crash.ground import Edit

_PACKAGE = Path(__file__).parents[2] / "tukit_sysext"
_SYNCS = re.compile(r"^\s+(os\.fsync|sync_directory)\(|PRAGMA synchronous", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sync:
    """A place that waits for the disk, what it makes last, the scenario that must notice, and how it is left out.

    ``besides`` keeps something else from waiting for the same. ``spare`` says why no power cut can show that it lacks
    on the disk of these tests; the order of the calls must show it then.
    """

    what: str
    scenario: str
    edit: Edit
    besides: tuple[Edit, ...] = ()
    spare: str = ""


def _without(what: str, scenario: str, file: str, old: str, *, besides: tuple[Edit, ...] = (), spare: str = "") -> Sync:
    """Leave out the last line of ``old``, which waits."""
    before, _, line = old.rpartition("\n")
    indent = line[: len(line) - len(line.lstrip())]
    edit = (file, old, f"{before}\n{indent}pass")
    return Sync(what=what, scenario=scenario, edit=edit, besides=besides, spare=spare)


_LOOK_INTO_A_COPY = (
    (
        "system/inspect_image.py",
        'where = f"/proc/self/fd/{image}" if isinstance(image, int) else str(image)',
        'import shutil; where = shutil.copy(f"/proc/self/fd/{image}", "/tmp/image")',
    ),
)
"""A loop device on an image may make the kernel write all of it to the disk, which nobody promises."""


_IMAGE = "give_name(self.descriptor, self._whole)\n            os.fsync(self.descriptor)"
_QUARANTINE = "integrity/quarantine_folder.py"
_STORE = "store/image_store.py"
_DURABLE = "system/durable.py"

_BOTH_PLACES = "btrfs makes the new place of a link last with its old one, which is synced next"
_NEW_FOLDERS = "btrfs makes new folders last with what is synced in them; other file systems need not"

SYNCS = (
    _without("content of an image", "update", "store/incoming.py", _IMAGE, besides=_LOOK_INTO_A_COPY),
    Sync(what="content of an image, under a name and not before", scenario="update",
         edit=("store/incoming.py", _IMAGE,
               "os.fsync(self.descriptor)\n                give_name(self.descriptor, self._whole)\n"
               "            else:\n                os.fsync(self.descriptor)")),
    _without("name of an image", "update", _STORE,
             "# at no time it has two names (threat L1)\n            os.fsync(directory)"),
    _without("content of an image that another tool wrote", "mend", _STORE,
             "        try:\n            os.fsync(descriptor)  # whoever wrote it may not have",
             besides=_LOOK_INTO_A_COPY),
    _without("that an image is deleted", "collect", _STORE,
             "os.unlink(file_name, dir_fd=directory)\n                os.fsync(directory)"),
    _without("that a record is deleted", "collect", "store/record.py",
             "there is no folder of records at all\n        sync_directory(self._folder)"),
    _without("content of a record", "update", _DURABLE, "if durable:\n                os.fsync(descriptor)"),
    _without("name of a record", "update", _DURABLE, "if durable:\n        sync_directory(path.parent)"),
    _without("a new folder", "first", _DURABLE, "path.chmod(mode)\n    sync_directory(path.parent)",
             spare=_NEW_FOLDERS),
    _without("a new folder of links", "first", "system/tree.py",
             "# as every directory in /etc\n                os.fsync(parent)",
             spare=_NEW_FOLDERS),
    _without("links", "first", "snapshots/entries.py",
             "self._unlink(directory, name)\n            os.fsync(directory)"),
    _without("times of links that stay", "update", "snapshots/entries.py",
             "os.readlink(name, dir_fd=now))\n            os.fsync(now)"),
    Sync(what="the ledger", scenario="update",
         edit=("ledger/schema.py", "PRAGMA synchronous = EXTRA", "PRAGMA synchronous = OFF")),
    Sync(what="the end of a transaction of the ledger", scenario="update",
         edit=("ledger/schema.py", "PRAGMA synchronous = EXTRA", "PRAGMA synchronous = FULL")),
    _without("that a broken ledger is aside", "mend", "ledger/schema.py",
             "os.rename(path, aside)\n            sync_directory(path.parent)",
             spare="SQLite syncs the folder for its journal before it writes to the new ledger"),
    _without("a link's place in quarantine", "boot", _QUARANTINE,
             "rename_new(extensions, entry.name, quarantine, name)\n                    os.fsync(quarantine)",
             spare=_BOTH_PLACES),
    _without("that a link is out of the way", "boot", _QUARANTINE,
             "os.fsync(quarantine)\n                    os.fsync(extensions)"),
    _without("that a link is in quarantine alone", "again", _QUARANTINE,
             "os.unlink(entry.name, dir_fd=extensions)\n                        os.fsync(extensions)"),
    _without("that a link is back", "boot", _QUARANTINE, "return False\n            os.fsync(extensions)",
             spare=_BOTH_PLACES),
    _without("content of a reason", "boot", _QUARANTINE, "file.flush()\n            os.fsync(descriptor)"),
    _without("name of a reason", "boot", _QUARANTINE, "dst_dir_fd=quarantine)\n        os.fsync(quarantine)",
             spare="the folder is synced once more when the link is in it, and the link is synced after that"),
    _without("that a link and its reason are gone", "again", _QUARANTINE,
             'os.unlink(f"{name}{_SUFFIX}", dir_fd=quarantine)\n        os.fsync(quarantine)'),
    _without("that a signature time is forgotten", "reset", "sources/seen.py",
             "return False\n            sync_directory(self._folder)"),
)  # fmt: skip

ELSEWHERE: Mapping[str, int] = {
    "config/own_files.py": 1,  # configuration, which a person changes by a command
    "change/purge.py": 1,  # the same
    "store/image_store.py": 1,  # another tool has written the same image meanwhile: unit/store/test_publish.py
    "change/adopt_entry.py": 1,  # what a person takes over by a command
    # where images are published, which is no machine with links: unit/publish/test_killed.py has the order
    "publish/publication.py": 1,
    "publish/switching.py": 4,
    "system/disk_space.py": 1,  # finds out whether the disk is full
    "system/durable.py": 2,  # what sync_directory() itself is
}
"""How often files wait for the disk beside that."""


def places() -> Mapping[str, int]:
    """How often each file of the package waits for the disk."""
    found: Counter[str] = Counter()
    for path in sorted(_PACKAGE.rglob("*.py")):
        found[str(path.relative_to(_PACKAGE))] += len(_SYNCS.findall(path.read_text()))
    return {file: count for file, count in found.items() if count}


def known() -> Mapping[str, int]:
    """How often each file waits for the disk by the tables above."""
    edits = {(sync.edit[0], sync.edit[1]) for sync in SYNCS}
    found: Counter[str] = Counter(file for file, _ in edits)
    return dict(found + Counter(ELSEWHERE))
