# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images that would hide a part of the system."""

from __future__ import annotations

import pytest

from tests.unit.requirements.grounds import PlainGround, folder
from tukit_sysext.requirements.contents import ImageFolder
from tukit_sysext.requirements.hiding import what_it_hides

SYSTEM = folder(
    usr=folder(
        bin=folder(sh=1, tool="sh"),
        sbin="bin",
        lib=folder(modules=folder(), plain=1, secret=folder(mode=0o700)),
        lib64="lib",
        share=folder(),
    ),
    opt=folder(),
    etc=folder(),
)


@pytest.mark.parametrize(
    ("usr", "said"),
    [
        (folder(sbin=folder(new=1)), "usr/sbin is a directory in it and a link to bin in the system, which it hides"),
        (folder(lib64=folder()), "usr/lib64 is a directory in it and a link to lib in the system, which it hides"),
        (folder(bin="sbin"), "usr/bin is a link to sbin in it and a directory in the system, which it hides"),
        (folder(share=1), "usr/share is a file in it and a directory in the system, which it hides"),
        (folder(share=None), "usr/share is a file in it and a directory in the system, which it hides"),
        (
            folder(bin=folder(mode=0o700)),
            "usr/bin is a directory of mode 0700 in it and one of mode 0755 in the system, shutting others out",
        ),
        (
            folder(mode=0o750),
            "usr is a directory of mode 0750 in it and one of mode 0755 in the system, shutting others out",
        ),
        (
            folder(lib=folder(modules=folder(mode=0o754))),
            "usr/lib/modules is a directory of mode 0754 in it and one of mode 0755 in the system, shutting others out",
        ),
    ],
)
def test_what_hides_a_part_of_the_system(usr: ImageFolder, said: str) -> None:
    assert [str(each) for each in what_it_hides(folder(usr=usr), PlainGround(SYSTEM))] == [said]


@pytest.mark.parametrize(
    "usr",
    [
        folder(),
        folder(bin=folder(sh=2, new=1), share=folder(new=folder(mode=0o700))),
        folder(bin=folder(tool=2)),  # a file over a link is that file's replacement
        folder(bin=folder(sh="new", new=1)),
        folder(sbin="bin"),
        folder(lib=folder(plain="other", secret=folder(mode=0o700))),
        folder(new=folder(mode=0o700, more=folder())),
    ],
)
def test_what_only_adds(usr: ImageFolder) -> None:
    assert list(what_it_hides(folder(usr=usr, opt=folder(a=folder())), PlainGround(SYSTEM))) == []


def test_only_what_both_have_is_read() -> None:
    read: list[str] = []

    class Reading(PlainGround):
        def names(self, folder: str) -> dict:  # type: ignore[type-arg]  # see Ground
            read.append(folder)
            return dict(super().names(folder))

    image = folder(usr=folder(new=folder(deep=folder(deeper=folder())), share=folder(x=folder())))
    assert list(what_it_hides(image, Reading(SYSTEM))) == []
    assert read == ["", "usr", "usr/share"]
