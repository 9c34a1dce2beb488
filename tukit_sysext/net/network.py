# SPDX-License-Identifier: LGPL-2.1-or-later
"""How to reach servers: timeouts, proxy and certificates."""

from __future__ import annotations

from dataclasses import dataclass

from tukit_sysext import __version__


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkSettings:
    """The network of a machine.

    Times in seconds: ``connect_timeout`` of one attempt, ``deadline`` for a list or a description with all its mirrors
    and repetitions, ``finding_out`` for all of these together, ``image_deadline`` for all images. A transfer that
    brings fewer than ``least_rate`` bytes a second over ``least_rate_window`` seconds is given up. Proxies are URLs,
    empty for none. Without ``patient`` a server with which no connection comes about is tried once: whoever waits for
    it can ask again himself.
    """

    connect_timeout: int = 10
    deadline: int = 30
    finding_out: int = 600
    image_deadline: int = 3600
    least_rate: int = 1000
    least_rate_window: int = 30
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""
    ca_file: str | None = None
    connections: int = 8
    downloads: int = 4
    patient: bool = True
    user_agent: str = f"tukit-sysext/{__version__}"

    @property
    def silence(self) -> int:
        """Seconds after which an image of which nothing comes is given up."""
        return min(self.deadline, self.finding_out)

    def proxy_for(self, url: str) -> str:
        """The proxy for a URL, empty for none."""
        return self.https_proxy if url.startswith("https:") else self.http_proxy
