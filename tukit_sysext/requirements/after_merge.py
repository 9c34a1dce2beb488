# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an image brings that a merge alone does not put to use, and the command that does. Pure.

A boot does some of it by itself: systemd-sysext.service is ordered before systemd-tmpfiles-setup.service and all that
waits for sysinit.target. Nothing orders it before what reads sysctl.d, modules-load.d, binfmt.d and udev's rules at
boot, sysusers.d, hwdb.d and ld.so.conf.d are only read where /usr was updated (ConditionNeedsUpdate=), and the service
manager has read its units before.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tukit_sysext.requirements.contents import ImageFolder, walk

RELOAD_MANAGER = "EXTENSION_RELOAD_MANAGER"
"""Key of an extension-release with which systemd-sysext has the service manager read its units anew."""
_YES = ("1", "yes", "y", "true", "t", "on")
_MODULE = re.compile(r"usr/lib/modules/([^/]+)/(?:.*/)?[^/]+\.ko(?:\.(?:gz|xz|zst))?")
_WANTED = re.compile(r"usr/lib/systemd/system/[^/]+\.(?:wants|requires|upholds)/([^/]+)")
_INCLUDE = re.compile(r"^\s*include\s+(.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class AfterMerge:
    """Something that an image brings, in words, and the command that puts it to use after the merge.

    ``at_boot``: a boot does it by itself.
    """

    what: str
    command: str
    at_boot: bool = False

    @property
    def lines(self) -> tuple[str, str]:
        """The same in words; the command stands alone on its line, to be copied."""
        itself = " (a boot does it by itself)" if self.at_boot else ""
        return f"  {self.what}{itself}:", f"    {self.command}"


@dataclass(frozen=True, slots=True)
class _Kind:
    """Files with a suffix directly in a folder; ``{names}`` in the command are theirs."""

    folder: str
    suffix: str
    what: str
    command: str
    at_boot: bool = False


_KINDS = (
    _Kind("usr/lib/sysusers.d", ".conf", "users and groups", "systemd-sysusers {names}"),
    _Kind("usr/lib/tmpfiles.d", ".conf", "files to be made", "systemd-tmpfiles --create {names}", at_boot=True),
    _Kind("usr/lib/udev/rules.d", ".rules", "rules of udev", "udevadm control --reload && udevadm trigger"),
    _Kind("usr/lib/udev/hwdb.d", ".hwdb", "hardware data", "systemd-hwdb update && udevadm trigger"),
    _Kind("usr/lib/modules-load.d", ".conf", "modules to load", "systemctl restart systemd-modules-load.service"),
    _Kind("usr/lib/sysctl.d", ".conf", "kernel settings", "systemctl restart systemd-sysctl.service"),
    _Kind("usr/lib/binfmt.d", ".conf", "formats of programs", "systemctl restart systemd-binfmt.service"),
    _Kind("usr/lib/systemd/user", "", "units of users", "systemctl reload 'user@*.service'"),
    _Kind("usr/share/dbus-1/system.d", ".conf", "rules of D-Bus", "systemctl reload dbus.service", at_boot=True),
    _Kind(
        "usr/share/dbus-1/system-services",
        ".service",
        "services of D-Bus",
        "systemctl reload dbus.service",
        at_boot=True,
    ),
)


def after_merge(
    files: ImageFolder, release: Mapping[str, str], *, ld_so_conf: str | None = None
) -> tuple[AfterMerge, ...]:
    """What has to be done after an image was merged, in the order in which it is to be done.

    ``release`` are the fields of its extension-release, ``ld_so_conf`` is the content of the system's /etc/ld.so.conf,
    None where that is not known.
    """
    paths = [path for path, node in walk(files) if not isinstance(node, ImageFolder)]
    steps = (
        *(step for kind in _KINDS for step in _of_kind(kind, paths)),
        *_modules(paths),
        *_libraries(paths, ld_so_conf),
        *_units(paths, release),
    )
    return steps


def to_do(image: str, steps: Iterable[AfterMerge], *, merged: bool) -> Iterator[str]:
    """The steps in words, of an image that was ``merged`` just now; else those that a boot which merges it leaves."""
    left = [step for step in steps if merged or not step.at_boot]
    if left:
        yield f"{image} brings what {'a merge alone' if merged else 'the merge at the next boot'} does not put to use:"
        yield from (line for step in left for line in step.lines)


def _of_kind(kind: _Kind, paths: Sequence[str]) -> Iterator[AfterMerge]:
    front = f"{kind.folder}/"
    found = [path for path in paths if path.startswith(front) and path.endswith(kind.suffix)]
    direct = [path.removeprefix(front) for path in found if "/" not in path.removeprefix(front)]
    if direct:
        command = kind.command.format(names=shlex.join(direct))
        yield AfterMerge(what=_what(kind.what, found), command=command, at_boot=kind.at_boot)


def _what(kind: str, paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{kind} ({paths[0]}{more})"


def _modules(paths: Sequence[str]) -> Iterator[AfterMerge]:
    """Kernel modules, where no list comes with them in which modprobe(8) finds them."""
    modules = [(match[1], path) for path in paths if (match := _MODULE.fullmatch(path))]
    for kernel in dict.fromkeys(kernel for kernel, _ in modules):
        if f"usr/lib/modules/{kernel}/modules.dep.bin" not in paths:
            what = _what("kernel modules", [path for its, path in modules if its == kernel])
            command = f"depmod {shlex.quote(kernel)}"
            yield AfterMerge(what=f"{what}, without a modules.dep, for which /usr has to be writable", command=command)


def _libraries(paths: Sequence[str], ld_so_conf: str | None) -> Iterator[AfterMerge]:
    """Folders of libraries, in files that /etc/ld.so.conf has to include."""
    found = [path for path in paths if path.endswith(".conf") and path.split("/")[-2:-1] == ["ld.so.conf.d"]]
    folders = sorted({f"/{path.rpartition('/')[0]}" for path in found})
    if not folders:
        return
    included = " ".join(_INCLUDE.findall(ld_so_conf)) if ld_so_conf is not None else None
    lines = [f"include {folder}/*.conf" for folder in folders if included is not None and folder not in included]
    what = _what("folders of libraries", found)
    if lines:
        what += f", which /etc/ld.so.conf does not include: {'; '.join(lines)}"
    yield AfterMerge(what=what, command="ldconfig")


def _units(paths: Sequence[str], release: Mapping[str, str]) -> Iterator[AfterMerge]:
    """Units, which systemd has to read, and those of them that something wants, which it then has to start."""
    units = [path for path in paths if path.startswith("usr/lib/systemd/system/")]
    if not units:
        return
    if release.get(RELOAD_MANAGER, "").lower() not in _YES:
        yield AfterMerge(what=_what("units", units), command="systemctl daemon-reload")
    wanted = sorted({match[1] for path in units if (match := _WANTED.fullmatch(path))})
    if wanted:
        command = f"systemctl start {shlex.join(wanted)}"
        yield AfterMerge(what="units that are to run: " + ", ".join(wanted), command=command)
