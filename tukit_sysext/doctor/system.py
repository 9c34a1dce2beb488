# SPDX-License-Identifier: LGPL-2.1-or-later
"""What we rely on: a right clock (signatures, lists that go stale, waiting times), and other programs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import tukit_sysext
from tukit_sysext.doctor.check import CheckResult, good, installs, problem, unknown, warning
from tukit_sysext.errors import MemoryUnreadable, StoreError, ToolBroken
from tukit_sysext.machine import Machine
from tukit_sysext.sources.seen import Seen
from tukit_sysext.system.control import CONTROL
from tukit_sysext.system.gpgv import GPGV, try_gpgv
from tukit_sysext.system.inspect_image import DISSECT, try_dissect
from tukit_sysext.system.openssl import OPENSSL, try_openssl

_DAY = 86400
_SYNCHRONISE = "timedatectl set-ntp true"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockCheck:
    """The time, and times that it should not be before, in seconds since the epoch.

    ``built`` is when this tool was built, ``seen`` the newest signature by source; ``unreadable`` says by source why
    that is not known.
    """

    now: int
    built: int
    seen: Mapping[str, int]
    unreadable: Mapping[str, str]

    @classmethod
    def look(cls, machine: Machine) -> ClockCheck:
        """Look at the clock, our own files, and the signatures seen of sources."""
        seen: dict[str, int] = {}
        unreadable: dict[str, str] = {}
        memory = Seen.of(machine)
        try:
            names = memory.sources()
        except OSError:
            names = []  # the folder is another check's
        for name in names:
            try:
                newest = max(memory.times(name).values(), default=None)
            except MemoryUnreadable as error:
                unreadable[name] = str(error)
            else:
                seen |= {name: newest} if newest is not None else {}
        # packages are built with times that are not after their last change
        built = int(os.stat(tukit_sysext.__file__).st_mtime)
        return cls(now=int(time.time()), built=built, seen=seen, unreadable=unreadable)

    def judge(self) -> Iterator[CheckResult]:
        if self.now < self.built - _DAY:
            text = f"the clock says {_date(self.now)}, before tukit-sysext was built ({_date(self.built)})"
            yield problem("clock", f"{text}: signatures look as if they came from the future", _SYNCHRONISE)
            return
        ahead = {name: when for name, when in self.seen.items() if when > self.now + _DAY}
        for name, when in sorted(ahead.items()):
            text = f"the newest list of source {name} was signed on {_date(when)}, and the clock says {_date(self.now)}"
            yield warning("clock", f"{text}: the clock is behind, or its publisher's is ahead", _SYNCHRONISE)
        if not ahead:
            yield good("clock", f"the clock says {_date(self.now)}, which is plausible")
        for name, why in sorted(self.unreadable.items()):
            if "Permission denied" in why:
                yield unknown("seen", why, privileged=False)
            else:
                yield problem("seen", why, f"tukit-sysext sources reset {name}")


def _date(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


NEEDED: Mapping[str, str] = {
    "/usr/bin/gpgv": "signatures cannot be checked",
    "/usr/bin/systemd-dissect": "images cannot be looked into",
    "/usr/bin/systemd-sysext": "images cannot be merged",
    "/usr/bin/prlimit": "no other program can be run within limits",
    "/usr/bin/snapper": "there are no snapshots",
}
"""Each program, and what is lost without it."""
_TRIED_IF_INSTALLED: Mapping[str, str] = {OPENSSL: "what cosign signed cannot be checked"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgramsCheck:
    """Programs that cannot be run, each with the command that installs it, and those that do not work, with the reason.

    Whether they work is tried where this is the machine itself.
    """

    missing: Mapping[str, str]
    broken: Mapping[str, str]

    @classmethod
    def look(cls, machine: Machine) -> ProgramsCheck:
        """Look for them."""
        root = machine.layout.root
        missing = {path: installs(machine, path) for path in NEEDED if not os.access(root / path.lstrip("/"), os.X_OK)}
        return cls(missing=missing, broken=_broken(machine) if root == Path("/") and not missing else {})

    def judge(self) -> Iterator[CheckResult]:
        for path, next_step in self.missing.items():
            yield problem("programs", f"{path} is not installed: {NEEDED[path]}", next_step)
        for path, reason in self.broken.items():
            lost = NEEDED.get(path) or _TRIED_IF_INSTALLED[path]
            yield problem("programs", f"{reason}: {lost}", f"see what {path} itself says, and install it anew")
        if not self.missing and not self.broken:
            yield good("programs", "all programs that are needed are installed")


def _broken(machine: Machine) -> Mapping[str, str]:
    """Why programs do not accept what is known to be good; only root can look into images."""
    attempts = {GPGV: try_gpgv}
    if os.access(OPENSSL, os.X_OK):
        attempts[OPENSSL] = try_openssl
    if machine.privileged:
        attempts[DISSECT] = _try_dissect
    broken: dict[str, str] = {}
    for path, attempt in attempts.items():
        try:
            CONTROL.check(path, attempt)
        except (StoreError, ToolBroken) as error:
            broken[path] = str(error)
        except OSError as error:
            broken[path] = f"{path} cannot be tried: {error.filename}: {error.strerror}"
    return broken


def _try_dissect() -> None:
    """Try it in a folder of its own: making the one for images would hide that it is missing. Raises OSError too."""
    with TemporaryDirectory(prefix="tukit-sysext-") as scratch:
        try_dissect(Path(scratch))
