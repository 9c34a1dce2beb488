# SPDX-License-Identifier: LGPL-2.1-or-later
"""What sysextmgr is configured to do, ``sysextmgr.conf(5)``: where its images come from, and whether it verifies them.

The main file is the first of /etc, /run and /usr/share, drop-ins come from all three. A key of [sysextmgrd] is stronger
than the same of [default]. Without a word about it signatures are verified.
"""

from __future__ import annotations

from dataclasses import dataclass

from tukit_sysext.config.files import Keys, Problem, load_main
from tukit_sysext.config.values import boolean
from tukit_sysext.layout import STORE
from tukit_sysext.system.tree import Tree

_FILE = "sysextmgr.conf"
_DIRECTORIES = ("etc/sysextmgr", "run/sysextmgr", "usr/share/sysextmgr")
_SECTIONS = ("default", "sysextmgrd")
_EXTENSIONS = "/etc/extensions"


@dataclass(frozen=True, kw_only=True, slots=True)
class SysextmgrSettings:
    """Its settings.

    ``url`` as it is written, and the file that says it (None: none does). ``elsewhere`` are places of images, or of
    links to them, that are not the usual ones. ``sure``: no line of the files has a fault.
    """

    url: str | None
    origin: str | None
    verify: bool
    elsewhere: tuple[str, ...]
    problems: tuple[Problem, ...]
    sure: bool


def load(tree: Tree) -> SysextmgrSettings | None:
    """Read it; None where there is no such configuration. Never raises for what stands in the files."""
    files, problems = load_main(tree, _FILE, _DIRECTORIES)
    if not files:
        return None
    keys = Keys(*files)
    url: str | None = None
    origin: str | None = None
    verify = True
    elsewhere: list[str] = []
    # the stronger section last
    for section in _SECTIONS:
        for text, where in keys.take_where(section, "url", str)[-1:]:
            url, origin = text.strip('"'), where
        verify = keys.take(section, "verify_signature", boolean, verify)
        for key, usual in (("sysext_store_dir", STORE), ("extensions_dir", _EXTENSIONS)):
            place = keys.take(section, key, str, "").strip('"').rstrip("/")
            elsewhere += [f"{key}={place}"] if place not in ("", usual) else []
    faults = tuple(problem for problem in (*problems, *keys.problems) if problem.fault)
    return SysextmgrSettings(
        url=url, origin=origin, verify=verify, elsewhere=tuple(elsewhere), problems=faults, sure=not faults
    )
