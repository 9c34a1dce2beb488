# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a source offers: one image file, and what was found out about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tukit_sysext.rules.release import ReleaseData


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """An image that a source offers; every source yields this shape and no other.

    ``version`` is a UAPI.10 string, ``architecture`` in systemd's spelling (None: the name does not tell), ``sha256``
    in lower-case hexadecimal digits, ``signer`` the fingerprint of the key that signed the list (None: nobody asked),
    ``size`` in bytes (None: not known), ``description`` where its description is (None: it has none), ``locations``
    where the image is, to be tried in turn.
    """

    name: str
    version: str
    architecture: str | None
    file_name: str
    sha256: str
    size: int | None
    source: str
    priority: int
    signer: str | None
    description: str | None
    locations: tuple[str, ...]

    @property
    def key(self) -> str:
        """Under which :attr:`Facts.known` has what was found out about it.

        What failed at one source may not at another.
        """
        return f"{self.source}:{self.sha256}"


class Standing(StrEnum):
    """What is known of whether an image can be used in the tree."""

    FITS = "fits"
    DOES_NOT_FIT = "does not fit"
    NOT_ALLOWED = "not allowed"
    """By the configuration: another version is held, this one is blocked, or Version= or Source= is against it."""
    BROKEN = "broken"
    UNREACHABLE = "source not reachable"
    NOT_STORED = "the store cannot take it"
    NOT_ASKED = "not looked at"
    ONLY_CONTENT_TELLS = "no description, its content decides"


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What an image says of itself, by its content or by who publishes it: its extension-release, or why there is none.

    ``merge_name`` is known of its content alone. Without a release and a failure, only the content can tell.
    """

    release: ReleaseData | None = None
    merge_name: str | None = None
    failure: Standing | None = None
    reason: str = ""
