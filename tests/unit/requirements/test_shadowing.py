# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an image takes the place of: older packages, and other files of another image."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.unit.requirements.grounds import PlainGround, PlainPackages, folder
from tukit_sysext.requirements import shadowing
from tukit_sysext.requirements.capabilities import Package
from tukit_sysext.requirements.contents import Contents, ImageFolder, Node, pack
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.requirements.shadowing import Overlap, downgrades, in_short, overlap


def libraries(entries: Mapping[str, Node]) -> ImageFolder:
    return folder(usr=folder(lib64=ImageFolder(0o755, entries)))


LIBRARY = libraries({"libssl.so.3": "libssl.so.3.1", "libssl.so.3.1": 9, "own": 1})
SYSTEM = libraries({"libssl.so.3": "libssl.so.3.2", "libssl.so.3.2": 9, "libz.so.1": 5})
OWNED = {Requirement("/usr/lib64/libssl.so.3"): "libopenssl3", Requirement("/usr/lib64/libz.so.1"): "libz1"}


def said(
    *packages: Package, files: ImageFolder | None = LIBRARY, has: str = "3.2.3-1.1", unknown: str | None = None
) -> list[str]:
    contents = Contents(packages=packages, packed=pack(files) if files is not None else None)
    versions = {"libopenssl3": has} if has else {}
    system = PlainPackages(offered=OWNED, versions=versions, unknown=unknown)
    return list(downgrades(contents, PlainGround(SYSTEM, packages=system)))


def test_an_older_package_is_told_with_what_it_hides() -> None:
    assert said(Package("libopenssl3", "3.1.4-2.1"), Package("gdb", "1-1")) == [
        "its libopenssl3-3.1.4-2.1 is older than libopenssl3-3.2.3-1.1 of the system, and hides /usr/lib64/libssl.so.3"
    ]


@pytest.mark.parametrize(
    ("evr", "has"),
    [
        ("3.2.3-1.1", "3.2.3-1.1"),
        ("3.10-1", "3.9-1"),
        ("1:3.1-1", "3.2.3-1.1"),
        ("3.2.3", "3.2.3-1.1"),
        ("3.2.3-1.1", "3.2.3~rc1-9"),
        ("", "3.2.3-1.1"),
        ("3.1-1", ""),
    ],
)
def test_what_is_no_older_package(evr: str, has: str) -> None:
    assert said(Package("libopenssl3", evr), has=has) == []


def test_what_hides_nothing_of_its_package_is_no_downgrade() -> None:
    """A package that left nothing under a path that the system has, as the modules of an older kernel."""
    assert said(Package("libopenssl3", "3.1.4-2.1"), files=libraries({"libz.so.1": 5})) == []


def test_where_files_are_not_known_the_package_is_told_alone() -> None:
    expected = ["its libopenssl3-3.1-1 is older than libopenssl3-3.2.3-1.1 of the system"]
    assert said(Package("libopenssl3", "3.1-1"), files=None) == expected


def test_where_they_are_too_many_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadowing, "_MOST_OWNERS", 0)
    expected = ["its libopenssl3-3.1-1 is older than libopenssl3-3.2.3-1.1 of the system"]
    assert said(Package("libopenssl3", "3.1-1")) == expected


def test_packages_that_are_not_known_are_not_older() -> None:
    assert said(Package("libopenssl3", "3.1-1"), has="", unknown="the database is broken") == []


def test_owners_are_asked_only_where_a_package_is_older() -> None:
    system = PlainPackages(offered=OWNED, versions={"libopenssl3": "3.1-1"})
    contents = Contents(packages=(Package("libopenssl3", "3.1-1"),), packed=pack(LIBRARY))
    assert list(downgrades(contents, PlainGround(SYSTEM, packages=system))) == []
    assert system.asked == []


def test_paths_of_two_images() -> None:
    one = folder(
        usr=folder(
            bin=folder(same=5, longer=5, zero=0, alone=1, link="a", other="a", kind=4, pipe=None),
            share=folder(both=folder(mode=0o700), tree=folder()),
        )
    )
    other = folder(
        usr=folder(
            bin=folder(same=5, longer=6, zero=0, more=1, link="a", other="b", kind="x", pipe=None),
            share=folder(both=folder(), tree=3),
        )
    )
    found = overlap(Contents(packed=pack(one)), Contents(packed=pack(other)))

    assert found.differ == ("usr/bin/kind", "usr/bin/longer", "usr/bin/other", "usr/share/tree")
    assert found.as_large == ("usr/bin/same",)


def test_files_that_are_not_known_overlap_with_none() -> None:
    assert overlap(Contents(), Contents(packed=pack(LIBRARY))) == Overlap((), ())


def test_paths_in_short() -> None:
    assert in_short(["usr/a", "usr/b", "usr/c"]) == "/usr/a, /usr/b, /usr/c"
    assert in_short(["usr/a", "usr/b", "usr/c", "opt/d", "opt/e"]) == "/usr/a, /usr/b, /usr/c and 2 more"
