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


class VirtualMachine:
    """A running machine; use as a context manager. It ends with the process that started it."""

    def __init__(self, base: Base, disk: int, *, command_line: str = "") -> None:
        """Boot a disk, which the machine writes to.

        :param disk: the descriptor of its file, which the caller closes
        :param command_line: added to that of the kernel
        """
        self._folder = tempfile.TemporaryDirectory(prefix="tukit-virtual-")
        self._console = Path(self._folder.name, "console")
        address = Path(self._folder.name, "agent")
        self._line = socket.socket(socket.AF_UNIX)
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
            "drive": f"file=/proc/self/fd/{disk},format=raw,if=virtio",
            "serial": f"file:{self._console}",
            "chardev": f"socket,id=agent,path={address},server=on,wait=off",
        }
        devices = ("virtio-serial", f"virtserialport,chardev=agent,name={PORT}", "virtio-rng-pci")
        options = [word for key, value in arguments.items() for word in (f"-{key}", value)]
        options += [word for device in devices for word in ("-device", device)]
        self._qemu = subprocess.Popen(
            ["nice", "-n", "15", "setpriv", "--pdeathsig=KILL", QEMU, *_PLAIN, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[disk],
        )
        try:
            self._connect(address)
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
        self._folder.cleanup()

    def console(self) -> str:
        """The last lines that the kernel or systemd printed."""
        return "\n".join(self._console.read_text(errors="replace").splitlines()[-30:])

    def _connect(self, address: Path) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                self._line.connect(str(address))
                return
            except OSError as error:
                if self._qemu.poll() is not None:
                    raise LabError(f"qemu ended: {self._said()}") from error
                if time.monotonic() > end:
                    raise
            time.sleep(0.1)

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
