# SPDX-License-Identifier: LGPL-2.1-or-later
"""A version that would fit, were it not for the configuration: what lets it in, and that it is looked for."""

from __future__ import annotations

import pytest

from tests.unit.update.samples import FITS, OTHER, candidate, facts, plan_one, want
from tukit_sysext.config.main_settings import Blocked, block_file
from tukit_sysext.sources.naming import NotUnderstood
from tukit_sysext.update.deciding import undecided
from tukit_sysext.update.facts import Facts

NEWER, OLDER = candidate("2"), candidate("1")
BLOCKED = (Blocked(name="gdb", version="2", origin=block_file("gdb")),)


@pytest.mark.parametrize(
    ("given", "mend"),
    [
        (facts(want(hold="1"), offers={NEWER: FITS}), "tukit-sysext unhold gdb"),
        (facts(want(), offers={NEWER: FITS}, blocked=BLOCKED), "tukit-sysext unblock gdb=2"),
        (
            facts(want(blocked=("2",)), offers={NEWER: FITS}),
            "take 2 out of Block= in /etc/tukit-sysext/images.d/gdb.conf",
        ),
        (
            facts(want(constraint="<2"), offers={NEWER: FITS}),
            "tukit-sysext install --any-version gdb",
        ),
        (
            facts(want(hold="1", constraint="<2"), offers={NEWER: FITS}),
            "tukit-sysext unhold gdb\ntukit-sysext install --any-version gdb",
        ),
        # nothing that is set keeps it away
        (facts(want(hold="1"), offers={NEWER: OTHER}), ""),
        (facts(want(), offers={NEWER: OTHER}, blocked=(Blocked(name="gdbserver", version="2", origin="/x"),)), ""),
    ],
)
def test_what_lets_it_in(given: Facts, mend: str) -> None:
    assert plan_one(given).next_step == mend


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (facts(want(hold="1"), offers={NEWER: None, OLDER: None}), OLDER),
        (facts(want(hold="1"), offers={NEWER: None, OLDER: OTHER}), NEWER),
        (facts(want(hold="9"), offers={NEWER: OTHER, OLDER: None}), OLDER),
        # it is known that one is kept away, or nobody has to know
        (facts(want(hold="9"), offers={NEWER: FITS, OLDER: None}), None),
        (facts(want(hold="1"), offers={NEWER: None, OLDER: FITS}), None),
        (facts(want(hold="9"), offers={NEWER: None}, unreachable={"local": "no answer"}), None),
        (facts(want(), offers={NEWER: None}, blocked=BLOCKED), NEWER),
    ],
)
def test_whether_one_would_fit_is_asked_only_where_nothing_can_be_had(given: Facts, asked: object) -> None:
    assert undecided(given) == ((asked,) if asked is not None else ())


def test_a_file_that_may_be_it_is_named() -> None:
    file = NotUnderstood(source="local", file_name="gdb15.raw", reason="its name does not tell")
    image = plan_one(facts(want(), not_understood=(file,)))
    assert image.reason.endswith("by local; gdb15.raw of local may be it, but its name does not tell")
