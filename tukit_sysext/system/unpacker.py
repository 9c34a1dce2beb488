# SPDX-License-Identifier: LGPL-2.1-or-later
"""The child that unpacks an image: ``unpacker.py PACKING DESCRIPTOR`` writes what is in it to standard output.

It is started as a file of its own and imports nothing of the package: what it is given comes from the network, it may
write nowhere (prlimit), and where it may it becomes nobody. Ends with 65 where the data is bad, and with 69 where the
library is missing.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import IO, cast

BAD_DATA = 65
NO_LIBRARY = 69
_NOBODY = 65534
_CHUNK = 1024 * 1024


_SMALL_CHUNK = 4 * 1024
"""Bytes of which zstandard may make more than a hundred MiB at once."""


def _unpack(packing: str, file: IO[bytes], to: IO[bytes]) -> None:
    if packing == "zst":
        _unpack_zstd(file, to)
        return
    if packing == "layer":
        _unpack_layer(file, to)
        return
    module = import_module({"xz": "lzma", "gz": "gzip", "bz2": "bz2"}[packing])
    with module.open(file) as plain:
        while piece := plain.read(_CHUNK):
            to.write(piece)


def _unpack_zstd(file: IO[bytes], to: IO[bytes]) -> None:
    """Frame after frame: what reads a stream says nothing where the last one is cut off."""
    import zstandard

    frame, begun = zstandard.ZstdDecompressor().decompressobj(), False
    while piece := file.read(_SMALL_CHUNK):
        while piece:
            to.write(frame.decompress(piece))
            piece, begun = frame.unused_data, not frame.eof
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
    if begun:
        raise EOFError("it is cut off")


def _unpack_layer(file: IO[bytes], to: IO[bytes]) -> None:
    """The one file in a layer of a container image: a tar archive, by gzip or zstd, or as it is."""
    import tarfile

    magic = file.read(4)
    file.seek(0)
    stream: IO[bytes] = file
    if magic == b"\x28\xb5\x2f\xfd":
        import zstandard

        stream = cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(file, read_size=_SMALL_CHUNK))
    elif magic[:2] == b"\x1f\x8b":
        import gzip

        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    found = False
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if member.isdir():
                continue
            if found or not member.isreg() or not member.name.endswith(".raw"):
                raise ValueError(f"expected one file that ends in .raw, found {member.name!a} as well")
            found = True
            content = archive.extractfile(member)
            assert content is not None  # noqa: S101  # of a regular file
            while piece := content.read(_CHUNK):
                to.write(piece)
    if not found:
        raise ValueError("expected one file that ends in .raw, found none")


def main(packing: str, descriptor: int) -> int:
    """Unpack, and say why not."""
    with suppress(OSError):  # a service may not become another user, and has its own limits
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    try:
        with os.fdopen(descriptor, "rb") as file:
            _unpack(packing, file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except ImportError as error:
        print(error, file=sys.stderr)
        return NO_LIBRARY
    except MemoryError:
        print("unpacking needs too much memory", file=sys.stderr)
        return BAD_DATA
    except BrokenPipeError:
        os._exit(1)  # nobody wants the rest
    except Exception as error:  # each library has its own
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return BAD_DATA
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
