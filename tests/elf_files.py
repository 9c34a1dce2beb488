# SPDX-License-Identifier: LGPL-2.1-or-later
"""ELF files with just what a dynamic loader reads of them, of either class and byte order, for images and for parsers.

They cannot run. What runs is copied from this machine.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence


def elf_file(
    *,
    needs: Mapping[str, Sequence[str]] | None = None,
    soname: str = "",
    versions: Sequence[str] = (),
    wide: bool = True,
    little: bool = True,
    kind: int = 3,
    more: Sequence[tuple[int, int]] = (),
) -> bytes:
    """A library (``kind`` 2: a program) that needs versions of libraries and defines some; ``more`` dynamic entries."""
    order, word = "<" if little else ">", "Q" if wide else "I"
    strings = bytearray(b"\0")

    def string(text: str) -> int:
        strings.extend(text.encode() + b"\0")
        return len(strings) - len(text) - 1

    wanted = {string(library): [string(each) for each in of_it] for library, of_it in (needs or {}).items()}
    defined = [string(each) for each in ((soname, *versions) if versions else ())]
    entries = [(1, library) for library in wanted]
    entries += [(14, string(soname))] if soname else []
    versioned = {library: of_it for library, of_it in wanted.items() if of_it}

    header, program_header = (64, 56) if wide else (52, 32)
    dynamic_at = header + 2 * program_header
    count = len(entries) + 2 + (2 if versioned else 0) + (2 if defined else 0) + len(more) + 1
    strings_at = dynamic_at + count * (16 if wide else 8)
    need_at = strings_at + len(strings) + -len(strings) % 8
    need = bytearray()
    for number, (library, of_it) in enumerate(versioned.items(), 1):
        size = 16 * (1 + len(of_it))
        need += struct.pack(f"{order}HHIII", 1, len(of_it), library, 16, size if number < len(versioned) else 0)
        for left, version in enumerate(reversed(of_it)):
            need += struct.pack(f"{order}IHHII", 0, 0, 0, version, 16 if left < len(of_it) - 1 else 0)
    define_at = need_at + len(need)
    define = bytearray()
    for index, name in enumerate(defined):
        last = index == len(defined) - 1
        define += struct.pack(f"{order}HHHHIII", 1, int(index == 0), index + 1, 1, 0, 20, 0 if last else 28)
        define += struct.pack(f"{order}II", name, 0)
    entries += [(5, strings_at), (10, len(strings))]
    entries += [(0x6FFFFFFE, need_at), (0x6FFFFFFF, len(versioned))] if versioned else []
    entries += [(0x6FFFFFFC, define_at), (0x6FFFFFFD, len(defined))] if defined else []
    entries += [*more, (0, 0)]
    size = define_at + len(define)

    def program(of: int, at: int, length: int) -> bytes:
        if wide:
            return struct.pack(f"{order}IIQQQQQQ", of, 4, at, at, at, length, length, 8)
        return struct.pack(f"{order}IIIIIIII", of, at, at, at, length, length, 4, 4)

    identity = b"\x7fELF" + bytes([2 if wide else 1, 1 if little else 2, 1]) + bytes(9)
    rest = struct.pack(
        f"{order}HHI{word * 3}IHHHHHH", kind, 62, 1, 0, header, 0, 0, header, program_header, 2, 64, 0, 0
    )
    dynamic = b"".join(struct.pack(f"{order}{word * 2}", *entry) for entry in entries)
    body = identity + rest + program(1, 0, size) + program(2, dynamic_at, len(dynamic)) + dynamic + bytes(strings)
    return body.ljust(need_at, b"\0") + bytes(need) + bytes(define)
