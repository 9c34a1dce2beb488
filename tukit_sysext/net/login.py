# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who one is: a user name and a password, and who gets them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from tukit_sysext.net.redirects import Origin, origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """A user name and a password, and the servers that get them; no other ever does, whatever redirects to it."""

    user: str = field(repr=False)
    password: str = field(repr=False)
    origins: frozenset[Origin]

    @classmethod
    def to(cls, servers: Sequence[str], *, user: str, password: str) -> Self:
        """For the servers of these URLs; in the clear only where none of them has HTTPS."""
        secure = [url for url in servers if url.startswith("https:")]
        return cls(user=user, password=password, origins=frozenset(map(origin, secure or servers)))
