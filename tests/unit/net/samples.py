# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs and sinks for the tests of transfers."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.net.request import FetchResult, Request, Response
from tukit_sysext.net.transfer import Transfers
from tukit_sysext.store.seed import Seed

LIST = b"hello\n"
IMAGE = random.Random(1).randbytes(300_000)

QUICK = NetworkSettings(connect_timeout=2, least_rate_window=5)
"""Nothing here waits as long as a machine on a bad line would."""


class Collected:
    """A sink that keeps what it gets; with ``fails`` it raises that instead."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.content = b""
        self.restarts = 0
        self.most = 0
        self.expected: list[int] = []
        self.given_seeds: Sequence[Seed] = ()
        self.reserved: int | None = None
        self.reused = 0
        self.index: bytes | None = None
        self._fails = fails

    def expect(self, size: int) -> None:
        self.expected.append(size)

    def write(self, data: bytes) -> None:
        if self._fails is not None:
            raise self._fails
        self.content += data
        self.most = max(self.most, len(self.content))

    def resume(self) -> int:
        return len(self.content)

    def restart(self) -> None:
        self.content = b""
        self.restarts += 1

    def finish(self) -> None:
        """Nothing to do."""

    def seeds(self) -> Sequence[Seed]:
        return self.given_seeds

    def reserve(self, size: int) -> None:
        self.reserved = size

    def reuse(self, data: bytes, descriptor: int, offset: int) -> None:
        assert os.pread(descriptor, len(data), offset) == data
        self.reused += len(data)
        self.write(data)

    def keep_index(self, content: bytes) -> None:
        self.index = content


def request_for(*urls: str, **changes: Any) -> Request:
    """A request with room for the image and some seconds."""
    return Request(urls=urls, **{"limit": 1_000_000, "deadline": 10.0, **changes})


def run(*requests: Request, at_once: int = 1, **settings: Any) -> list[FetchResult]:
    """Carry out requests over connections of their own."""
    with Transfers(replace(QUICK, **settings)) as transfers:
        return transfers.run(requests, at_once=at_once)


def bring(*urls: str, settings: dict[str, Any] | None = None, **changes: Any) -> Response:
    """Carry out one request; raises why there is no answer."""
    (result,) = run(request_for(*urls, **changes), **(settings or {}))
    if isinstance(result, TukitSysextError):
        raise result
    return result
