# SPDX-License-Identifier: LGPL-2.1-or-later
"""A short run of each target; the long one is ``python -m tests.fuzz``."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.__main__ import main
from tests.fuzz.engine import grows_too_fast, run, shrink
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

EXAMPLES = 60
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""Of codecs that an info.xml may name."""
each_target = pytest.mark.parametrize("target", TARGETS, ids=[target.name.replace(" ", "-") for target in TARGETS])


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No test looks at what is logged, and formatting it takes longer than all the rest."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _some(number: int, target: Target) -> int:
    """Fewer of a slow target."""
    return max(5, round(number * min(1.0, 5 * target.share)))


@each_target
def test_whatever_comes(target: Target) -> None:
    """Raw bytes, and what the target's own generators make of a number."""
    made = st.integers(0, 2**32).map(lambda number: target.generate(Random(number)))

    @seed(1)
    @settings(
        max_examples=_some(EXAMPLES, target), deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.one_of(made, st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
    def whatever(data: bytes) -> None:
        target.check(data)

    whatever()


@each_target
def test_a_short_run(target: Target) -> None:
    failure = run(target, _some(400, target), seed=1).failure
    assert failure is None, failure


@each_target
def test_time_grows_as_the_input_does(target: Target) -> None:
    """Up to an eighth of what the parser may be given; all of it in the long run."""
    failure = grows_too_fast(target, share=8)
    assert failure is None, failure


def test_the_engine_finds_what_is_wrong_and_makes_it_small() -> None:
    def check(data: bytes) -> None:
        assert b"BEST-BEFORE" not in data or b"\xff" not in data

    target = replace(TARGETS[0], check=check)
    failure = run(target, 20_000, seed=1).failure
    assert failure is not None
    assert sorted(failure.data.replace(b"BEST-BEFORE", b"")) == [0xFF]
    again = run(target, 20_000, seed=1).failure
    assert again is not None and again.data == failure.data


def test_the_same_seed_is_the_same_run() -> None:
    for target in TARGETS:
        first, second, other = ([target.generate(random) for _ in range(20)] for random in map(Random, (1, 1, 2)))
        assert first == second != other


def test_what_raises_something_else_is_no_smaller_form_of_it() -> None:
    def check(data: bytes) -> None:
        if len(data) < 3:
            raise ValueError
        assert b"x" not in data

    target = replace(TARGETS[0], check=check)
    assert len(shrink(target, b"aaaaxaaaa", AssertionError())) == 3


def test_the_square_of_the_time_is_seen() -> None:
    def square(data: bytes) -> None:
        found = re.compile(b".*@").sub(b"", data.replace(b"\n", b""))
        assert found is not None

    def line(data: bytes) -> None:
        time.process_time()
        sum(data)

    assert grows_too_fast(replace(TARGETS[0], check=square, samples=(), words=(b"a",), limit=40 * 1024)) is not None
    assert grows_too_fast(replace(TARGETS[0], check=line)) is None


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--executions", "300", "--seed", "5", "--target", "list", "--target", "file name"]) == 0
    logging.disable(logging.NOTSET)
    told = capsys.readouterr().out
    assert told.startswith("seed 5\n")
    assert re.search(r"^300 executions of 2 targets in \d+ s, seed 5: 0 failed$", told, re.M)


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_a_million_executions() -> None:
    """What the threats' page promises; its figures are in the output."""
    done = subprocess.run([sys.executable, "-m", "tests.fuzz"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    executions = re.search(r"^(\d+) executions of", done.stdout, re.M)
    assert executions is not None and int(executions[1]) >= 1_000_000, done.stdout
