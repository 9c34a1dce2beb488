# SPDX-License-Identifier: LGPL-2.1-or-later
"""rules.matching against the real `systemd-sysext merge` of systemd 257 and 252."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.truth.merge_cases import CASES, Case
from tests.truth.merge_truth import Answer, Machine, directory_group, merge
from tukit_sysext.rules.matching import Host, check
from tukit_sysext.rules.release import parse
from tukit_sysext.rules.systemd import SystemdVersion

pytestmark = pytest.mark.lab

NAME = "tool"
AT_LEAST = 60
"""How many combinations the issue wants compared."""

READ_OTHERWISE_BY_252 = {"a comment that ends in a backslash"}
"""Before 254, such a comment went on in the next line."""

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(scope="session")
def answers_newer(newer: Machine) -> dict[str, Answer]:
    return _ask(newer, CASES)


@pytest.fixture(scope="session")
def answers_older(older: Machine) -> dict[str, Answer]:
    return _ask(older, [case for case in CASES if case.kind == "sysext"])  # 252 has no systemd-confext


def _ask(machine: Machine, cases: Sequence[Case]) -> dict[str, Answer]:
    answers = merge(machine, [directory_group(case, NAME) for case in cases])
    return dict(zip([case.name for case in cases], answers, strict=True))


def _verdict(case: Case, version: SystemdVersion | None) -> tuple[bool, str]:
    verdict = check(
        Host(release=parse(case.host), architecture="x86-64", systemd=version),
        None if case.extension is None else parse(case.extension),
        kind=case.kind,
        scope=case.scope,
    )
    return verdict.fits, verdict.reason


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= AT_LEAST
    assert len({case.name for case in CASES}) == len(CASES)


@each_case
def test_as_merged_by_257(case: Case, newer: Machine, answers_newer: dict[str, Answer]) -> None:
    answer = answers_newer[case.name]
    assert (NAME in answer.merged) == case.fits, answer.messages
    assert (answer.status != 0) == case.fails, answer.messages
    fits, reason = _verdict(case, newer.version)
    assert fits == case.fits, reason


@each_case
def test_as_merged_by_252(case: Case, older: Machine, request: pytest.FixtureRequest) -> None:
    expected = case.fits if case.fits_252 is None else case.fits_252
    fits, reason = _verdict(case, older.version)
    # Our reader reads as newer systemd does: that is a difference of the readers, not of the rule.
    assert fits == (case.fits if case.name in READ_OTHERWISE_BY_252 else expected), reason
    if case.kind == "confext":
        return
    answer: Answer = request.getfixturevalue("answers_older")[case.name]
    assert (NAME in answer.merged) == expected, answer.messages
    assert (answer.status != 0) == (case.fails if case.fails_252 is None else case.fails_252), answer.messages


@each_case
def test_unknown_version_takes_the_stricter_rule(case: Case) -> None:
    """What fits without knowing the version fits 257, and 252 as far as that has the kind."""
    fits, reason = _verdict(case, None)
    if fits and case.name not in READ_OTHERWISE_BY_252:
        assert case.fits, reason
        assert case.fits_252 is not False or case.kind == "confext", reason
