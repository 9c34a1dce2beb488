# SPDX-License-Identifier: LGPL-2.1-or-later
"""A booted machine, as tests use it: a lab whose first process is systemd."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from tests.lab import Flavour, Lab, LabError
from tests.lab.images import MARKS

_END_SECONDS = 120.0


class Machine(Lab):
    """A booted machine. Use as a context manager, or call stop(), which is no shutdown; made by boot()."""

    holder: ClassVar[Path] = Path(__file__).with_name("holder.py")
    namespaces: ClassVar[tuple[str, ...]] = (*Lab.namespaces, "net", "cgroup")
    start_seconds: ClassVar[float] = 180

    @classmethod
    def boot(cls, image: Path, *, flavour: Flavour, name: str = "booted", root: str = "") -> Self:
        """Boot a copy of a disk; it is up when systemd has started what it was to start, or failed to.

        :param root: the subvolume to boot, as from a boot menu; by default the default one
        """
        machine = cls.on_disk(image, flavour=flavour, name=name)
        try:
            machine._boot(root=root)
        except BaseException:
            machine.stop()
            raise
        return machine

    def enter_command(self, argv: Sequence[str | os.PathLike[str]]) -> list[str]:
        """As a lab has it; an error where the machine has ended by itself."""
        self._expect_running()
        return super().enter_command(argv)

    def path(self, inside: str | os.PathLike[str]) -> Path:
        """As a lab has it; an error where the machine has ended by itself."""
        self._expect_running()
        return super().path(inside)

    def _expect_running(self) -> None:
        status = None if self._holder is None else self._holder.poll()
        if status is not None:
            raise LabError(f"the machine {self.name} has ended by itself, with {_signal_name(status)}")

    def shut_down(self, verb: str = "poweroff") -> None:
        """Have systemd stop everything and end, by `systemctl VERB`."""
        ends_with = {"poweroff": signal.SIGINT, "reboot": signal.SIGHUP}[verb]
        self.run(["systemctl", verb])
        assert self._holder is not None
        try:
            status = self._holder.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            raise LabError(f"after `systemctl {verb}` the machine runs for more than {_END_SECONDS:.0f} s") from None
        finally:
            self._end_processes()
        if status != ends_with:
            raise LabError(f"`systemctl {verb}` ended with {_signal_name(status)}")

    def boot_again(self, root: str = "") -> None:
        """Boot what is on its disk now, after it has ended."""
        self._boot(root=root)

    def reboot(self, root: str = "") -> None:
        """Shut down and boot again: the default subvolume of then, or another one."""
        self.shut_down("reboot")
        self.boot_again(root)

    def kill(self) -> None:
        """End it at once. What its processes have written is there, as after a reset without a shutdown."""
        self._end_processes()

    def soft_reboot(self) -> None:
        """Stop and start everything but the kernel, and what is mounted below /run (systemd-soft-reboot.service(8))."""
        while select.select([self._ready_fd], [], [], 0)[0]:  # systemd says it after each reload too
            os.read(self._ready_fd, 4096)
        self.run(["systemctl", "soft-reboot"])
        if not select.select([self._ready_fd], [], [], self.start_seconds)[0]:
            raise LabError("the machine is not up after a soft-reboot")
        said = os.read(self._ready_fd, 4096)
        if said != b"ready\n":
            raise LabError(f"the machine ended with a soft-reboot: {said!r}")

    def until(self, script: str, *, seconds: float = 60) -> None:
        """Wait for something that nobody announces: until a shell script ends with 0."""
        loop = ["sh", "-c", f"until {script}; do sleep 0.1; done"]
        try:
            self.run(loop, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise LabError(f"not so in {seconds:.0f} s: {script}") from None

    def merged(self) -> dict[str, str]:
        """The images of ours that are merged into /usr: their versions by name."""
        marks = self.path(f"/usr/{MARKS}")
        return {mark.name: mark.read_text() for mark in sorted(marks.iterdir())} if marks.exists() else {}

    def failed_units(self) -> list[str]:
        """Units that have failed, by name."""
        listed = self.run(["systemctl", "list-units", "--failed", "--plain", "--no-legend", "--full"]).stdout
        return [line.split()[0] for line in listed.splitlines()]


def _signal_name(status: int) -> str:
    """What the holder's status means; -N: it was killed itself."""
    return signal.Signals(abs(status)).name if status else "0"
