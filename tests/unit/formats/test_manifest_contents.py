# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a description says of an image's contents: read strictly, and no more of it than can be kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tukit_sysext.formats.manifest import DescriptionRefused, parse
from tukit_sysext.formats.manifest_contents import MOST_CHARACTERS, described_contents
from tukit_sysext.requirements.capabilities import Package
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.requirements.requirement import Requirement

IMAGE = "gdb-15.2.x86-64.raw"
RELEASE = {"ID": "opensuse-microos"}
OF_MKOSI = {"type": "rpm", "name": "gdb", "version": "15.2-1.1", "architecture": "x86_64"}
GOOD: dict[str, Any] = {
    "requires": ["glibc >= 2.40", "libssl.so.3()(64bit)"],
    "needs": ["/usr/bin/python3", "libc.so.6(GLIBC_2.38)(64bit)"],
    "provides": ["libgdb.so.1()(64bit)"],
    "packages": [OF_MKOSI, {"type": "rpm", "name": "ca-certificates", "version": "1:2-3", "architecture": "noarch"}],
}
SAID = Contents(
    needs=("/usr/bin/python3", "libc.so.6(GLIBC_2.38)(64bit)"),
    provides=("libgdb.so.1()(64bit)",),
    stated=(Requirement("glibc", ">=", "2.40"), Requirement("libssl.so.3()(64bit)")),
    packages=(Package("ca-certificates", "1:2-3"), Package("gdb", "15.2-1.1")),
    described=True,
)


def said(document: dict[str, Any]) -> Contents | None:
    return parse(json.dumps(document).encode(), image=IMAGE, where="FILE").contents


def test_what_a_description_says() -> None:
    assert described_contents(GOOD) == SAID
    assert said({"extension": RELEASE, **GOOD}) == SAID
    assert said({"image_name": IMAGE, "sysext": RELEASE, **GOOD}) == SAID


@pytest.mark.parametrize("document", [{}, {"packages": []}, {"needs": [], "requires": []}])
def test_one_that_says_nothing(document: dict[str, Any]) -> None:
    assert said({"extension": RELEASE, **document}) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"requires": "glibc >= 2.40"},
        {"requires": {"glibc": "2.40"}},
        {"requires": [["glibc"]]},
        {"requires": ["glibc>=2.40"]},
        {"requires": ["glibc >= 2.40, zlib"]},
        {"requires": ["(a or b)"]},
        {"requires": [""]},
        {"requires": ["a\x1b[2J"]},
        {"requires": ["glibc"] * 101},
        {"needs": "libc.so.6"},
        {"needs": [None]},
        {"needs": ["libc.so.6 libm.so.6"]},
        {"needs": ["\ud800"]},
        {"needs": ["x" * 1025]},
        {"provides": [""]},
        {"provides": ["lib\n.so"]},
        {"packages": {}},
        {"packages": ["gdb-15.2"]},
        {"packages": [{"name": "gdb"}]},
        {"packages": [{"type": "rpm", "name": "gdb", "version": 15}]},
    ],
)
def test_what_is_not_understood_makes_it_no_description(wrong: dict[str, Any]) -> None:
    with pytest.raises(DescriptionRefused) as raised:
        said({"extension": RELEASE, **GOOD, **wrong})
    assert str(raised.value).startswith(f"FILE: {next(iter(wrong))}: ")
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    "other",
    [
        {"type": "deb", "name": "gdb", "version": "15.2-1"},
        {"type": "rpm", "name": "gpg-pubkey", "version": "3fa1d6ce-67c856ee"},
        {"type": "rpm", "name": "gdb;", "version": "15.2-1"},
        {"type": "rpm", "name": "gdb", "version": "15.2 1"},
        {"type": "rpm", "name": "gdb", "version": ""},
    ],
)
def test_packages_that_cannot_be_compared_are_passed_over(other: dict[str, str]) -> None:
    contents = said({"extension": RELEASE, "packages": [other, OF_MKOSI, OF_MKOSI]})

    assert contents is not None
    assert contents.packages == (Package("gdb", "15.2-1.1"),)


def test_more_than_can_be_kept_is_left_out_and_all_else_counts() -> None:
    """Those of a thousand versions are in memory: a publisher cannot fill it."""
    many = [f"lib{number:06}.so.1()(64bit)" for number in range(MOST_CHARACTERS // 20)]
    packages = [{**OF_MKOSI, "name": f"package-{number:06}"} for number in range(6000)]
    contents = said({"extension": RELEASE, **GOOD, "needs": many, "packages": packages})

    assert contents == Contents(stated=SAID.stated, described=True)
