# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands as processes of their own, by any user, with or without a reader, in some 20 ms each.

One process imports the package once and forks for each command. (Forking from pytest itself would bring its log
handlers and threads along.)
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
NOBODY = 65534


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a command ended, what it wrote, and what strace(1) saw of it."""

    status: int
    out: str
    err: str
    trace: str = ""

    @property
    def told(self) -> str:
        """All of it."""
        return self.out + self.err


class Commands:
    """Runs commands on plain machines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(
        self,
        root: Path,
        *argv: str,
        user: int | None = None,
        closed: bool = False,
        strace: Sequence[str] = (),
    ) -> Ended:
        """Run one on the machine below ``root``, as ``user``; with ``closed`` nobody reads what it prints.

        With options of strace(1) it is watched by that from its beginning, its children and threads are not.
        """
        to, found = self._process.stdin, self._process.stdout
        assert to is not None and found is not None
        to.write(json.dumps([str(root), argv, user, closed, strace]) + "\n")
        to.flush()
        return Ended(**json.loads(found.readline()))


@contextmanager
def commands() -> Iterator[Commands]:
    """What runs commands, until the end."""
    with subprocess.Popen(
        [sys.executable, "-c", _RUN],
        cwd=TOP,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield Commands(process)
        finally:
            # with a command that a test did not want to wait for any longer
            os.killpg(process.pid, signal.SIGKILL)


_RUN = """
import importlib, json, os, pkgutil, subprocess, sys, tempfile, traceback
from pathlib import Path
import tukit_sysext
from tests.machine import open_machine
from tukit_sysext import cli
from tukit_sysext.system.descriptors import outputs

# an ordinary user may not be able to read the folder that they are in
for module in pkgutil.walk_packages(tukit_sysext.__path__, "tukit_sysext."):
    importlib.import_module(module.name)

def run(root, argv, user, closed, out, err):
    if closed:
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 1)
    else:
        os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir("/")
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    sys.stdout = open(1, "w", closefd=False)
    out, _ = outputs()
    status = cli.main(argv, machine=open_machine(Path(root), privileged=os.geteuid() == 0))
    cli.leave(cli.as_it_was_read(status, out))

def watch(child, options, trace):
    command = ["strace", "-p", str(child), "-o", trace, *options]
    found = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    if "attached" not in (line := found.stderr.readline()):
        raise OSError(line)
    return found

for line in sys.stdin:
    root, argv, user, closed, strace = json.loads(line)
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        tempfile.NamedTemporaryFile() as trace,
    ):
        begin, start = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(start)
                os.read(begin, 1)
                os.close(begin)
                run(root, argv, user, closed, out, err)
            except SystemExit as error:  # wrong usage
                cli.leave(error.code)
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(255)
        watcher = watch(child, strace, trace.name) if strace else None
        os.close(start)
        os.close(begin)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if watcher is not None:
            watcher.communicate()
        ended = {"status": status}
        for name, file in (("out", out), ("err", err), ("trace", trace)):
            file.seek(0)
            ended[name] = file.read().decode(errors="backslashreplace")
    print(json.dumps(ended), flush=True)
"""
