# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every source can do; third-party sources too."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.net.request import ByteSink
from tukit_sysext.sources.candidate import Candidate, Description

if TYPE_CHECKING:
    from tukit_sysext.store.seed import Seed


class Sink(ByteSink, Protocol):
    """Where the bytes of one image go. What it raises (StoreError, ImageBroken) is final for this image."""

    def seeds(self) -> Sequence[Seed]:
        """Other versions of the image that are here: what they have in common with it need not be fetched."""

    def reserve(self, size: int) -> None:
        """So many bytes will be written. Raises NoSpace where there is no room for them."""

    def reuse(self, data: bytes, descriptor: int, offset: int) -> None:
        """Take the next bytes, which were read at an offset of an open seed: they need not be on the disk twice."""

    def keep_index(self, content: bytes) -> None:
        """Keep the index of the image's chunks (caibx) with it, once it is published."""

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
class ChunkedSource(Source, Protocol):
    """A source that may have indexes of the chunks of its images."""

    def to_fetch(self, wanted: Sequence[tuple[Candidate, Sequence[Seed]]]) -> Mapping[str, int]:
        """How many bytes of images would be fetched where seeds are here, by SHA-256; those of which it is known."""


@runtime_checkable
class NamedSource(Source, Protocol):
    """A source that does not know all that it has, but what it has of an image."""

    def look_for(self, names: Collection[str]) -> None:
        """Called before :meth:`candidates`: images with these names are asked for."""

    def not_taken(self) -> Mapping[str, str]:
        """What of them cannot be used, once :meth:`candidates` was asked, and why, by how it is called there."""


@runtime_checkable
class MirroredSource(Source, Protocol):
    """A source whose list is at several places, of which some may be behind."""

    def newer(self) -> bool:
        """Whether another place has a newer list than :meth:`candidates` had, which that tells from then on."""
