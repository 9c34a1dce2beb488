# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page in Cockpit: names of others stay words and text."""

from __future__ import annotations

from tests.breaking.defence import Defence, broken

_UNIT = "tests/unit/test_cockpit_page.py"
_LAB = "tests/on_lab/test_cockpit.py"

DEFENCES: tuple[Defence, ...] = (
    broken(
        "-",
        "a name becomes markup",
        "spec/cockpit/elements.js",
        "    element.append(...",
        "    element.innerHTML = children.join();\n    element.append(...",
        f"{_UNIT}::test_nothing_becomes_markup_or_code",
    ),
    broken(
        "-",
        "a name may be an option",
        "spec/cockpit/program.js",
        '[...line, "--", ...names]',
        "[...line, ...names]",
        f"{_LAB}::test_who_has_no_administrative_access_reads",
    ),
    broken(
        "-",
        "a key that the program has not is undefined",
        "spec/cockpit/program.js",
        '"keys": ["snapshots", "number", ',
        '"keys": ["snapshots", "numbers", ',
        f"{_UNIT}::test_the_keys_are_documented",
    ),
)
