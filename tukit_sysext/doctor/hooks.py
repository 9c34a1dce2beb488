# SPDX-License-Identifier: LGPL-2.1-or-later
"""The hooks: does tukit run ours at every update, does snapper, is another tool's beside it, is tukit new enough?"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tukit_sysext.doctor.check import CheckResult, good, hint, installs, problem, unknown
from tukit_sysext.errors import ToolBroken
from tukit_sysext.machine import Machine
from tukit_sysext.system.process import TimedOut, run
from tukit_sysext.system.tukit_plugins import OUR_PLUGIN, command_to_stop, masks, other_plugins

SNAPPER_PLUGIN = "60-tukit-sysext"
_TUKIT = ("usr/sbin/tukit", "usr/bin/tukit")
_RPM = "/usr/bin/rpm"
_TIMEOUT = 10.0
_PLUGINS_SINCE = (4, 7)
_HONOURED_SINCE = (5, 1)
_VERSION = re.compile(r"(?<![0-9.])([0-9]{1,5})\.([0-9]{1,5})[A-Za-z0-9.+~-]*")


class Hook(Enum):
    """What stands at the path of a hook."""

    RUNS = "is run"
    MISSING = "missing"
    MASKED = "masked"
    NO_FILE = "no regular file"
    NOT_EXECUTABLE = "not executable"
    UNREADABLE = "not readable"


@dataclass(frozen=True, kw_only=True, slots=True)
class HooksCheck:
    """The hooks that are there.

    ``tukit``: whether tukit is installed; ``version`` its version as it says it (None: not known). ``own`` and
    ``shadow`` are our hook in /usr and what stands in front of it in /etc, ``snapper`` snapper's; each with its path.
    ``others`` are another tool's plugins, each with the command that stops it.
    """

    tukit: bool
    version: str | None
    own: tuple[Path, Hook]
    shadow: tuple[Path, Hook]
    snapper: tuple[Path, Hook]
    others: tuple[tuple[Path, str], ...]
    reinstall: str
    newer: str
    privileged: bool

    @classmethod
    def look(cls, machine: Machine) -> HooksCheck:
        """Look at the plugin directories, and ask tukit for its version."""
        layout = machine.layout
        etc, usr = layout.tukit_plugins
        program = next((layout.root / path for path in _TUKIT if (layout.root / path).exists()), None)
        return cls(
            tukit=program is not None,
            version=None if program is None else _version(program),
            own=_at(usr / OUR_PLUGIN),
            shadow=_at(etc / OUR_PLUGIN),
            snapper=_at(layout.snapper_plugins / SNAPPER_PLUGIN),
            others=tuple((path, command_to_stop(path, layout)) for path in other_plugins(layout)),
            reinstall=installs(machine, "tukit-sysext", again=True),
            newer=installs(machine, "'transactional-update>=5.1'"),
            privileged=machine.privileged,
        )

    def judge(self) -> Iterator[CheckResult]:
        if self.tukit:
            yield self._tukit_hook()
            yield self._tukit_version()
        else:
            yield hint(
                "tukit",
                "transactional-update is not installed: images change with tukit-sysext update, not with the system",
            )
        yield self._snapper_hook()
        for path, next_step in self.others:
            yield problem(
                "other-tools", f"{path} is another tool's plugin for extension images, active beside ours", next_step
            )
        if not self.others:
            yield good("other-tools", "no other tool's plugin for extension images is active")

    def _tukit_hook(self) -> CheckResult:
        check, lost = "tukit-hook", "updates bring no images along"
        path, state = self.shadow
        if state is Hook.MASKED:
            return problem(check, f"{path} masks our hook: {lost}", f"rm {path}")
        if state in (Hook.NOT_EXECUTABLE, Hook.NO_FILE, Hook.RUNS):
            return problem(
                check, f"{path} stands in front of our hook of this name, and is run in its place", f"rm {path}"
            )
        path, own = self.own
        if Hook.UNREADABLE in (state, own):
            return unknown(check, f"whether tukit runs {path} cannot be read", privileged=self.privileged)
        if own is Hook.RUNS:
            return good(check, f"tukit runs {path}")
        return problem(check, f"{path} is {own.value}: {lost}", self.reinstall)

    def _snapper_hook(self) -> CheckResult:
        check = "snapper-hook"
        path, state = self.snapper
        if state is Hook.RUNS:
            return good(check, f"snapper runs {path}")
        if state is Hook.UNREADABLE:
            return unknown(check, f"whether snapper runs {path} cannot be read", privileged=self.privileged)
        return problem(check, f"{path} is {state.value}: rollbacks are noticed at the next boot alone", self.reinstall)

    def _tukit_version(self) -> CheckResult:
        check = "tukit-version"
        match = _VERSION.search(self.version or "")
        if match is None:
            return unknown(check, "which version of transactional-update is installed cannot be told", privileged=True)
        version = int(match[1]), int(match[2])
        tukit = f"transactional-update {match[0]}"
        if version < _PLUGINS_SINCE:
            return problem(check, f"{tukit} runs no plugins (4.7 does): updates bring no images along", self.newer)
        if version < _HONOURED_SINCE:
            return problem(check, f"{tukit} goes on after a refusal (5.1 does not)", self.newer)
        return good(check, f"{tukit} runs plugins and honours a refusal")


def _at(path: Path) -> tuple[Path, Hook]:
    try:
        if masks(path):
            return path, Hook.MASKED
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return path, Hook.MISSING
    except OSError:
        return path, Hook.UNREADABLE
    if not stat.S_ISREG(mode):
        return path, Hook.NO_FILE
    return path, Hook.RUNS if mode & 0o111 else Hook.NOT_EXECUTABLE


def _version(program: Path) -> str | None:
    """The version that tukit says, as it is what runs; else that of its package."""
    commands = [[str(program), "--version"]]
    if os.access(_RPM, os.X_OK):
        commands.append([_RPM, "-qf", "--queryformat", "%{VERSION}", str(program)])
    for argv in commands:
        try:
            result = run(argv, timeout=_TIMEOUT)
        except (TimedOut, ToolBroken):
            continue
        if result.status == 0 and _VERSION.search(result.output):
            return result.output.strip().splitlines()[-1][:80]
    return None
