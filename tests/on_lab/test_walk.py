# SPDX-License-Identifier: LGPL-2.1-or-later
"""A new user's way, screen by screen: nothing overruns the terminal, and each screen says what it has to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.on_lab.site import Site, Web
from tests.walk import walk

FAILING = {
    "a name that is misspelt": 1,
    "why one is not there": 1,
    "doctor on a fresh machine": 1,
    "all well?": 1,
    "what it would do": 75,
    "why it was refused": 1,
    "no command": 2,
}
"""Screens of commands that do not end with 0: something is wrong, and they say what."""

SAYS = {
    "doctor on a fresh machine": [
        "no source of images is configured",
        "systemctl enable systemd-sysext.service",
        "systemctl enable --now tukit-sysext.target",
    ],
    "a source": ["sources.d/main.conf written", "compare this fingerprint"],
    "what it offers": ["gdb     -          15.1", "available"],
    "a name that is misspelt": ['No image "gbd". Did you mean gdb?'],
    "what would be installed": ["gdb: 15.1 would be fetched from source main"],
    "installed": ["gdb: 15.1 added", "strace: 6.11 added", "systemctl restart systemd-sysext.service"],
    "what there is now": ["running, boots next", "k3s     1.31.5   optional  no"],
    "between the update and the reboot": [
        "(running)",
        "(boots next)",
        "not linked",
    ],
    "what the reboot brings": ["15.1    15.2  changed", "1.31.5  -     removed"],
    "why one is not there": ["SYSEXT_LEVEL", "glibc-2.43", "glibc-2.42"],
    "all snapshots": [">15.2", ">6.12", "* running and boots next"],
    "after the rollback": ["gdb     15.1     required  yes     ok"],
    "what keeps an image": ["gdb-15.2.x86-64.raw:"],
    "what a collection would do": ["0 would be deleted"],
    "removed": ["strace: 6.11 removed"],
    "what happened": ["6.11 -> 6.12", "6.11 removed"],
    "all well?": ["checks good"],
    "an update is refused": ["AN UPDATE IS REFUSED since", "the new system has", "install --optional gdb\n"],
    "what it would do": ["20261215 (glibc-2.44)", "REFUSES THE UPDATE"],
    "why it was refused": ["gdb is not used: none of its versions can be"],
    "nothing is newer": ["2 images are linked already: gdb 15.1, k3s 1.31.5"],
    "collected at once": ["0 would be deleted"],
    "all commands": ["\nLooking:\n", "\nThe machine:\n"],
    "one command": ["for another question:\n  preflight "],
    "no command": ["Often used:\n", "next step:\n    tukit-sysext --help"],
}


@pytest.mark.parametrize(("columns", "more"), [(80, 0), (160, 0), (80, 37), (160, 37)])
def test_every_screen(start_lab: StartLab, our_tree: Path, web: Web, columns: int, more: int) -> None:
    site = Site(lab=start_lab(Flavour.MICROOS, install={our_tree: "/"}), web=web)
    site.lab.run(["systemd-tmpfiles", "--create", "tukit-sysext.conf"])
    seen = set()
    for screen in walk(site, web, columns=columns, more=more):
        seen.add(screen.name)
        assert screen.status == FAILING.get(screen.name, 0), f"{screen.command}: {screen.text}"
        assert "Traceback" not in screen.text
        wide = [line for line in screen.text.splitlines() if len(line) > columns and "next step:" not in line]
        assert not wide, "a command to be copied may be longer, nothing else"
        for words in SAYS.get(screen.name, []) if more == 0 else []:
            assert words in screen.text, f"{screen.command}: {screen.text}"
    assert SAYS.keys() <= seen
