# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ports of loopback."""

from __future__ import annotations

import socket


def unused_port() -> int:
    """A port of 127.0.0.1 on which nothing listens at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def unused_url(scheme: str = "http") -> str:
    """A URL whose server refuses every connection, as long as nobody takes its port."""
    return f"{scheme}://127.0.0.1:{unused_port()}"


def accepts(port: int) -> bool:
    """Whether something listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
