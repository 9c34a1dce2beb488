# SPDX-License-Identifier: LGPL-2.1-or-later
"""Version of systemd, and since when it has which part of the rule for extension images.

The rule belongs to the systemd of the tree that will boot. Sources: systemd's NEWS, and the history of
`extension_release_validate` and `open_extension_release` (src/shared/extension-util.c, src/basic/os-util.c).
"""

from __future__ import annotations

import re
from typing import NamedTuple


class SystemdVersion(NamedTuple):
    """257.13 is (257, 13). Stable releases count: a part of the rule came to 257 in one of them."""

    major: int
    stable: int = 0

    def __str__(self) -> str:
        return f"{self.major}.{self.stable}" if self.stable else str(self.major)


def as_version(version: int | SystemdVersion | None) -> SystemdVersion | None:
    """Take a bare number for the first release of that version."""
    if version is None or isinstance(version, SystemdVersion):
        return version
    return SystemdVersion(version)


_VERSION = re.compile(r"\s*v?([0-9]{1,9})(?:\.([0-9]{1,9}))?(?![0-9])", re.ASCII)


def parse_systemd_version(text: str) -> SystemdVersion | None:
    """Read `257`, `257.13-1~deb13u1`, `258~rc2` or `257.7+suse.36.g1a2b3c4d5e`, None if it is none of these.

    A release candidate counts as the version before it, whose rule is the stricter one.
    """
    match = _VERSION.match(text)
    if not match:
        return None
    major, stable = int(match[1]), int(match[2] or 0)
    if re.match(r"[~-]rc", text[match.end() :]):
        return SystemdVersion(major - 1, 0)
    return SystemdVersion(major, stable)


# Where a rule is looser from some version on, an unknown version does not get it; where it is stricter, it
# does. _any and ARCHITECTURE are the exception: whatever is in use today has them (252 is of 2022).

SCOPE_SINCE = SystemdVersion(250)
"""SYSEXT_SCOPE is looked at (NEWS 250)."""
STRICT_XATTR_SINCE = SystemdVersion(250)
"""Without an extension-release file of the image's name, one whose xattr user.extension-release.strict is
false will do (NEWS 250)."""
ROLLING_SINCE = SystemdVersion(251)
"""A host with neither VERSION_ID nor a level is fine (systemd pull request 22163)."""
ANY_SINCE = SystemdVersion(252)
"""ID=_any fits everywhere, and ARCHITECTURE is looked at (NEWS 252)."""
CONFEXT_SINCE = SystemdVersion(254)
"""There are configuration extensions (NEWS 254)."""
CLASS_SUFFIX_SINCE = SystemdVersion(255)
"""`.sysext.raw` and `.confext.raw` are suffixes as `.raw` is, and no part of the image's name (NEWS 255)."""
NAME_CUT_SINCE = SystemdVersion(256)
"""An image's name is also tried cut at its first `_` or `+` (systemd pull request 31435; 256 compared too
loosely, see 33607)."""
VERSIONS_SINCE = SystemdVersion(256)
"""Of a folder whose name ends in ``.v`` the newest version is taken (systemd.v(7))."""
ID_LIKE_SINCE = SystemdVersion(258)
"""The extension's ID may be a word of the host's ID_LIKE (systemd pull request 37648)."""
ID_LIKE_STABLE = SystemdVersion(257, 8)
"""The same in the stable branch of 257 (systemd pull request 38128)."""
IMAGE_ID_SINCE = SystemdVersion(262)
"""IMAGE_ID and IMAGE_VERSION of an extension must be the host's (systemd pull request 43339, not merged in
August 2026)."""


def has_id_like(version: SystemdVersion) -> bool:
    """Does this systemd compare the extension's ID with the host's ID_LIKE too?"""
    return version >= ID_LIKE_SINCE or (version.major == ID_LIKE_STABLE.major and version >= ID_LIKE_STABLE)
