# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looking through images: real ones in the child, folders with the walk alone."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.elf_files import elf_file
from tests.lab.images import ImageKind, make_image
from tests.trees import Link, make_tree
from tukit_sysext.errors import NoVerdict
from tukit_sysext.requirements.contents import Contents, ImageFolder, walk
from tukit_sysext.system import contents_child, mounted_images
from tukit_sysext.system.contents_child import TooMuch, Walk
from tukit_sysext.system.look_through import look_through, look_through_or_say

LIBRARY = elf_file(needs={"libc.so.6": ["GLIBC_2.38"]}, soname="libfoo.so.1", versions=["FOO_1"])
PROGRAM = elf_file(kind=2, needs={"libfoo.so.1": ["FOO_1"], "libssl.so.3": ["OPENSSL_3.0.0"]})

HUNGRY = mounted_images.CHILD.replace("import main", "import Walk, main; Walk.document = lambda _: bytes(2**34)")


def program(path: Path, content: bytes | str) -> None:
    make_tree(path.parent, {path.name: content})
    path.chmod(0o755)


@pytest.mark.root
@pytest.mark.parametrize("kind", ["squashfs", "erofs", "gpt"])
def test_an_image_has_and_needs(kind: ImageKind, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "bin/foo": PROGRAM,
        "bin/script": "#!/usr/bin/python3 -E\n",
        "lib64/libfoo.so.1": LIBRARY,
        "share/foo/text": "#!/usr/bin/nothing\n",
    }
    image = make_image(tmp_path, "foo", "1", release={"ID": "x"}, kind=kind, files=files)
    descriptor = os.open(image, os.O_RDONLY)
    try:
        contents = look_through(descriptor, scratch=tmp_path / "scratch")
    finally:
        os.close(descriptor)

    assert contents.needs == (
        "/usr/bin/python3",
        "libc.so.6()(64bit)",
        "libc.so.6(GLIBC_2.38)(64bit)",
        "libssl.so.3()(64bit)",
        "libssl.so.3(OPENSSL_3.0.0)(64bit)",
    )
    assert contents.provides == ("libfoo.so.1()(64bit)", "libfoo.so.1(FOO_1)(64bit)")
    assert contents.files is not None
    assert isinstance(usr := contents.files.entries["usr"], ImageFolder)
    assert isinstance(share := usr.entries["share"], ImageFolder)
    assert share.entries["foo"] == ImageFolder(0o755, {"text": 19})
    assert (contents.labelled, contents.unlabelled, contents.first_unlabelled) == (0, 3, "usr/bin/foo")
    assert contents.refused == ()
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.root
@pytest.mark.parametrize(
    ("label", "counts"),
    [
        ("system_u:object_r:bin_t:s0", (1, 1, "usr/bin/without")),
        ("system_u:object_r:unlabeled_t:s0", (0, 2, "usr/bin/with")),
    ],
)
def test_programs_without_a_label_are_counted(tmp_path: Path, label: str, counts: tuple[int, int, str]) -> None:
    """What the kernel makes of none where SELinux is on is none."""
    tree = tmp_path / "tree"
    for name in ("with", "without"):
        program(tree / "usr/bin" / name, "#!/bin/sh\n")
    try:
        os.setxattr(tree / "usr/bin/with", "security.selinux", label.encode())
    except OSError as error:
        pytest.skip(f"no labels can be written here: {error.strerror}")
    subprocess.run(["mksquashfs", tree, tmp_path / "image.raw", "-quiet", "-no-progress"], check=True)

    contents = look_through(tmp_path / "image.raw", scratch=tmp_path / "scratch")

    assert (contents.labelled, contents.unlabelled, contents.first_unlabelled) == counts


@pytest.mark.root
def test_an_image_with_20000_files_fits_into_a_record(tmp_path: Path) -> None:
    files = {f"share/large/folder{each // 100}/file-{each}.txt": b"" for each in range(20_000)}
    image = make_image(tmp_path, "large", "1", release={"ID": "x"}, files=files, manifest=None)

    contents = look_through(image, scratch=tmp_path / "scratch")

    kept = Contents.of(json.loads(json.dumps(contents.document())))
    assert kept == contents and kept.files is not None
    assert {f"usr/{path}" for path in files} <= {path for path, _ in walk(kept.files)}


@pytest.mark.root
def test_what_is_no_image_convicts_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_tree(tmp_path, {"image.raw": "no image at all" * 1000})

    with pytest.raises(NoVerdict, match="what it needs is not known"):
        look_through(tmp_path / "image.raw", scratch=tmp_path / "scratch")
    caplog.set_level("INFO")
    assert look_through_or_say(tmp_path / "image.raw", called="gdb", scratch=tmp_path / "scratch") is None
    assert "gdb: what it needs is not known" in caplog.text


def test_directories_links_and_modes(tmp_path: Path) -> None:
    make_tree(tmp_path, {"usr/sbin": Link("bin"), "usr/bin/x": "", "opt/y/z": "z", "etc/passwd": "root"})
    (tmp_path / "opt/y").chmod(0o700)
    os.mkfifo(tmp_path / "usr/bin/pipe", 0o777)

    files = Walk(str(tmp_path)).document()["files"]

    assert files[1].keys() == {"usr", "opt"}  # what is not merged does not count
    assert files[1]["opt"][1]["y"] == [0o700, {"z": 1}]
    assert files[1]["usr"][1] == {"bin": [0o755, {"pipe": None, "x": 0}], "sbin": "bin"}


def test_a_file_that_cannot_be_understood_is_named(tmp_path: Path) -> None:
    make_tree(tmp_path, {"usr/lib/libcut.so.1": LIBRARY[:100], "usr/lib/libfoo.so.1": LIBRARY})

    document = Walk(str(tmp_path)).document()

    assert document["provides"] == ["libfoo.so.1()(64bit)", "libfoo.so.1(FOO_1)(64bit)"]
    assert [said.partition(":")[0] for said in document["refused"]] == ["usr/lib/libcut.so.1"]


@pytest.mark.parametrize(
    ("head", "interpreter"),
    [
        (b"#!/bin/sh\n", "/bin/sh"),
        (b"#! /usr/bin/perl -w\n", "/usr/bin/perl"),
        (b"#!/usr/bin/env python3\n", "/usr/bin/env"),
        (b"#!/bin/sh", "/bin/sh"),
        (b"#!/bin/sh\r\n", "/bin/sh"),
        (b"#!bin/sh\n", None),
        (b"#!/bin/\xff\n", None),
        (b"#!\n", None),
        (b"#!/" + b"x" * 300 + b"\n", None),
        (b"", None),
        (b"\x7fEL", None),
    ],
)
def test_interpreters_of_scripts(head: bytes, interpreter: str | None, tmp_path: Path) -> None:
    program(tmp_path / "usr/bin/script", head)

    assert Walk(str(tmp_path)).document()["needs"] == ([interpreter] if interpreter else [])


def test_a_script_that_nobody_executes_has_no_interpreter(tmp_path: Path) -> None:
    make_tree(tmp_path, {"usr/share/doc/example": "#!/bin/csh\n"})

    assert Walk(str(tmp_path)).document()["needs"] == []


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        ("_MOST_ENTRIES", 5),
        ("_MOST_CHARACTERS", 20),
        ("_DEEPEST", 2),
        ("_MOST_NEEDS", 2),
        ("_MOST_OF_NEEDS", 50),
    ],
)
def test_all_that_is_kept_has_a_limit(limit: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents_child, limit, most)
    make_tree(tmp_path, {f"usr/lib/a/b/file{number}": "" for number in range(5)})
    program(tmp_path / "usr/bin/foo", PROGRAM)

    with pytest.raises(TooMuch):
        Walk(str(tmp_path)).document()


def test_only_some_that_cannot_be_understood_are_named(tmp_path: Path) -> None:
    make_tree(tmp_path, {f"usr/lib/lib{number}.so": LIBRARY[:70] for number in range(50)})

    assert len(Walk(str(tmp_path)).document()["refused"]) == 20


@pytest.mark.root
def test_an_image_that_takes_all_memory_convicts_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = make_image(tmp_path, "foo", "1", release={"ID": "x"}, manifest=None)
    monkeypatch.setattr(mounted_images, "CHILD", HUNGRY)

    with pytest.raises(NoVerdict, match="more memory than there is for it"):
        look_through(image, scratch=tmp_path / "scratch")


@pytest.mark.root
def test_a_fault_of_what_looks_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It would look through no other image either."""
    image = make_image(tmp_path, "foo", "1", release={"ID": "x"}, manifest=None)
    monkeypatch.setattr(mounted_images, "CHILD", "raise RuntimeError('not as it was')")

    assert look_through_or_say(image, called="foo 1", scratch=tmp_path / "scratch") is None
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "foo 1: what it needs is not known: RuntimeError: not as it was")
    ]
