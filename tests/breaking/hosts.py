# SPDX-License-Identifier: LGPL-2.1-or-later
"""What servers and those to which they redirect may do: the rows N12, N14 and P5."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_WEB = "tukit_sysext/sources/web.py"
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
        _WEB,
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
)
