# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine that qemu emulates, as tests use it."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.lab import LabError
from tests.virtual.base import Base
from tests.virtual.disk import PORT

QEMU = "qemu-system-x86_64"
_PLAIN = ("-nodefaults", "-display", "none", "-no-reboot")
_BOOT_SECONDS = 900.0
_COMMAND_SECONDS = 300.0


def drive(disk: int) -> list[str]:
    """qemu's options for a disk in a file without a name."""
    return ["-drive", f"file=/proc/self/fd/{disk},format=raw,if=virtio"]


def logged_drive(disk: Path, log: Path) -> list[str]:
    """The same for a disk whose writes and flushes qemu logs (its driver blklogwrites)."""
    blocks = (
        f"driver=file,node-name=disk,filename={disk}",
        f"driver=file,node-name=log,filename={log}",
        "driver=blklogwrites,node-name=logged,file=disk,log=log",
    )
    return [*(word for block in blocks for word in ("-blockdev", block)), "-device", "virtio-blk-pci,drive=logged"]


class VirtualMachine:
    """A running machine; use as a context manager. It ends with the process that started it."""

    def __init__(self, base: Base, drive: Sequence[str], *, files: Sequence[int] = (), command_line: str = "") -> None:
        """Boot the disk /dev/vda, which the machine writes to.

        :param drive: qemu's options for it, as from drive() or logged_drive()
        :param files: the descriptors that these options name, which the caller closes
        :param command_line: added to that of the kernel
        """
        self._console = tempfile.TemporaryFile()  # noqa: SIM115  # stop() closes it
        self._line, far_end = socket.socketpair()
        self._received = b""
        arguments = {
            "M": "q35",
            "accel": "tcg,thread=multi",
            "cpu": "qemu64,-cx16",  # with it kernels panic now and then
            "smp": "2",
            "m": "1024",
            "kernel": str(base.kernel),
            "initrd": str(base.initrd),
            "append": f"root=/dev/vda rootfstype=btrfs rw console=ttyS0 panic=-1 quiet {command_line}",
            "serial": f"file:/proc/self/fd/{self._console.fileno()}",
            "chardev": f"socket,id=agent,fd={far_end.fileno()}",
        }
        devices = ("virtio-serial", f"virtserialport,chardev=agent,name={PORT}", "virtio-rng-pci")
        options = [*drive, *(word for key, value in arguments.items() for word in (f"-{key}", value))]
        options += [word for device in devices for word in ("-device", device)]
        with far_end:
            self._qemu = subprocess.Popen(
                ["nice", "-n", "15", "setpriv", "--pdeathsig=KILL", QEMU, *_PLAIN, *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[*files, self._console.fileno(), far_end.fileno()],
            )
        try:
            if self._answer(_BOOT_SECONDS) != {"ready": True}:
                raise LabError("the machine's agent does not say that it is ready")
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run(
        self, argv: Sequence[str | os.PathLike[str]], *, check: bool = True, input: str | None = None,
        timeout: float = _COMMAND_SECONDS,
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Run a command as root; see Lab.run()."""
        words = [os.fspath(word) for word in argv]
        request = {"argv": words, "input": input or "", "timeout": timeout}
        self._line.sendall(json.dumps(request).encode() + b"\n")
        answer = self._answer(timeout + 60)
        if answer["status"] is None:
            raise LabError(f"{' '.join(words)}: {answer['stderr']}")
        done = subprocess.CompletedProcess(words, answer["status"], answer["stdout"], answer["stderr"])
        if check and done.returncode != 0:
            failure = subprocess.CalledProcessError(done.returncode, words, done.stdout, done.stderr)
            failure.add_note(f"stdout:\n{done.stdout}\nstderr:\n{done.stderr}")
            raise failure
        return done

    def until(self, script: str, *, seconds: float = 300) -> None:
        """Wait for something that nobody announces: until a shell script ends with 0."""
        self.run(["sh", "-c", f"until {script}; do sleep 0.5; done"], timeout=seconds)

    def stop(self) -> None:
        """End it at once."""
        self._qemu.kill()
        self._qemu.communicate()
        self._line.close()
        self._console.close()

    def console(self) -> str:
        """The last lines that the kernel or systemd printed."""
        return "\n".join(os.pread(self._console.fileno(), 1 << 24, 0).decode(errors="replace").splitlines()[-30:])

    def _answer(self, seconds: float) -> Any:
        end = time.monotonic() + seconds
        while b"\n" not in self._received:
            if not select.select([self._line], [], [], max(0.0, end - time.monotonic()))[0]:
                raise LabError(f"the machine does not answer within {seconds:.0f} s; its console:\n{self.console()}")
            more = self._line.recv(65536)
            if not more:
                raise LabError(f"the machine ended: {self._said()}; its console:\n{self.console()}")
            self._received += more
        line, _, self._received = self._received.partition(b"\n")
        return json.loads(line)

    def _said(self) -> str:
        output, _ = self._qemu.communicate()
        return output.decode(errors="replace").strip()
