# SPDX-License-Identifier: LGPL-2.1-or-later
"""The descriptors 0 to 2, whatever a caller made of them: none is missing, and what fails when writing decides nothing.

Where one is closed, the next file that is opened gets its number: a database, into which messages are written then.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TextIO


def make_whole() -> None:
    """Have the descriptors 0 to 2 lead somewhere: first of all, before anything else is opened."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115  # open to the end
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


class KeptOutput:
    """What is printed, kept until the job is done: a reader that is gone or slow decides nothing, and delays nothing.

    Children find /dev/null in the place of the descriptor (threat C12); ours is ``descriptor``.
    """

    def __init__(self, number: int) -> None:
        self.descriptor = os.dup(number)
        self._kept = io.BytesIO()
        self.stream: TextIO = io.TextIOWrapper(
            self._kept, encoding="utf-8", errors="backslashreplace", write_through=True
        )
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, number)
        os.close(nothing)

    @property
    def text(self) -> str:
        """What was printed; nothing where somebody closed it."""
        return "" if self._kept.closed else self._kept.getvalue().decode()


class Stream(io.FileIO):
    """Standard output or error of a command, where printing never fails: ``error`` is why something is lost."""

    error: OSError | None = None

    def write(self, data: object) -> int:
        """See io.RawIOBase. A reader is waited for as long as it takes, as every filter does."""
        size = memoryview(data).nbytes  # type: ignore[arg-type]
        while self.error is None:
            try:
                written = super().write(data)  # type: ignore[arg-type]
            except OSError as error:
                self.error = error
                break
            if written is not None:
                return written
            select.select((), (self.fileno(),), ())  # somebody made it non-blocking
        return size


def outputs() -> tuple[Stream, Stream]:
    """Have standard output and standard error never fail."""
    out, err = Stream(1, "w", closefd=False), Stream(2, "w", closefd=False)
    sys.stdout, sys.stderr = _text(out, sys.stdout), _text(err, sys.stderr)
    return out, err


def _text(raw: Stream, before: TextIO) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding,
        errors="backslashreplace",
        line_buffering=raw.isatty() or raw.fileno() == 2,
    )


def is_broken_pipe(error: OSError | None) -> bool:
    """Whether it is the reader who has gone."""
    return error is not None and error.errno == errno.EPIPE
