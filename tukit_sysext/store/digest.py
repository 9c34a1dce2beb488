# SPDX-License-Identifier: LGPL-2.1-or-later
"""SHA-256 on another processor: large images are hashed while the next bytes are received and written."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queue import Queue

CHUNK = 1024 * 1024
"""Bytes that are hashed and written at a time."""
ROT = (errno.EIO, errno.EUCLEAN, errno.EBADMSG)
"""What reading rotten blocks ends with: EIO where the file system has checksums, as btrfs."""

_IN_LINE = 8 * 1024 * 1024
"""Bytes up to which a thread is not worth starting."""
_AHEAD = 8
"""Pieces that may wait to be hashed: what bounds the memory."""


class Digest:
    """A SHA-256 that is fed in order. hashlib lets other threads run while it hashes large pieces."""

    def __init__(self) -> None:
        import hashlib
        from queue import Queue

        self._hash = hashlib.sha256()
        self._size = 0
        self._thread: threading.Thread | None = None
        self._queue: Queue[bytes | bytearray | None] = Queue(_AHEAD)

    def update(self, data: bytes | bytearray) -> None:
        """The next bytes."""
        self._size += len(data)
        if self._size <= _IN_LINE:
            self._hash.update(data)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        self._queue.put(data)

    def hexdigest(self) -> str:
        """The hash of everything so far, in hexadecimal digits."""
        self.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        """End the thread, if there is one; what was fed is hashed."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (data := self._queue.get()) is not None:
            self._hash.update(data)


def hash_of(descriptor: int) -> str:
    """SHA-256 of an open file from its beginning, in hexadecimal digits."""
    import hashlib

    digest = hashlib.sha256()
    position = 0
    while chunk := os.pread(descriptor, CHUNK, position):
        digest.update(chunk)
        position += len(chunk)
    return digest.hexdigest()
