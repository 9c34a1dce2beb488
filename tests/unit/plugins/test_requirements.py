# SPDX-License-Identifier: LGPL-2.1-or-later
"""The built-in checks of what an image has and needs, behind the hook that everybody has."""

from __future__ import annotations

import pytest

from tests.unit.requirements.grounds import PlainGround, PlainPackages, folder
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.requirements.contents import Contents, pack
from tukit_sysext.requirements.requirement import Requirement, parse_requirement
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.snapshots.fitting import Question

GLIBC = PlainPackages(
    offered={parse_requirement("glibc = 2.40-3.1"): "glibc", parse_requirement("libc.so.6()(64bit)"): "glibc"},
    versions={"glibc": "2.40-3.1"},
)


def said(contents: Contents | None = None, *stated: str, ground: PlainGround | None) -> str:
    requirements = tuple(parse_requirement(text) for text in stated)
    system = ReleaseData({"ID": "os"})
    question = Question(
        system=system, image=system, name="gdb", version="1", contents=contents, stated=requirements, ground=ground
    )
    return Plugins().objection(question)


@pytest.mark.parametrize("stated", ["glibc", "glibc >= 2.40", "glibc = 2.40", "glibc < 2.41", "libc.so.6()(64bit)"])
def test_what_is_required_and_there(stated: str) -> None:
    assert said(None, stated, ground=PlainGround(packages=GLIBC)) == ""


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ("glibc >= 2.41", "it requires glibc >= 2.41, and glibc-2.40-3.1 is installed"),
        ("kernel-default = 6.16", "it requires kernel-default = 6.16, and nothing provides it"),
        ("libssl.so.3()(64bit)", "it requires libssl.so.3()(64bit), and nothing provides it"),
    ],
)
def test_what_is_required_and_not_there(stated: str, why: str) -> None:
    assert said(None, "glibc", stated, ground=PlainGround(packages=GLIBC)) == why


def test_what_is_not_known_refuses_nothing() -> None:
    unknown = PlainPackages(unknown="the database is broken")

    assert said(None, "glibc >= 9", ground=PlainGround(packages=unknown)) == ""
    assert said(None, "glibc >= 9", ground=None) == ""


def test_needs_that_are_found_out_are_an_inference_and_refuse_nothing() -> None:
    assert said(Contents(needs=("libnone.so.1()(64bit)",)), ground=PlainGround(packages=GLIBC)) == ""


def test_an_image_that_hides_the_system() -> None:
    ground = PlainGround(folder(usr=folder(sbin="bin")))
    hiding = Contents(packed=pack(folder(usr=folder(sbin=folder()))))

    assert "usr/sbin is a directory in it and a link to bin in the system" in said(hiding, ground=ground)
    assert said(hiding, ground=None) == ""
    assert said(Contents(), ground=ground) == "", "files that are not known hide nothing"
    assert said(Contents(packed="damaged"), ground=ground) == ""


def test_nobody_is_asked_without_a_requirement() -> None:
    packages = PlainPackages()

    said(Contents(needs=("libc.so.6",)), ground=PlainGround(packages=packages))

    assert packages.asked == []


def test_the_requirement_is_asked_as_it_stands() -> None:
    packages = PlainPackages()

    said(None, "a >= 1:2-3", ground=PlainGround(packages=packages))

    assert packages.asked == [Requirement("a", ">=", "1:2-3")]
