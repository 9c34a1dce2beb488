# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real OCI registries on loopback: Debian's docker-registry (distribution 2.8), and the tools that speak to them.

All run by chroot(1) in a folder with the labs' Debian: the packages would start a registry of the machine's own.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.lab.authority import Authority
from tests.lab.errors import LabError
from tests.lab.publisher import ENVIRONMENT, entering, inside, root_with
from tests.lab.running import Running
from tests.lab.token_server import ISSUER, SERVICE, TokenServer

LOGIN = "lab:secret"
"""User and password of a registry that wants them."""

_HTPASSWD = "lab:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n"
_PACKAGES = ("docker-registry", "oras", "cosign", "skopeo")
_START_SECONDS = 60
_LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")
_ACCESS = re.compile(r'\S+ - \S+ \[[^]]*\] "(\S+) (\S+) [^"]*" (\d+) (\d+) ')


def registry_root() -> Path:
    """The folder with docker-registry, oras, cosign and skopeo."""
    return root_with("registry", _PACKAGES)


def tool(
    *argv: str, folder: Path, authority: Authority | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Run oras, cosign or skopeo in ``folder``, which is its home too; gives what it prints."""
    folders, more = {folder: "/work"}, {"HOME": "/work", **(environment or {})}
    if authority is not None:
        folders[authority.certificate_path.parent] = "/authority"
        more["SSL_CERT_FILE"] = f"/authority/{authority.certificate_path.name}"
    there = ["sh", "-c", 'cd /work && exec "$@"', "sh", *argv]
    return inside(registry_root(), there, folders=folders, environment=more)


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """A line of a registry's access log; ``sent`` are the bytes of the body."""

    method: str
    path: str
    status: int
    sent: int


class Registry(Running):
    """Runs a registry from `start` to `stop` (or as a context); what it has stays in ``folder``.

    With ``login`` it wants LOGIN (Basic), with ``tokens`` what that server gives (Bearer), with ``authority`` it speaks
    TLS. ``blobs_at`` is the URL of a server of `storage`, to which readers of blobs are redirected; ``cache_of`` the
    registry whose pull-through cache it is, which has to run when this one is started. ``configuration`` is the file
    that it has in the place of all that; it sees its folder as /registry.

    To be started by a thread that lives as long as the registry is needed, as tests.lab.proxy.
    """

    def __init__(
        self,
        folder: Path,
        *,
        login: bool = False,
        tokens: TokenServer | None = None,
        authority: Authority | None = None,
        blobs_at: str = "",
        cache_of: Registry | None = None,
        configuration: str = "",
    ) -> None:
        self._folder = folder
        self._login = login
        self._tokens = tokens
        self._authority = authority
        self._blobs_at = blobs_at
        self._cache_of = cache_of
        self._given = configuration
        self._process: subprocess.Popen[str] | None = None
        self._lines: list[str] = []
        self._known = threading.Event()
        self.port = 0
        self.storage.mkdir(parents=True, exist_ok=True)

    @property
    def storage(self) -> Path:
        """Where it keeps what was pushed."""
        return self._folder / "storage"

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return self._authority is not None

    @property
    def host(self) -> str:
        """Its name and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"{'https' if self.secure else 'http'}://{self.host}"

    @property
    def requests(self) -> list[Access]:
        """What was asked for since the start, in the order in which it was answered; complete when it is stopped."""
        found = map(_ACCESS.match, list(self._lines))
        return [Access(method=line[1], path=line[2], status=int(line[3]), sent=int(line[4])) for line in found if line]

    def start(self) -> Self:
        """Start it, and wait until it listens; on the same port as before. Raises LabError with its words."""
        self._lines, self._known = [], threading.Event()
        (self._folder / "config.yml").write_text(self._given or json.dumps(self._configuration()))  # YAML
        folders = {self._folder: "/registry"}
        if self._authority is not None:
            folders[self._authority.certificate_path.parent] = "/authority"
        if self._tokens is not None:
            folders[self._tokens.certificate.parent] = "/tokens"
        argv = entering(registry_root(), ["docker-registry", "serve", "/registry/config.yml"], folders=folders)
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=ENVIRONMENT,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        if not self._known.wait(_START_SECONDS) or not self.port or self._process.poll() is not None:
            self.stop()
            raise LabError("docker-registry does not start:\n" + "".join(self._lines))
        return self

    def stop(self) -> None:
        """End it, after the answers that are under way. Harmless when it does not run."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(_START_SECONDS)
            self._reader.join(_START_SECONDS)
            self._process = None

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._lines.append(line)
                listening = _LISTENING.search(line)
                if listening and not self._known.is_set():
                    self.port = int(listening[1])
                    self._known.set()
        self._known.set()  # it has ended

    def _configuration(self) -> Mapping[str, Any]:
        http: dict[str, Any] = {"addr": f"127.0.0.1:{self.port}", "draintimeout": "10s", "secret": "lab"}
        if self._authority is not None:
            server = self._authority.server
            http["tls"] = {
                "certificate": f"/authority/{server.certificate_path.name}",
                "key": f"/authority/{server.key_path.name}",
            }
        configuration: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "info"},
            "storage": {
                "filesystem": {"rootdirectory": "/registry/storage"},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": http,
        }
        if self._login:
            (self._folder / "htpasswd").write_text(_HTPASSWD)
            configuration["auth"] = {"htpasswd": {"realm": "lab", "path": "/registry/htpasswd"}}
        if self._tokens is not None:
            configuration["auth"] = {
                "token": {
                    "realm": self._tokens.realm,
                    "service": SERVICE,
                    "issuer": ISSUER,
                    "rootcertbundle": f"/tokens/{self._tokens.certificate.name}",
                }
            }
        if self._blobs_at:
            redirect = {"name": "redirect", "options": {"baseurl": self._blobs_at}}
            configuration["middleware"] = {"storage": [redirect]}
        if self._cache_of is not None:
            configuration["proxy"] = {"remoteurl": self._cache_of.url}
        return configuration
