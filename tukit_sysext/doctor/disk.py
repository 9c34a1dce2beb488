# SPDX-License-Identifier: LGPL-2.1-or-later
"""The file system of the system, and its snapshots: btrfs, /.snapshots, and a snapper configuration for "/"."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from tukit_sysext.doctor.check import CheckResult, good, problem, unknown, warning
from tukit_sysext.errors import UnknownState
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.snapper import scan_in_use
from tukit_sysext.system.tree import Tree

_CONFIGS = "etc/snapper/configs"
_LIMIT = 256 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class SnapshotsCheck:
    """What is mounted, and what snapper is set up for.

    ``file_system`` is that of "/" (None: not known). ``snapshots`` tells whether there are any in /.snapshots,
    ``there`` whether that folder is there; ``unreadable`` why one of both cannot be told. ``left`` are those of
    transactions that were killed. ``subvolumes`` are those that snapper has a configuration for (None: not readable,
    ``configs_unknown`` says why).
    """

    file_system: str | None
    there: bool
    snapshots: bool
    unreadable: str
    subvolumes: tuple[str, ...] | None
    configs_unknown: str
    privileged: bool
    left: tuple[int, ...] = ()

    @classmethod
    def look(cls, machine: Machine) -> SnapshotsCheck:
        """Look at mounts, at the folder of snapshots and at snapper's configurations."""
        there, snapshots, unreadable = True, False, ""
        try:
            snapshots = any(name.isdigit() for name in os.listdir(machine.layout.snapshots))
        except (FileNotFoundError, NotADirectoryError):
            there = False
        except OSError as error:
            unreadable = f"{machine.layout.snapshots}: {error.strerror}"
        subvolumes: tuple[str, ...] | None = None
        configs_unknown = ""
        try:
            subvolumes = tuple(_configured(machine))
        except UnknownState as error:
            configs_unknown = str(error)
        return cls(
            file_system=root_file_system(machine),
            there=there,
            snapshots=snapshots,
            unreadable=unreadable,
            subvolumes=subvolumes,
            configs_unknown=configs_unknown,
            privileged=machine.privileged,
            left=tuple(
                snapshot.number
                for snapshot in scan_in_use(machine.layout, machine.subvolumes, releases=False).snapshots
                if snapshot.left
            ),
        )

    def judge(self) -> Iterator[CheckResult]:
        if self.file_system is None:
            yield unknown("root", "the file system of / cannot be told from /proc/self/mountinfo", privileged=True)
        elif self.file_system != "btrfs":
            yield problem(
                "root", f"/ is {self.file_system}: expected btrfs, nothing else has snapshots that are kept up with"
            )
        else:
            yield good("root", "/ is btrfs")
        if self.unreadable:
            yield unknown("snapshots", self.unreadable, privileged=self.privileged)
        elif not self.there:
            yield problem(
                "snapshots", "/.snapshots is missing: there are no snapshots", "snapper --no-dbus create-config /"
            )
        elif not self.snapshots:
            yield warning("snapshots", "/.snapshots has no snapshot in it: is it mounted?", "mount /.snapshots")
        elif self.left:
            numbers = ", ".join(map(str, self.left))
            steps = "\n".join(f"tukit abort {number}" for number in self.left)
            yield warning("snapshots", f"left by transactions that were killed: {numbers}", steps)
        else:
            yield good("snapshots", "/.snapshots is there, with snapshots in it")
        if self.subvolumes is None:
            yield unknown("snapper", self.configs_unknown, privileged=self.privileged)
        elif "/" not in self.subvolumes:
            yield problem("snapper", "snapper has no configuration for /", "snapper --no-dbus create-config /")
        else:
            yield good("snapper", "snapper has a configuration for /")


def root_file_system(machine: Machine) -> str | None:
    """The type of the file system at "/", as proc(5) tells in mountinfo; None where it does not."""
    file_system: str | None = None
    try:
        with open(machine.layout.root / "proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                left, _, right = line.partition(" - ")
                fields = left.split(" ")
                if len(fields) > 4 and fields[4] == "/" and right:
                    file_system = right.split(" ")[0].strip()  # the last one mounted there is what is seen
    except OSError:
        return None
    return file_system


def _configured(machine: Machine) -> Iterator[str]:
    """The subvolumes of snapper's configurations, which are files that a shell could read (snapper-configs(5))."""
    with Tree(machine.layout.root) as tree:
        for name in tree.names(_CONFIGS) or ():
            content = tree.read(f"{_CONFIGS}/{name}", limit=_LIMIT) or b""
            for line in content.decode("utf-8", "replace").splitlines():
                key, equals, value = line.strip().partition("=")
                if key == "SUBVOLUME" and equals:
                    yield _unquoted(value)


def _unquoted(text: str) -> str:
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        return text
    return words[0] if words else ""
