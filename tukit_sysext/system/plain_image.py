# SPDX-License-Identifier: LGPL-2.1-or-later
"""The image itself of a file that may be packed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from tukit_sysext.system.durable import make_directory
from tukit_sysext.system.unpack import unpack


@contextmanager
def plain_image(path: Path, packing: str, scratch: Path) -> Iterator[int]:
    """A descriptor of an image file, unpacked into ``scratch`` (a directory of ours) where it is packed.

    Raises ImageBroken, NoVerdict, ToolBroken as unpack(), OSError.
    """
    with ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(open(path, "rb"))
        if packing:
            make_directory(scratch)
            plain = stack.enter_context(TemporaryFile(dir=scratch))

            def take(piece: bytes, to: IO[bytes] = plain) -> None:
                to.write(piece)

            unpack(file.fileno(), packing, take)
            plain.flush()
            file = plain
        yield file.fileno()
