# SPDX-License-Identifier: LGPL-2.1-or-later
"""ELF files of either class and byte order; cut, hostile and odd ones. tests/truth holds the answers to rpm's own."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import pytest

from tests.elf_files import elf_file
from tukit_sysext.formats.elf import ElfDependencies, ElfRefused, read_elf

NEEDS = {"libssl.so.3": ["OPENSSL_3.0.0", "OPENSSL_3.2.0"], "libc.so.6": ["GLIBC_2.38"], "libz.so.1": []}


def ask(content: bytes, name: str = "libfoo.so.1.2") -> ElfDependencies | None:
    return read_elf(lambda size, offset: content[offset : offset + size], len(content), name)


def answered(content: bytes, name: str = "libfoo.so.1.2") -> ElfDependencies:
    answer = ask(content, name)
    assert answer is not None
    return answer


@pytest.mark.parametrize("little", [True, False])
@pytest.mark.parametrize(("wide", "mark"), [(True, "(64bit)"), (False, "")])
def test_needs_and_provides_in_rpms_spelling(wide: bool, mark: str, little: bool) -> None:
    answer = answered(
        elf_file(needs=NEEDS, soname="libfoo.so.1", versions=["FOO_1", "FOO_2"], wide=wide, little=little)
    )

    plain = "()(64bit)" if wide else ""
    assert answer.needs == {
        f"libssl.so.3{plain}",
        f"libssl.so.3(OPENSSL_3.0.0){mark}",
        f"libssl.so.3(OPENSSL_3.2.0){mark}",
        f"libc.so.6{plain}",
        f"libc.so.6(GLIBC_2.38){mark}",
        f"libz.so.1{plain}",
    }
    assert answer.provides == {f"libfoo.so.1{plain}", f"libfoo.so.1(FOO_1){mark}", f"libfoo.so.1(FOO_2){mark}"}


def test_a_library_without_a_name_of_its_own_has_that_of_its_file() -> None:
    assert answered(elf_file()).provides == {"libfoo.so.1.2()(64bit)"}
    assert answered(elf_file(), "plugin.so").provides == frozenset()  # as rpm's generator: nobody links to it


def test_a_program_provides_nothing() -> None:
    assert answered(elf_file(kind=2, needs=NEEDS)).provides == frozenset()
    assert answered(elf_file(more=[(21, 0)]), "libprogram.so").provides == frozenset()  # position-independent


def test_a_new_hash_table_needs_a_loader_that_reads_it() -> None:
    assert answered(elf_file(more=[(0x6FFFFEF5, 0)])).needs == {"rtld(GNU_HASH)"}
    assert answered(elf_file(more=[(0x6FFFFEF5, 0), (4, 0)])).needs == frozenset()


def test_what_is_no_program_or_library_has_nothing() -> None:
    assert ask(b"") is None
    assert ask(b"#!/bin/sh\n") is None
    assert ask(elf_file(kind=1)) is None  # an object, a kernel module
    assert ask(elf_file(kind=4)) is None  # a core dump


@pytest.mark.parametrize(
    "soname", ["lib foo.so.1", "libfoo.so.1\nlibbar.so", "libföö.so", "lib(x).so", "", "../x.so.1"]
)
def test_a_name_that_no_library_has_is_left_out(soname: str) -> None:
    answer = answered(elf_file(needs={soname: ["X_1"], "libc.so.6": []}, soname=soname))

    assert answer.needs == {"libc.so.6()(64bit)"}


def test_a_cut_file_is_refused_wherever_it_ends() -> None:
    content = elf_file(needs=NEEDS, soname="libfoo.so.1", versions=["FOO_1"])

    for size in range(4, len(content)):
        with pytest.raises(ElfRefused):
            ask(content[:size])


@pytest.mark.parametrize(
    "more",
    [
        [(5, 1 << 60)],  # strings that are loaded nowhere
        [(10, 1 << 40)],  # of a terabyte
        [(0x6FFFFFFE, 0), (0x6FFFFFFF, 1 << 31)],  # more versions than there are bytes
        [(0x6FFFFFFE, 1 << 50), (0x6FFFFFFF, 1)],
        [(1, 1 << 33)],  # a string behind the end
    ],
)
def test_a_hostile_dynamic_section_is_refused(more: list[tuple[int, int]]) -> None:
    with pytest.raises(ElfRefused):
        ask(elf_file(more=more))


def test_a_chain_that_turns_in_a_circle_ends() -> None:
    content = bytearray(elf_file(needs={"liba.so.1": ["A"], "libb.so.1": ["B"]}))
    at = content.index(b"\x01\0\x01\0", 64 + 2 * 56 + 16)
    content[at + 12 : at + 16] = bytes(4)  # the second is where the first is

    with pytest.raises(ElfRefused, match="chain"):
        ask(bytes(content))


def test_too_many_headers_are_refused() -> None:
    content = bytearray(elf_file())
    content[56:58] = (60000).to_bytes(2, "little")
    with pytest.raises(ElfRefused, match="60000 program headers"):
        ask(bytes(content) + bytes(60000 * 56))


@pytest.mark.parametrize("seed", range(20))
def test_damage_ends_in_an_answer_or_a_refusal_and_soon(seed: int) -> None:
    chance = random.Random(seed)
    libraries = sorted(Path("/usr/lib").glob("*-linux-gnu/lib[a-d]*.so.*")) or [Path(sys.executable)]
    real = chance.choice(libraries).read_bytes()[: 256 * 1024]
    made = elf_file(needs=NEEDS, soname="libfoo.so.1", versions=["FOO_1"])
    before = time.process_time()
    for _ in range(200):
        content = bytearray(chance.choice([real, made]))
        for _ in range(chance.randint(1, 30)):
            content[chance.randrange(chance.choice([64, 600, len(content)])) % len(content)] = chance.randrange(256)
        try:
            answer = ask(bytes(content))
        except ElfRefused as error:
            assert str(error).isprintable()
        else:
            names = (answer.needs | answer.provides) if answer is not None else ()
            assert all(name.isascii() and name.isprintable() and " " not in name for name in names)
    assert time.process_time() - before < 20
