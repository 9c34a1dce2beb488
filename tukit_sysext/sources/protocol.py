# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every source can do; third-party sources too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.net.request import ByteSink
from tukit_sysext.sources.candidate import Candidate, Description


class Sink(ByteSink, Protocol):
    """Where the bytes of one image go. What it raises (StoreError, ImageBroken) is final for this image."""

    def finish(self) -> None:
        """All bytes were written. Raises ImageBroken where they are not those of the image."""


class Source(Protocol):
    """Something that offers images. ``name`` is that of its configuration file."""

    name: str

    def candidates(self) -> Sequence[Candidate]:
        """All images that the source offers; asked once for each run.

        Raises SourceUnreachable where it does not answer, ImageBroken where its list is refused, NoVerdict where nobody
        can tell whether it is to be accepted; faults of this machine are MemoryUnreadable and ToolBroken.
        """

    def describe(self, candidates: Sequence[Candidate]) -> Mapping[str, Description]:
        """What is known of these candidates, by SHA-256, without fetching the images. Raises SourceUnreachable."""

    def fetch(self, wanted: Sequence[tuple[Candidate, Sink]]) -> Mapping[str, TukitSysextError]:
        """Bring the bytes of images into their sinks, ``finish`` called for each that is whole.

        Returns why one could not be had, by SHA-256: SourceUnreachable, ImageBroken, or what its sink raised.
        """


@runtime_checkable
class FileSource(Source, Protocol):
    """A source of files whose names have to say what they are."""

    def unread(self) -> Sequence[Candidate]:
        """Files of the list, once :meth:`candidates` was asked, whose names say no image that could be merged."""


@runtime_checkable
class MirroredSource(Source, Protocol):
    """A source whose list is at several places, of which some may be behind."""

    def newer(self) -> bool:
        """Whether another place has a newer list than :meth:`candidates` had, which that tells from then on."""
