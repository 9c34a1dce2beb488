# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processes that run programs or libraries that a merge replaces or takes away: they run what was, until they end.

They are looked for before the merge, while paths are what they are called. What was mounted at /usr by an earlier merge
is called as seen from its own top.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.rules.printable import printable

PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True, slots=True)
class FileUser:
    """A process, told from a later one with its number by when it was ``started``; ``service`` is None without one."""

    pid: int
    started: str
    command: str
    service: str | None


def users_of(paths: Collection[str]) -> list[FileUser]:
    """The processes of this system that run one of these files, each without a slash in front; but not this one."""
    if not paths:
        return []
    usr = os.stat("/usr").st_dev
    wanted = frozenset(name for path in paths for name in (f"/{path}", f"/{path.partition('/')[2]}"))
    return [user for pid in _pids() if pid != os.getpid() and (user := _user(pid, wanted, usr)) is not None]


def still_there(users: Collection[FileUser]) -> list[FileUser]:
    """Those that have not ended."""
    return [user for user in users if _started(PROC / str(user.pid)) == user.started]


def service_of(cgroup: str) -> str | None:
    """The service of the system that a process belongs to, by its /proc/PID/cgroup; None for what people started."""
    for line in cgroup.splitlines():
        path = line.partition("::")[2]
        name = path.rpartition("/")[2]
        if path.startswith("/system.slice/") and name.endswith(".service"):
            return name
    return None


def mapped(maps: str) -> Iterator[str]:
    """The files that a process has in its memory, by its /proc/PID/maps."""
    for line in maps.splitlines():
        path = line.partition("/")[2]
        if path:
            yield f"/{path}"


def _pids() -> list[int]:
    return sorted(int(name) for name in os.listdir(PROC) if name.isdecimal())


def _user(pid: int, wanted: frozenset[str], usr: int) -> FileUser | None:
    process = PROC / str(pid)
    try:
        if wanted.isdisjoint(mapped((process / "maps").read_text(errors="surrogateescape"))):
            return None
        # a container has files of its own by the same names
        if os.stat(process / "root/usr").st_dev != usr:
            return None
        command = printable((process / "comm").read_text(errors="replace").strip())
        service = service_of((process / "cgroup").read_text(errors="replace"))
    except OSError:
        return None  # it has ended
    started = _started(process)
    return FileUser(pid=pid, started=started, command=command, service=service) if started else None


def _started(process: Path) -> str:
    """When it was started, in ticks; empty where it has ended."""
    try:
        return (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
