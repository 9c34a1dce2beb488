# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients for the tests of the lab's server."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Self

from tests.lab.server import Server


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """One kept connection to a server."""

    def __init__(self, server: Server, *, timeout: float = 20) -> None:
        self.http = HTTPConnection("127.0.0.1", server.port, timeout=timeout)

    def get(self, path: str, *, method: str = "GET", **headers: str) -> Reply:
        """Ask for a path; `If_Range` is the header If-Range."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self.http.request(method, path, headers=sent)
        answer = self.http.getresponse()
        return Reply(status=answer.status, headers=dict(answer.getheaders()), body=answer.read())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()


def curl(url: str, *options: str, ca: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run curl without the caller's configuration and proxies; -o FILE and others by `options`."""
    trust = [] if ca is None else ["--cacert", str(ca)]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    argv = ["curl", "--disable", "--silent", "--show-error", "--max-time", "20", *trust, *options, url]
    return subprocess.run(argv, capture_output=True, env=environment, check=False)


CURL_CONNECT = 7
CURL_PARTIAL = 18
CURL_TIMEOUT = 28
CURL_TLS_UNTRUSTED = 60
CURL_NOTHING = 52
CURL_RECEIVE = 56
"""Exit statuses of curl(1)."""
