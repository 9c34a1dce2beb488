# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an ELF file needs and provides, in RPM's spelling: ``libssl.so.3(OPENSSL_3.0.0)(64bit)``.

By program headers alone, as the dynamic loader reads them (elf(5), the gABI's "Dynamic Linking", the LSB's "Symbol
Versioning"). The file may be anybody's: each offset and each size is held against the file's, each chain goes forward
and each count has a limit. A test holds the answers to those of RPM's own generator, elfdeps.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

Read = Callable[[int, int], bytes]
"""Reads bytes of a file: how many (fewer come at its end), from which offset on."""

MAGIC = b"\x7fELF"
_CLASS_32, _CLASS_64 = 1, 2
_EXECUTABLE, _SHARED = 2, 3
_ALPHA = (41, 0x9026)
"""Machines whose 64 bits RPM does not mark."""
_LOAD, _DYNAMIC = 1, 2
_NULL, _NEEDED, _HASH, _STRTAB, _STRSZ, _SONAME, _DEBUG = 0, 1, 4, 5, 10, 14, 21
_GNU_HASH, _VERDEF, _VERDEFNUM, _VERNEED, _VERNEEDNUM = 0x6FFFFEF5, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_BASE = 1
_LIBRARIES = ("lib", "ld.", "ld-", "ld64.", "ld64-")
_MOST_HEADERS = 256
_MOST_ENTRIES = 16384
_LARGEST_TABLE = 16 * 1024 * 1024
_LONGEST_NAME = 255
_NAME = re.compile(rb"[!-'*+\--~]+")
"""What a soname or a version consists of: printable ASCII, without parentheses and commas."""


class ElfRefused(Exception):
    """It is an ELF file that cannot be understood; the dynamic loader could not use it either."""


class ElfDependencies(NamedTuple):
    """Capabilities that a file needs of others, and those that it provides."""

    needs: frozenset[str] = frozenset()
    provides: frozenset[str] = frozenset()


def read_elf(read: Read, size: int, name: str) -> ElfDependencies | None:
    """The dependencies of a file of ``size`` bytes and of this name, without folders; None where it is no program or
    library, but for instance an object or a kernel module. Raises ElfRefused, and what ``read`` raises.
    """
    identity = read(16, 0)
    if not identity.startswith(MAGIC):
        return None
    if len(identity) < 16 or identity[4] not in (_CLASS_32, _CLASS_64) or identity[5] not in (1, 2):
        raise ElfRefused("its class or byte order is not known")
    return _Elf(read, size, wide=identity[4] == _CLASS_64, order="<" if identity[5] == 1 else ">").dependencies(name)


class _Elf:
    def __init__(self, read: Read, size: int, *, wide: bool, order: str) -> None:
        self._read = read
        self._size = size
        self._wide = wide
        self._order = order
        self._loaded: list[tuple[int, int, int]] = []
        self._strings = b""

    def dependencies(self, file_name: str) -> ElfDependencies | None:
        kind, machine, headers, header_size, count = self._header()
        if kind not in (_EXECUTABLE, _SHARED):
            return None
        marker = "(64bit)" if self._wide and machine not in _ALPHA else ""
        if not (dynamic := self._program_headers(headers, header_size, count)):
            return ElfDependencies()
        entries = self._dynamic(*dynamic)
        values = dict(entries)  # of several the last counts, as for the loader
        self._strings = self._string_table(values)
        needs = {_capability(self._string(value), "", marker) for tag, value in entries if tag == _NEEDED}
        needs |= set(self._needed_versions(values, marker))
        if _GNU_HASH in values and _HASH not in values:
            needs.add("rtld(GNU_HASH)")
        provides = set(self._defined_versions(values, marker))
        if kind == _SHARED and _DEBUG not in values:
            # what has no name of its own is loaded by that of its file
            soname = self._string(values[_SONAME]) if _SONAME in values else file_name
            provides.add(_capability(soname, "", marker))
        return ElfDependencies(needs=frozenset(needs - {""}), provides=frozenset(provides - {""}))

    def _bytes(self, offset: int, size: int) -> bytes:
        if offset < 0 or offset + size > self._size:
            raise ElfRefused(f"it has {self._size} bytes, and {size} at {offset} are expected")
        data = self._read(size, offset)
        if len(data) != size:
            raise ElfRefused(f"it ends before {size} bytes at {offset}")
        return data

    def _unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        form = struct.Struct(self._order + layout)
        return form.unpack(self._bytes(offset, form.size))

    def _header(self) -> tuple[int, int, int, int, int]:
        address = "Q" if self._wide else "I"
        fields = self._unpack(f"HHI{address}{address}{address}IHHH", 16)
        kind, machine, headers, header_size, count = fields[0], fields[1], fields[4], fields[8], fields[9]
        return kind, machine, headers, header_size, count

    def _program_headers(self, offset: int, size: int, count: int) -> tuple[int, int] | None:
        """Learn what is loaded to where; offset and size of the dynamic section, None where there is none."""
        least = 56 if self._wide else 32
        if count and (size < least or count > _MOST_HEADERS):
            raise ElfRefused(f"{count} program headers of {size} bytes")
        table = self._bytes(offset, size * count) if count else b""
        dynamic: tuple[int, int] | None = None
        for start in range(0, len(table), size or 1):
            if self._wide:
                kind, _, at, address, _, length = struct.unpack_from(f"{self._order}IIQQQQ", table, start)
            else:
                kind, at, address, _, length = struct.unpack_from(f"{self._order}IIIII", table, start)
            if kind == _LOAD:
                self._loaded.append((address, at, length))
            elif kind == _DYNAMIC and dynamic is None:
                dynamic = (at, length)
        return dynamic

    def _dynamic(self, offset: int, size: int) -> list[tuple[int, int]]:
        form = struct.Struct(f"{self._order}{'QQ' if self._wide else 'II'}")
        if size > _MOST_ENTRIES * form.size:
            raise ElfRefused(f"a dynamic section of {size} bytes")
        data = self._bytes(offset, size - size % form.size)
        entries: list[tuple[int, int]] = []
        for tag, value in form.iter_unpack(data):
            if tag == _NULL:
                break
            entries.append((tag, value))
        return entries

    def _at(self, address: int) -> int:
        """The place in the file of what is loaded to an address."""
        for start, offset, size in self._loaded:
            if start <= address < start + size:
                return offset + address - start
        raise ElfRefused(f"nothing is loaded to the address {address:#x}")

    def _string_table(self, values: dict[int, int]) -> bytes:
        if _STRTAB not in values:
            return b""
        size = values.get(_STRSZ, 0)
        if size > _LARGEST_TABLE:
            raise ElfRefused(f"a string table of {size} bytes")
        return self._bytes(self._at(values[_STRTAB]), size)

    def _string(self, index: int) -> str:
        end = self._strings.find(b"\0", index, index + _LONGEST_NAME + 1) if index < len(self._strings) else -1
        if end < 0:
            raise ElfRefused(f"no string at {index} of {len(self._strings)} bytes")
        name = self._strings[index:end]
        return name.decode("ascii") if _NAME.fullmatch(name) else ""

    def _needed_versions(self, values: dict[int, int], marker: str) -> Iterator[str]:
        for place, fields in self._chain(values, _VERNEED, _VERNEEDNUM, "HHIII"):
            _, count, file, first, _ = fields
            library = self._string(file)
            for _, (_, _, _, name, _) in self._links(place + first, count, "IHHII"):
                yield _capability(library, self._string(name), marker)

    def _defined_versions(self, values: dict[int, int], marker: str) -> Iterator[str]:
        """The versions that a library defines; the first name of each is its own, others are its predecessors."""
        library = ""
        for place, (_, flags, _, count, _, first, _) in self._chain(values, _VERDEF, _VERDEFNUM, "HHHHIII"):
            if not count:
                continue
            name = self._string(self._unpack("II", place + first)[0])
            if flags & _BASE:
                library = name
            else:
                yield _capability(library, name, marker)

    def _chain(
        self, values: dict[int, int], table: int, number: int, layout: str
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        if table in values:
            yield from self._links(self._at(values[table]), values.get(number, 0), layout)

    def _links(self, place: int, count: int, layout: str) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Structures whose last field says how far it is to the next one."""
        if count > _MOST_ENTRIES:
            raise ElfRefused(f"a chain of {count} versions")
        for left in range(count, 0, -1):
            fields = self._unpack(layout, place)
            yield place, fields
            if not fields[-1] and left > 1:
                raise ElfRefused(f"a chain of versions ends {left - 1} before its end")
            place += fields[-1]


def _capability(library: str, version: str, marker: str) -> str:
    """RPM's name of a library, or of a version of its symbols; empty for what is not named as one."""
    if ".so" not in library or not library.startswith(_LIBRARIES):
        return ""
    return f"{library}({version}){marker}" if version or marker else library
