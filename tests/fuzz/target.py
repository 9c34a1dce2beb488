# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is fuzzed: a function that takes bytes and checks what must hold, and what helps to find bytes that matter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from tests.fuzz.mutation import mutate

CRUDE_MOST = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One parser.

    ``check`` raises for what must not happen: AssertionError for a property that does not hold, anything else as the
    parser raised it. What a parser may raise by its documentation it catches itself. ``samples`` are valid inputs,
    ``words`` what means something in them. ``make`` gives an input of the right structure. ``limit`` is the most bytes
    that the parser is ever given; ``prefix`` goes before what is repeated to measure time. ``share`` is the part of
    executions that the target gets, beside others with 1.0.
    """

    name: str
    check: Callable[[bytes], None]
    samples: Sequence[bytes]
    words: Sequence[bytes]
    make: Callable[[Random], bytes]
    limit: int = 64 * 1024
    share: float = 1.0
    prefix: bytes = b""

    def generate(self, random: Random) -> bytes:
        """One input: of the right structure, a mutated one, a mutated sample, or raw bytes."""
        match random.randrange(10):
            case 0:
                return random.randbytes(random.randrange(CRUDE_MOST))
            case 1:
                return b"".join(random.choice(self.words) for _ in range(random.randrange(1, 20)))
            case 2 | 3 | 4:
                return self.make(random)
            case 5 | 6:
                return mutate(self.make(random), random, words=self.words, others=self.samples)
        return mutate(random.choice(self.samples), random, words=self.words, others=self.samples)


def told(text: str) -> None:
    """A message that a person reads: one line that every terminal and log takes, whatever a stranger wrote."""
    assert text.isprintable(), f"a message that is not fit for a terminal: {text!a}"
