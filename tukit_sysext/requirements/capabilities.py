# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a system offers to images: which of its packages meets a requirement. "Unknown" is not "none"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from tukit_sysext.requirements.requirement import Requirement


class Unknown(Enum):
    """The answer where that is not known: nothing may be concluded from it, and nothing is refused for it."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """An installed package, ``evr`` as [EPOCH:]VERSION-RELEASE; or a file that no package has brought, without one."""

    name: str
    evr: str = ""

    def __str__(self) -> str:
        return f"{self.name}-{self.evr}" if self.evr else self.name


class Capabilities(Protocol):
    """What meets requirements in one tree, or in a set of images."""

    @property
    def unknown(self) -> str | None:
        """Why answers are unknown, for a person; None where they are not."""

    def prepare(self, requirements: Iterable[Requirement], names: Iterable[str] = ()) -> None:
        """Look these up, and packages by name, at once; asking for each alone takes long. Need not be called."""

    def provides(self, requirement: Requirement) -> Package | Unknown | None:
        """What meets a requirement; None where nothing does."""

    def installed(self, name: str) -> Package | Unknown | None:
        """The package of that name, of several versions the newest; None where it is not installed."""
