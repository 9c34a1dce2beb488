# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an image brings that a merge alone does not put to use."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.unit.requirements.grounds import folder
from tukit_sysext.requirements.after_merge import after_merge
from tukit_sysext.requirements.contents import ImageFolder, Node


def image(*paths: str) -> ImageFolder:
    """An image with files of these paths below usr/."""
    usr: dict[str, Node] = {}
    for path in paths:
        at = usr
        *folders, name = path.split("/")
        for each in folders:
            at = at.setdefault(each, folder()).entries  # type: ignore[union-attr, assignment]  # made just here
        at[name] = 1
    return folder(usr=ImageFolder(0o755, usr))


def told(
    *paths: str, release: Mapping[str, str] | None = None, ld_so_conf: str | None = None
) -> list[tuple[str, str, bool]]:
    steps = after_merge(image(*paths), release or {}, ld_so_conf=ld_so_conf)
    return [(step.what, step.command, step.at_boot) for step in steps]


@pytest.mark.parametrize(
    ("path", "what", "command", "at_boot"),
    [
        ("lib/sysusers.d/a.conf", "users and groups (usr/lib/sysusers.d/a.conf)", "systemd-sysusers a.conf", False),
        (
            "lib/tmpfiles.d/a.conf",
            "files to be made (usr/lib/tmpfiles.d/a.conf)",
            "systemd-tmpfiles --create a.conf",
            True,
        ),
        (
            "lib/udev/rules.d/60-a.rules",
            "rules of udev (usr/lib/udev/rules.d/60-a.rules)",
            "udevadm control --reload && udevadm trigger",
            False,
        ),
        (
            "lib/udev/hwdb.d/60-a.hwdb",
            "hardware data (usr/lib/udev/hwdb.d/60-a.hwdb)",
            "systemd-hwdb update && udevadm trigger",
            False,
        ),
        (
            "lib/modules-load.d/a.conf",
            "modules to load (usr/lib/modules-load.d/a.conf)",
            "systemctl restart systemd-modules-load.service",
            False,
        ),
        (
            "lib/sysctl.d/a.conf",
            "kernel settings (usr/lib/sysctl.d/a.conf)",
            "systemctl restart systemd-sysctl.service",
            False,
        ),
        (
            "lib/binfmt.d/a.conf",
            "formats of programs (usr/lib/binfmt.d/a.conf)",
            "systemctl restart systemd-binfmt.service",
            False,
        ),
        (
            "lib/systemd/user/a.service",
            "units of users (usr/lib/systemd/user/a.service)",
            "systemctl reload 'user@*.service'",
            False,
        ),
        (
            "share/dbus-1/system.d/a.conf",
            "rules of D-Bus (usr/share/dbus-1/system.d/a.conf)",
            "systemctl reload dbus.service",
            True,
        ),
        (
            "lib/modules/6.12/a.ko.xz",
            "kernel modules (usr/lib/modules/6.12/a.ko.xz), without a modules.dep, for which /usr has to be writable",
            "depmod 6.12",
            False,
        ),
        (
            "lib/systemd/system/a.service",
            "units (usr/lib/systemd/system/a.service)",
            "systemctl daemon-reload",
            False,
        ),
        (
            "etc/ld.so.conf.d/a.conf",
            "folders of libraries (usr/etc/ld.so.conf.d/a.conf)",
            "ldconfig",
            False,
        ),
    ],
)
def test_each_kind(path: str, what: str, command: str, at_boot: bool) -> None:
    assert told(path) == [(what, command, at_boot)]


@pytest.mark.parametrize(
    "paths",
    [
        ("bin/a", "lib64/liba.so.1", "share/man/man1/a.1.gz"),
        ("lib/sysusers.d/README", "lib/tmpfiles.d/folder/a.conf", "share/doc/sysusers.d/a.conf"),
        ("lib/modules/6.12/extra/a.ko", "lib/modules/6.12/modules.dep.bin"),
    ],
    ids=["programs and libraries", "no file that counts", "modules with their list"],
)
def test_what_needs_no_more(paths: tuple[str, ...]) -> None:
    assert told(*paths) == []


def test_each_kernel_has_its_modules() -> None:
    what = "kernel modules (usr/lib/modules/{}/a.ko{}), without a modules.dep, for which /usr has to be writable"
    assert told("lib/modules/6.12/a.ko", "lib/modules/6.13/a.ko", "lib/modules/6.13/b.ko") == [
        (what.format("6.12", ""), "depmod 6.12", False),
        (what.format("6.13", " and 1 more"), "depmod 6.13", False),
    ]


def test_users_come_before_what_they_own_and_names_are_quoted() -> None:
    steps = told("lib/tmpfiles.d/a.conf", "lib/sysusers.d/a;b.conf", "lib/sysusers.d/c.conf")
    assert steps == [
        (
            "users and groups (usr/lib/sysusers.d/a;b.conf and 1 more)",
            "systemd-sysusers 'a;b.conf' c.conf",
            False,
        ),
        ("files to be made (usr/lib/tmpfiles.d/a.conf)", "systemd-tmpfiles --create a.conf", True),
    ]


@pytest.mark.parametrize("word", ["1", "yes", "True", "on"])
def test_where_systemd_reads_its_units_itself(word: str) -> None:
    release = {"EXTENSION_RELOAD_MANAGER": word}
    assert told("lib/systemd/system/a.service", release=release) == []


@pytest.mark.parametrize("word", ["0", "no", "", "maybe"])
def test_where_it_does_not(word: str) -> None:
    (step,) = told("lib/systemd/system/a.service", release={"EXTENSION_RELOAD_MANAGER": word})
    assert step[1] == "systemctl daemon-reload"


def test_what_is_wanted_is_not_started_by_reading_it() -> None:
    """A target that is reached already starts nothing for a new link."""
    paths = ("lib/systemd/system/a.service", "lib/systemd/system/multi-user.target.wants/a.service")
    assert [step[1] for step in told(*paths)] == ["systemctl daemon-reload", "systemctl start a.service"]
    steps = told(*paths, release={"EXTENSION_RELOAD_MANAGER": "1"})
    assert steps == [("units that are to run: a.service", "systemctl start a.service", False)]


@pytest.mark.parametrize(
    ("content", "included"),
    [
        ("include /etc/ld.so.conf.d/*.conf\n", False),
        ("# include /usr/etc/ld.so.conf.d/*.conf\n", False),
        ("", False),
        ("/usr/local/lib\n include  /etc/ld.so.conf.d/*.conf /usr/etc/ld.so.conf.d/*.conf\n", True),
    ],
)
def test_whether_the_loader_will_find_it(content: str, included: bool) -> None:
    ((what, command, _),) = told("etc/ld.so.conf.d/a.conf", ld_so_conf=content)
    assert command == "ldconfig"
    ends = "does not include: include /usr/etc/ld.so.conf.d/*.conf"
    assert what.endswith(ends) != included
