# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every source can do; third-party sources too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.sources.candidate import Candidate, Known


class Sink(Protocol):
    """Where the bytes of one image go. What it raises (StoreError, ImageBroken) is final for this image."""

    def expect(self, size: int) -> None:
        """Told once the size in bytes is known, before the first byte: there may be no room for it."""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""

    def restart(self) -> None:
        """Forget everything that was written: the image comes again from its beginning."""

    def finish(self) -> None:
        """All bytes were written. Raises ImageBroken where they are not those of the image."""


class Source(Protocol):
    """Something that offers images. ``name`` is that of its configuration file."""

    name: str

    def candidates(self) -> Sequence[Candidate]:
        """All images that the source offers; asked once for each run.

        Raises SourceUnreachable where it does not answer, ImageBroken where its list cannot be used.
        """

    def describe(self, candidates: Sequence[Candidate]) -> Mapping[str, Known]:
        """What is known of these candidates, by SHA-256, without fetching the images. Raises SourceUnreachable."""

    def fetch(self, wanted: Sequence[tuple[Candidate, Sink]]) -> Mapping[str, TukitSysextError]:
        """Bring the bytes of images into their sinks, ``finish`` called for each that is whole.

        Returns why one could not be had, by SHA-256: SourceUnreachable, ImageBroken, or what its sink raised.
        """
