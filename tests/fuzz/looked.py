# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parsers of what is found in images, and of what they require."""

from __future__ import annotations

import json
from random import Random

from tests.elf_files import elf_file
from tests.fuzz.mutation import odd_text, word
from tests.fuzz.target import Target, told
from tukit_sysext.formats.elf import ElfRefused, read_elf
from tukit_sysext.requirements.contents import Contents, ImageFolder, pack, walk
from tukit_sysext.requirements.evr import compare_evr, meets
from tukit_sysext.requirements.requirement import Requirement, parse_requirement

_ROOT = ImageFolder(0o755, {"usr": ImageFolder(0o755, {"sbin": "bin", "bin": ImageFolder(0o755, {"x": 5, "y": None})})})


def check_elf(data: bytes) -> None:
    """Nothing outside the file is asked for, and what comes of it is fit for a record and a terminal."""

    def read(many: int, at: int) -> bytes:
        assert many >= 0 and at >= 0 and (many <= 16 or at + many <= len(data)), "every offset and size is checked"
        return data[at : at + many]

    try:
        found = read_elf(read, len(data), "libx.so.1")
    except ElfRefused as error:
        told(str(error))
        return
    for name in (found.needs | found.provides) if found is not None else ():
        told(name)
        assert name.isascii() and " " not in name and len(name) < 600


def make_elf(random: Random) -> bytes:
    def library() -> str:
        return random.choice((f"lib{word(random)}.so.{random.randrange(9)}", "libc.so.6", odd_text(random)))

    needs = {library(): [random.choice(("A_1", word(random))) for _ in range(random.randrange(3))] for _ in range(3)}
    tags = (1, 4, 5, 10, 14, 21, 0x6FFFFFFE)
    return elf_file(
        needs=needs,
        soname=random.choice(("", library())),
        versions=[word(random) for _ in range(random.randrange(3))],
        wide=random.random() < 0.7,
        little=random.random() < 0.7,
        kind=random.choice((1, 2, 3, 3)),
        more=[(random.choice(tags), random.getrandbits(random.choice((8, 31)))) for _ in range(random.randrange(2))],
    )


def check_contents(data: bytes) -> None:
    """The contents of an image as a record has them."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return
    contents = Contents.of(document)
    if contents is None:
        return
    again = Contents.of(contents.document())
    assert again is not None and (again.needs, again.provides) == (contents.needs, contents.provides)
    for path, _ in walk(contents.files) if contents.files is not None else ():
        assert isinstance(path, str)


def make_contents(random: Random) -> bytes:
    document = json.loads(_CONTENTS)
    for key in document:
        if random.random() < 0.2:
            document[key] = random.choice(
                (None, [], "", 0, {}, [None], [odd_text(random)], [["a", "1"]], "eJw=", [[1, 2]])
            )
    return json.dumps(document).encode()


def check_requirement(data: bytes) -> None:
    """A requirement as publishers and configuration state it: read as it was written, or refused."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        requirement = parse_requirement(text)
    except ValueError as error:
        told(str(error))
        return
    assert str(requirement).split() == text.split(), "nothing is cut or added"
    assert parse_requirement(str(requirement)) == requirement
    assert meets(requirement, requirement) or requirement.operator in ("<", ">")
    assert compare_evr(requirement.evr, requirement.evr) == 0


def make_requirement(random: Random) -> bytes:
    name = random.choice(("glibc", "libssl.so.3(OPENSSL_3.0.0)(64bit)", "/usr/bin/python3", word(random)))
    operator = random.choice(("", " >= ", " = ", "<", " =< ", " != ", " and "))
    version = random.choice(("", "1:2.40-3.1", "2.40", word(random), odd_text(random)))
    return f"{name}{operator}{version}".encode("utf-8", "surrogateescape")


def check_versions(data: bytes) -> None:
    """rpm's order of versions is one: it does not depend on which comes first."""
    a, b, c = ([*data.decode("ascii", "replace").split("\n", 2), "", ""])[:3]
    assert compare_evr(a, b) == -compare_evr(b, a)
    if compare_evr(a, b) <= 0 and compare_evr(b, c) <= 0:
        assert compare_evr(a, c) <= 0
    told_of = meets(Requirement("x", "=", a), Requirement("x", ">=", b)) if a and b else True
    assert told_of in (True, False)


def make_versions(random: Random) -> bytes:
    def version() -> str:
        return "".join(random.choice(("1", "2", "01", "10", ".", "~", "^", "a", "rc", "-", ":", "+")) for _ in range(5))

    return "\n".join(version() for _ in range(3)).encode()


_CONTENTS = json.dumps(Contents(needs=("libc.so.6",), stated=(Requirement("glibc"),), packed=pack(_ROOT)).document())

TARGETS = (
    Target(
        name="ELF file",
        check=check_elf,
        samples=(elf_file(needs={"libc.so.6": ["GLIBC_2.38"]}, soname="libx.so.1", versions=["X_1"]),),
        words=(b"\x7fELF", b"\0" * 8, b"\xff" * 8, b"libc.so.6\0", b"\x05" + bytes(7), b"\xfe\xff\xff\x6f" + bytes(4)),
        make=make_elf,
    ),
    Target(
        name="contents of an image",
        check=check_contents,
        samples=(_CONTENTS.encode(),),
        words=(b"{", b"[", b"]", b"null", b'"files"', b'"format":1', b"1e999", b"[[[[", b"eJw="),
        make=make_contents,
    ),
    Target(
        name="requirement",
        check=check_requirement,
        samples=(b"glibc >= 2.40", b"libssl.so.3()(64bit)", b"kernel-default = 6.16-1", b"a"),
        words=(b" ", b">=", b"<", b"=", b"(", b")", b",", b":", b"-", b"~", b" or "),
        make=make_requirement,
        limit=4096,
    ),
    Target(
        name="versions of packages",
        check=check_versions,
        samples=(b"1.0\n1.0~rc1\n1.0^git1", b"1:1.0-1\n2.0-1\n2.0"),
        words=(b"\n", b"~", b"^", b"0", b".", b"-", b":"),
        make=make_versions,
        limit=1024,
        share=0.5,
    ),
)
