# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an image has and needs: kept compactly, read back, and what it needs of others alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tukit_sysext.requirements.capabilities import Package
from tukit_sysext.requirements.contents import (
    FORMAT,
    LIMIT,
    Contents,
    ImageFolder,
    completed,
    less_own,
    node_of,
    pack,
    walk,
)
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.store.record import _LIMIT

FILES = ImageFolder(
    0o755,
    {
        "usr": ImageFolder(
            0o755,
            {
                "bin": ImageFolder(
                    0o755,
                    {
                        "gdb": 1000,
                        "python3": "python3.13",
                        "python3.13": 9,
                        "awk": "/etc/alternatives/awk",
                        "me": "me",
                        "up": "../bin/gdb",
                        "lost": "../bin/none",
                    },
                ),
                "lib64": "lib",
                "lib": ImageFolder(0o700, {"null": None}),
            },
        )
    },
)
CONTENTS = Contents(
    needs=("/bin/sh", "libc.so.6(GLIBC_2.38)(64bit)"),
    provides=("libgdb.so.1()(64bit)",),
    stated=(Requirement("glibc", ">=", "2.40"),),
    packages=(Package("gdb", "15.2-1.1"), Package("glibc", "2.40-1")),
    packed=pack(FILES),
    refused=("usr/lib/libcut.so: it ends",),
    labelled=2,
    unlabelled=3,
    first_unlabelled="usr/bin/gdb",
)


def test_what_is_kept_is_read_back() -> None:
    kept = json.loads(json.dumps(CONTENTS.document()))

    assert Contents.of(kept) == CONTENTS
    assert CONTENTS.files == FILES


def test_keys_that_a_former_version_did_not_keep() -> None:
    former = {key: value for key, value in CONTENTS.document().items() if key not in ("labelled", "first_unlabelled")}

    assert Contents.of(former) == replace(CONTENTS, labelled=0, first_unlabelled="")


def test_a_manifest_tells_of_no_files() -> None:
    contents = Contents(needs=("libc.so.6",), described=True)

    assert Contents.of(contents.document()) == contents


def test_in_little_room() -> None:
    contents = Contents(needs=tuple(f"lib{number}.so.1()(64bit)" for number in range(500)), described=True)

    assert Contents.of_packed(contents.packed_document()) == contents
    assert len(contents.packed_document()) < len(json.dumps(contents.document())) / 4
    for damaged in (None, 7, "", "x", contents.packed_document()[:-8]):
        assert Contents.of_packed(damaged) is None


def test_what_is_found_inside_counts_and_what_the_publisher_states() -> None:
    described = Contents(needs=("libold.so",), stated=CONTENTS.stated, packages=CONTENTS.packages, described=True)
    looked = Contents(needs=CONTENTS.needs, packed=CONTENTS.packed)

    found = completed(looked, described)
    assert found == replace(looked, stated=CONTENTS.stated, packages=CONTENTS.packages)
    assert completed(looked, None) == looked
    assert completed(None, described) == described
    assert completed(None, None) is None


def test_twenty_thousand_files_are_kept_and_more_than_fit_are_left_out() -> None:
    def big(folders: int) -> Contents:
        names = {
            f"d{n}": ImageFolder(0o755, {f"file-{n}-{m}.txt": n * 7919 + m * 31 for m in range(100)})
            for n in range(folders)
        }
        return Contents(needs=("libc.so.6",), packed=pack(ImageFolder(0o755, {"usr": ImageFolder(0o755, names)})))

    assert Contents.of(big(200).document()) == big(200)
    large = big(5000).document()
    assert len(json.dumps(large)) < LIMIT < _LIMIT
    assert "files" not in large
    assert large["needs"] == ["libc.so.6"]


@pytest.mark.parametrize(
    "change",
    [
        {"format": FORMAT + 1},
        {"format": None},
        {"needs": "libc.so.6"},
        {"needs": [1]},
        {"stated": ["glibc>=2"]},
        {"packages": [["one"]]},
        {"packages": None},
        {"files": ["usr"]},
        {"unlabelled": "many"},
        {"unlabelled": float("inf")},  # as JSON's 1e999 is read
    ],
)
def test_what_is_damaged_or_of_another_format_is_nothing(change: dict[str, Any]) -> None:
    assert Contents.of({**CONTENTS.document(), **change}) is None


@pytest.mark.parametrize("packed", ["no base64", "AAAA", pack(FILES)[:-8], ""])
def test_files_that_are_damaged_are_not_known(packed: str) -> None:
    contents = Contents.of({**CONTENTS.document(), "files": packed})

    assert contents is not None
    assert contents.needs == CONTENTS.needs
    assert contents.files is None


@pytest.mark.parametrize("document", [None, [], "text", 7, {}])
def test_what_is_no_document_is_nothing(document: Any) -> None:
    assert Contents.of(document) is None


@pytest.mark.parametrize(
    "plain", [[493], [493, []], ["x", {}], {"a": 1}, True, 1.5, [493, {"a": True}], [float("inf"), {}]]
)
def test_what_is_no_node_is_refused(plain: Any) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        node_of(plain)


def test_folders_that_are_too_deep_are_refused() -> None:
    plain: Any = 1
    for _ in range(150):
        plain = [493, {"d": plain}]
    with pytest.raises(ValueError, match="deep"):
        node_of(plain)


@pytest.mark.parametrize(
    ("need", "own"),
    [
        ("/usr/bin/gdb", True),
        ("/usr/bin/python3", True),  # over a link
        ("/usr/bin/up", True),
        ("/usr/bin/lost", False),
        ("/usr/bin/awk", True),  # a link of the image's that leads out of it
        ("/usr/bin/me", True),  # in a circle: no matter of the system's
        ("/usr/bin/perl", False),
        ("/bin/sh", False),
        ("/usr/bin/gdb/x", False),
        ("/usr/lib64/ld.so", False),
        ("libgdb.so.1()(64bit)", True),
        ("libgdb.so.1(X)(64bit)", False),
    ],
)
def test_what_the_image_has_itself_is_no_need(need: str, own: bool) -> None:
    assert less_own([need], ["libgdb.so.1()(64bit)"], FILES) == (() if own else (need,))


def test_everything_by_its_path() -> None:
    paths = [path for path, _ in walk(FILES)]

    assert paths[:3] == ["usr", "usr/bin", "usr/bin/gdb"]
    assert "usr/lib/null" in paths
