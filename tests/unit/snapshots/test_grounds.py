# SPDX-License-Identifier: LGPL-2.1-or-later
"""What images are merged over; answers of RPM databases are kept by what identifies them."""

from __future__ import annotations

from tests.machine import PlainMachine
from tukit_sysext.snapshots.grounds import AnswersInCache


def test_answers_of_another_database_do_not_count(site: PlainMachine) -> None:
    memory = AnswersInCache(site.machine)
    answers = {"met": {"libunwind.so.8": ["libunwind8", "1.8-1"], "libexotic.so.1": None}}
    memory.keep("database 1", answers)

    assert memory.recall("database 1").items() >= answers.items()
    for number in range(2, 100):  # some of them in the same note
        assert memory.recall(f"database {number}") == {}
