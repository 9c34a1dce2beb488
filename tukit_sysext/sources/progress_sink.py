# SPDX-License-Identifier: LGPL-2.1-or-later
"""A sink whose bytes are counted for the progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tukit_sysext.progress.progress import Progress
from tukit_sysext.sources.protocol import Sink

if TYPE_CHECKING:
    from tukit_sysext.store.seed import Seed


class ProgressSink:
    """A sink that reports each write to a :class:`Progress`, and passes it on."""

    def __init__(self, sink: Sink, file_name: str, progress: Progress) -> None:
        self._sink = sink
        self._file_name = file_name
        self._progress = progress

    def expect(self, size: int) -> None:
        """See Sink."""
        self._sink.expect(size)
        self._progress.move(self._file_name, size=size)

    def write(self, data: bytes) -> None:
        """See Sink."""
        self._sink.write(data)
        self._progress.move(self._file_name, add=len(data))

    def reuse(self, data: bytes, descriptor: int, offset: int) -> None:
        """See Sink."""
        self._sink.reuse(data, descriptor, offset)
        self._progress.move(self._file_name, add=len(data))

    def seeds(self) -> Sequence[Seed]:
        """See Sink."""
        return self._sink.seeds()

    def reserve(self, size: int) -> None:
        """See Sink."""
        self._sink.reserve(size)

    def keep_index(self, content: bytes) -> None:
        """See Sink."""
        self._sink.keep_index(content)

    def resume(self) -> int:
        """See Sink."""
        size = self._sink.resume()
        self._progress.move(self._file_name, add=size)
        return size

    def restart(self) -> None:
        """See Sink."""
        self._sink.restart()
        self._progress.move(self._file_name, restart=True)

    def finish(self) -> None:
        """See Sink."""
        self._sink.finish()
        self._progress.move(self._file_name, done=True)
