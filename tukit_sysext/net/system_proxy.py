# SPDX-License-Identifier: LGPL-2.1-or-later
"""The proxy that a machine is set up with, which zypper uses too: it counts where our configuration names none."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.system.small_file import read_small

SYSCONFIG = "etc/sysconfig/proxy"
"""Where openSUSE keeps the proxy of a machine (YaST, zypper), relative to its root."""

_LIMIT = 64 * 1024
_ASSIGNMENT = re.compile(r"\s*([A-Za-z_]+)=(.*)")


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
