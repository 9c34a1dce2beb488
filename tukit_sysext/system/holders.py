# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who holds a lock: the processes with a lock on a file, for the line that says for whom we wait.

Read from /proc/PID/fdinfo (proc_pid_fdinfo(5)) before /proc/locks: that one names who took a flock(2), who may be gone
while a child has the lock, and a device that stat(2) does not know where the file is on btrfs. But our units may
not look into processes with more capabilities than they have.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tukit_sysext.rules.printable import excerpt

_PROC = Path("/proc")
_LONGEST = 80


def holders(path: Path) -> str:
    """The processes that hold a lock on the file, in words: "process 12 (tukit-sysext gc, stopped)"."""
    try:
        inode = os.stat(path).st_ino
    except OSError:
        return "a process that is gone"
    return ", ".join(_holders(inode)) or ", ".join(_takers(inode)) or "a process that cannot be seen from here"


def _holders(inode: int) -> Iterator[str]:
    for pid in sorted(int(name) for name in os.listdir(_PROC) if name.isdecimal()):
        process = _PROC / str(pid)
        try:
            if pid != os.getpid() and any(_locks(process, number, inode) for number in os.listdir(process / "fdinfo")):
                yield f"process {pid} ({_command(process)})"
        except OSError:
            continue  # it has ended, or is another user's


def _takers(inode: int) -> Iterator[str]:
    """The processes that took a lock, and are still there."""
    try:
        lines = (_PROC / "locks").read_text().splitlines()
    except OSError:
        return
    for words in map(str.split, lines):
        if "->" in words or len(words) < 6 or not words[5].endswith(f":{inode}"):
            continue
        try:
            yield f"process {words[4]} ({_command(_PROC / words[4])})"
        except OSError:
            continue


def _locks(process: Path, number: str, inode: int) -> bool:
    """Whether an open file of a process has a lock on this inode. The device is left out: see above."""
    try:
        lines = (process / "fdinfo" / number).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    return any(
        line.startswith("lock:") and "->" not in line and any(word.endswith(f":{inode}") for word in line.split())
        for line in lines
    )


def _command(process: Path) -> str:
    """Of another user's process its short name: reading its command line reads its memory, which it can make hang."""
    ours = os.stat(process).st_uid in (0, os.geteuid())
    words = (
        (process / ("cmdline" if ours else "comm")).read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    )
    state = (process / "stat").read_bytes().rpartition(b")")[2].split()[0]
    return excerpt(words or "?", longest=_LONGEST) + (", stopped" if state in (b"T", b"t") else "")
