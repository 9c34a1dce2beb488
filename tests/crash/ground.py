# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every run stands on: the package as installed, and the root of a machine that is mounted from a copied disk."""

from __future__ import annotations

import compileall
import ctypes
import os
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.crash import calls
from tests.crash.mounts import device, mount, mounted
from tests.crash.witness import Witness

HOOK = "/opt/50-tukit-sysext"
COMMAND = "/opt/tukit-sysext"
_PYTHON = "/opt/python"
_TOP = Path(__file__).parents[2]
_OPTIONS = "commit=600"
"""Nothing but what is synced reaches the disk within ten minutes."""
_PATIENCE = 60
_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""

Edit = tuple[str, str, str]
"""A file of the package, what stands there exactly once, and what it becomes."""

ONE_WORKER: tuple[Edit, ...] = (
    ("net/network.py", "connections: int = 8", "connections: int = 1"),
    ("net/network.py", "downloads: int = 4", "downloads: int = 1"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a run ended: its status as its caller sees it, what it said, and its calls that write."""

    status: int
    output: str
    messages: str
    calls: Sequence[calls.Call]


class Ground:
    """A folder in memory with the package, made once; disks are mounted in it one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self._opt = folder / "opt"
        self._trace = self._opt / "trace"
        for path in (self.root, self._opt):
            path.mkdir()
        if ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError("prctl: cannot take over what a killed process leaves behind")
        self.witness = Witness(folder)
        self._install()

    def _install(self) -> None:
        """The package, the hook and the command, started as the RPM's are, by an interpreter that strace may watch."""
        python = self._opt / "venv/bin/python"
        site = self._opt / f"venv/lib/python{sysconfig.get_python_version()}/site-packages"
        for path in (python.parent, site):
            path.mkdir(parents=True)
        python.symlink_to("/usr/bin/python3")
        (self._opt / "venv/pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = true\n")
        for name in ("pluggy", "packaging", "pyrpm"):
            shutil.copytree(Path(sysconfig.get_path("purelib"), name), site / name)
        self._package = site / "tukit_sysext"
        hook = (_TOP / "hooks/50-tukit-sysext").read_text()
        assert hook.count("\npython=/usr/bin/python3\n") == 1
        self._script(HOOK, hook.replace("python=/usr/bin/python3", f"python={_PYTHON}"))
        launcher = "from tukit_sysext.cli import run; run()"
        self._script(COMMAND, f"#!/bin/sh\nexec {_PYTHON} -IB -c '{launcher}' \"$@\"\n")
        self.change()

    def _script(self, path: str, text: str) -> None:
        file = self.folder / path.lstrip("/")
        file.write_text(text)
        file.chmod(0o755)

    def change(self, *edits: Edit) -> None:
        """Install the package with these edits, and no others but ONE_WORKER."""
        shutil.rmtree(self._package, ignore_errors=True)
        shutil.copytree(_TOP / "tukit_sysext", self._package, ignore=shutil.ignore_patterns("__pycache__"))
        for file, old, new in (*ONE_WORKER, *edits):
            path = self._package / file
            text = path.read_text()
            if text.count(old) != 1:
                raise SystemExit(f"{file}: expected once, found {text.count(old)} times: {old}")
            path.write_text(text.replace(old, new))
        if not compileall.compile_dir(self._package, quiet=1):
            raise SystemExit(f"the package cannot be compiled with {edits}")

    @contextmanager
    def machine(self, image: Path, *, running: int) -> Iterator[Path]:
        """Mount a disk as the machine whose snapshot ``running`` runs, with a fresh /run; its root."""
        root = self.root
        with (
            device(image) as path,
            mounted(
                (path, root, "btrfs", f"subvol=/.snapshots/{running}/snapshot,{_OPTIONS}"),
                (path, root / ".snapshots", "btrfs", f"subvol=/.snapshots,{_OPTIONS}"),
                (path, root / "var", "btrfs", f"subvol=/var,{_OPTIONS}"),
                ("/usr", root / "usr", None, "ro"),
                ("/dev", root / "dev", None, ""),
                ("/proc", root / "proc", None, ""),
                ("/sys", root / "sys", None, ""),
                # who else uses loop devices here differs from run to run
                ("tmpfs", root / "sys/block", "tmpfs", "mode=755"),
                (str(self._opt), root / "opt", None, ""),
                ("tmpfs", root / "run", "tmpfs", "mode=755"),
                ("tmpfs", root / "tmp", "tmpfs", "mode=1777"),
            ),
        ):
            yield root

    def run(self, argv: Sequence[str], *, inject: str | None = None, traced: bool = True) -> Ended:
        """Run a hook or a command in the mounted machine; with a fault where strace(1) is to ``inject`` one."""
        self._trace.unlink(missing_ok=True)
        python = "exec /opt/venv/bin/python"
        if traced:
            # without -f: our process alone, not its children
            options = f"-y -qq -s 16 -o /opt/trace -e trace={','.join(calls.TRACED)}"
            options += f" -e inject={inject}" if inject is not None else ""
            python = f"exec /usr/bin/strace {options} /opt/venv/bin/python"
        # what the hook starts after a fault only looks, and would write its trace over that of the job
        look = '[ "$4" != last_check ] || exec /opt/venv/bin/python "$@"'
        self._script(_PYTHON, f'#!/bin/sh\n{look}\n{python} "$@"\n')
        done = subprocess.run(
            ["/usr/sbin/chroot", self.root, *argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            cwd="/",
            env={"PATH": "/usr/bin:/usr/sbin:/bin:/sbin"},
            check=False,
        )
        _reap()
        found = calls.parse(self._trace.read_text(errors="backslashreplace")) if traced else ()
        return Ended(status=done.returncode, output=done.stdout, messages=done.stderr, calls=found)


def _reap() -> None:
    """End what a killed process has left behind: it would keep the disk mounted."""
    while True:
        for pid in _children():
            os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> Iterator[int]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                status = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(status[1]) == os.getpid() and status[0] != "Z":
                yield int(entry.name)


def memory(folder: Path) -> None:
    """A file system in memory on a folder, which is gone with our mount namespace."""
    mount("tmpfs", folder, "tmpfs", data="mode=700,size=4g")
