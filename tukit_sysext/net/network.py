# SPDX-License-Identifier: LGPL-2.1-or-later
"""How to reach servers: timeouts, proxy and certificates, from our configuration and from what zypper uses."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from tukit_sysext import __version__
from tukit_sysext.system.small_file import read_small

SYSCONFIG = "etc/sysconfig/proxy"
"""Where openSUSE keeps the proxy of a machine (YaST, zypper), relative to its root."""

_LIMIT = 64 * 1024
_ASSIGNMENT = re.compile(r"\s*([A-Za-z_]+)=(.*)")


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


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemProxy:
    """The proxy that a machine is set up with."""

    http: str = ""
    https: str = ""
    none_for: str = ""


def system_proxy(root: Path) -> SystemProxy:
    """The proxy of the machine at ``root``, as zypper uses it; none where it has none or it is switched off."""
    try:
        text = read_small(root / SYSCONFIG, limit=_LIMIT).decode("utf-8", "replace")
    except OSError:
        return SystemProxy()
    values = {match[1]: _unquoted(match[2]) for match in map(_ASSIGNMENT.fullmatch, text.splitlines()) if match}
    if values.get("PROXY_ENABLED", "").lower() != "yes":
        return SystemProxy()
    return SystemProxy(
        http=values.get("HTTP_PROXY", ""),
        https=values.get("HTTPS_PROXY", ""),
        none_for=values.get("NO_PROXY", ""),
    )


def network_of(root: Path, configured: NetworkSettings, *, patient: bool) -> NetworkSettings:
    """The configured network, with the proxy of the system at ``root`` where the configuration names none."""
    configured = replace(configured, patient=patient)
    if configured.http_proxy:
        return configured
    proxy = system_proxy(root)
    return replace(
        configured, http_proxy=proxy.http, https_proxy=proxy.https, no_proxy=configured.no_proxy or proxy.none_for
    )


def _unquoted(text: str) -> str:
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        return ""
    return words[0] if words else ""
