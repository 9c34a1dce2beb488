# SPDX-License-Identifier: LGPL-2.1-or-later
"""What servers and those to which they redirect may do: the rows N12, N14 and P5."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_U = "tests/unit"
_CONDITIONS = f"{_U}/commands/test_conditions.py"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "P5",
        "a command waits for a server with which no connection comes about",
        "tukit_sysext/plugins/builtin/sources.py",
        "patient=machine.patient",
        "patient=True",
        f"{_CONDITIONS}::test_a_server_that_is_away[update]",
    ),
    broken(
        "P5",
        "each tree asks a source that could not be reached",
        "tukit_sysext/sources/on_servers.py",
        "if self._settings in self._away:",
        "if False:",
        f"{_CONDITIONS}::test_a_server_that_says_nothing_is_waited_for_once[update]",
    ),
    broken(
        "N15",
        "an update gives a server up that is away for a moment",
        "tukit_sysext/entry.py",
        "patient=True",
        "patient=False",
        f"{_U}/test_entry.py::test_an_update_waits_for_a_server_that_is_away",
    ),
    broken(
        "N12",
        "a mirror that is behind refuses an update",
        "tukit_sysext/update/transaction.py",
        "for image in plan.refusing) and resolver.ask_other_mirrors():",
        "for image in plan.refusing) and False:",
        f"{_U}/update/test_mirror_skew.py::test_the_other_mirror_has_what_fits",
    ),
    broken(
        "N12",
        "an older list of another mirror is taken for a newer one",
        "tukit_sysext/sources/web_list.py",
        "good.verified.newest > known.verified.newest:",
        "believed.verified.newest >= known.verified.newest:",
        f"{_U}/sources/test_web_hosts.py::test_another_mirror_that_has_a_newer_list_is_found_where_it_is_asked_for",
    ),
)
