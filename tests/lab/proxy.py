# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real HTTP proxy on loopback: tinyproxy(8), for http by whole URLs and for https by CONNECT."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests.lab.images import ToolFailed, ToolMissing
from tests.lab.ports import accepts, unused_port
from tests.lab.running import Running

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_START_SECONDS = 10
_RETRY_SECONDS = 0.01
_ATTEMPTS = 5

_CONFIGURATION = """\
Port {port}
Listen 127.0.0.1
Allow 127.0.0.1
Timeout 60
MaxClients 100
LogFile "{folder}/log"
LogLevel Connect
{credentials}
"""


class Proxy(Running):
    """Runs a proxy from `start` to `stop` (or as a context); with user and password it wants them (Basic).

    To be started by a thread that lives as long as the proxy is needed: the kernel ends it with that thread, so that
    nothing is left of a test that dies.
    """

    def __init__(self, *, user: str = "", password: str = "") -> None:
        self._credentials = f"BasicAuth {user} {password}" if user else ""
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._log = ""
        self.port = 0

    @property
    def url(self) -> str:
        """Without user and password, and without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> list[str]:
        """What it was asked for: "GET http://..." or "CONNECT HOST:PORT", in that order; also after `stop`."""
        text = (self._folder / "log").read_text(errors="replace") if self._folder else self._log
        return re.findall(r"Request \(file descriptor \d+\): (\S+ \S+)", text)

    def start(self) -> Self:
        """Start it, and wait until it takes connections. Raises ToolFailed with its words."""
        self._folder = Path(tempfile.mkdtemp(prefix="lab-proxy-"))
        try:
            for _ in range(_ATTEMPTS):
                # It cannot choose a port by itself, and another process may take the one that was free.
                if self._try(self._folder, unused_port()):
                    return self
            raise ToolFailed(f"tinyproxy does not start\n{self._words(self._folder)}")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it. Harmless when it does not run."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_START_SECONDS)
            self._process = None
        if self._folder is not None:
            log = self._folder / "log"
            self._log = log.read_text(errors="replace") if log.exists() else ""
            shutil.rmtree(self._folder)
            self._folder = None

    def _try(self, folder: Path, port: int) -> bool:
        """Whether it came up on that port."""
        configuration = folder / "tinyproxy.conf"
        configuration.write_text(_CONFIGURATION.format(port=port, folder=folder, credentials=self._credentials))
        tinyproxy = shutil.which("tinyproxy", path=_PATH)
        if tinyproxy is None:
            raise ToolMissing(f"tinyproxy: not installed (PATH {_PATH})")
        with open(folder / "output", "wb") as output:
            process = self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", tinyproxy, "-d", "-c", str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": _PATH, "LC_ALL": "C.UTF-8"},
            )
        for _ in range(int(_START_SECONDS / _RETRY_SECONDS)):
            try:
                process.wait(_RETRY_SECONDS)
            except subprocess.TimeoutExpired:
                if accepts(port):
                    self.port = port
                    return True
            else:
                self._process = None
                return False
        raise ToolFailed(f"tinyproxy takes no connections after {_START_SECONDS} s\n{self._words(folder)}")

    @staticmethod
    def _words(folder: Path) -> str:
        texts = [path.read_text(errors="replace") for path in (folder / "output", folder / "log") if path.exists()]
        return "".join(texts)
