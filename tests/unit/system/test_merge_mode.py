# SPDX-License-Identifier: LGPL-2.1-or-later
"""In which mode extensions are merged, by lines of mountinfo as systemd 257 makes them."""

from __future__ import annotations

import pytest

from tukit_sysext.system.merge_mode import Mode, hidden, mode_to_keep, modes

_META, _DEBUG = "/run/systemd/sysext/meta/usr", "/run/systemd/sysext/extensions/debug/usr"
_WRITTEN = "/var/lib/extensions.mutable"
_UPPER = f"upperdir={_WRITTEN}/usr,workdir={_WRITTEN}/.systemd-usr-workdir"
_EPHEMERAL = "upperdir=/run/systemd/sysext/mh_workspace/usr/usr,workdir=/run/systemd/sysext/mh_workspace/usr/work"


def mounted(options: str, *, point: str = "/usr", source: str = "sysext") -> str:
    return (
        "70 65 0:40 /@/opt /opt rw,relatime shared:6 - btrfs /dev/loop0 rw,ssd,subvol=/@/opt\n"
        f"173 65 0:76 / {point} rw,nodev,noatime shared:33 - overlay {source} {options},redirect_dir=on,uuid=on\n"
    )


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        (f"ro,lowerdir={_META}:{_DEBUG}:/usr", Mode.NO),
        (f"rw,lowerdir={_META}:{_DEBUG}:/usr,{_UPPER}", Mode.AUTO),
        (f"rw,lowerdir={_META}:{_DEBUG},upperdir=/usr,workdir=/.systemd-usr-workdir", Mode.AUTO),
        (f"ro,lowerdir={_META}:{_WRITTEN}/usr:{_DEBUG}:/usr", Mode.IMPORT),
        (f"ro,lowerdir+={_META},lowerdir+={_WRITTEN}/usr,lowerdir+={_DEBUG},lowerdir+=/usr", Mode.IMPORT),
        (f"rw,lowerdir={_META}:{_DEBUG}:/usr,{_EPHEMERAL}", Mode.EPHEMERAL),
        (f"rw,lowerdir={_META}:{_WRITTEN}/usr:{_DEBUG}:/usr,{_EPHEMERAL}", Mode.EPHEMERAL_IMPORT),
    ],
)
def test_each_mode(options: str, mode: Mode) -> None:
    assert modes(mounted(options)) == {"/usr": mode}


@pytest.mark.parametrize("mountinfo", ["", "no mount at all\n", mounted("rw,lowerdir=/a:/b", source="confext")])
def test_what_is_no_merge_of_images(mountinfo: str) -> None:
    assert modes(mountinfo) == {}


def test_places_have_modes_of_their_own() -> None:
    writable = mounted(f"rw,lowerdir={_META}:/usr,{_UPPER}")
    both = modes(writable + mounted("ro,lowerdir=/run/systemd/sysext/meta/opt:/opt", point="/opt"))
    assert both == {"/usr": Mode.AUTO, "/opt": Mode.NO}
    assert mode_to_keep(both) is Mode.AUTO


def test_nothing_merged_has_nothing_to_keep() -> None:
    assert mode_to_keep({}) is Mode.NO
    assert not hidden({}, {"/usr": Mode.NO})


@pytest.mark.parametrize(
    ("before", "after", "is_hidden"),
    [
        (Mode.AUTO, Mode.NO, True),
        (Mode.IMPORT, Mode.NO, True),
        (Mode.AUTO, Mode.EPHEMERAL, True),
        (Mode.AUTO, None, True),
        (Mode.AUTO, Mode.AUTO, False),
        (Mode.NO, Mode.AUTO, False),
        (Mode.NO, None, False),
    ],
)
def test_what_a_merge_hides(before: Mode, after: Mode | None, is_hidden: bool) -> None:
    assert hidden({"/usr": before}, {"/usr": after} if after is not None else {}) == is_hidden
