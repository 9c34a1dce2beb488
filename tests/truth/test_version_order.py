# SPDX-License-Identifier: LGPL-2.1-or-later
"""rules.version against `systemd-analyze compare-versions` of systemd 257 and 252."""

from __future__ import annotations

import random

import pytest

from tests.truth.merge_truth import Machine
from tests.truth.version_pairs import pairs
from tukit_sysext.rules.version import compare

pytestmark = pytest.mark.lab

PAIRS = pairs()
AT_LEAST = 200
"""How many pairs the issue wants compared."""

_ASK = r"""
while IFS=$(printf "\t") read -r a b; do
    systemd-analyze compare-versions -- "${a#.}" "${b#.}" >/dev/null 2>&1
    echo $?
done
"""
_MEANING = {"0": 0, "11": 1, "12": -1}  # systemd-analyze(1)


def _ask(machine: Machine, wanted: list[tuple[str, str]]) -> list[int]:
    # The points are there so that nothing is empty: read would pass over it.
    lines = "".join(f".{a}\t.{b}\n" for a, b in wanted)
    return [_MEANING[status] for status in machine.run(["bash", "-c", _ASK], lines).split()]


@pytest.fixture(scope="session")
def order_newer(newer: Machine) -> dict[tuple[str, str], int]:
    return dict(zip(PAIRS, _ask(newer, PAIRS), strict=True))


@pytest.fixture(scope="session")
def order_older(older: Machine) -> dict[tuple[str, str], int]:
    return dict(zip(PAIRS, _ask(older, PAIRS), strict=True))


def test_there_are_enough_pairs() -> None:
    assert len(set(PAIRS)) >= AT_LEAST


@pytest.mark.parametrize("pair", PAIRS, ids=repr)
def test_order_as_of_257(pair: tuple[str, str], order_newer: dict[tuple[str, str], int]) -> None:
    assert compare(*pair) == order_newer[pair]
    assert compare(*reversed(pair)) == -order_newer[pair]


@pytest.mark.parametrize("pair", PAIRS, ids=repr)
def test_order_as_of_252(pair: tuple[str, str], order_older: dict[tuple[str, str], int]) -> None:
    assert compare(*pair) == order_older[pair]


@pytest.mark.parametrize("seed", range(4))
def test_order_of_random_versions(seed: int, newer: Machine) -> None:
    chance = random.Random(seed)

    def some(alphabet: str) -> str:
        return "".join(chance.choice(alphabet) for _ in range(chance.randint(1, 5)))

    wanted = []
    for _ in range(100):
        alphabet = chance.choice(["~-^.01aB", "~-^.0a1_+", "ab12.", "~^-."])
        a = some(alphabet)
        b = a[: chance.randint(0, len(a))] + some(alphabet) if chance.random() < 0.6 else some(alphabet)
        wanted.append((a, b))
    assert [compare(a, b) for a, b in wanted] == _ask(newer, wanted)
