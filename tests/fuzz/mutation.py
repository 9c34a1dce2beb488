# SPDX-License-Identifier: LGPL-2.1-or-later
"""Valid input made a little wrong: bytes, lines and words taken out, doubled, exchanged, or put in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

MOST = 16 * 1024
"""Bytes of a mutated input: time goes into many small ones, large ones are tried apart."""

_TROUBLE = (
    b"\0", b"\n", b"\r", b"\r\n", b"\t", b" ", b"\\", b'"', b"'", b"=", b"/", b"..", b"../", b"-", b".", b"~", b"%",
    b"\x1b[31m", b"\x7f", b"\x80", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc2\x9b", b"\xc2\xa0", b"\xe2\x80\xa8",
    b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\xd9\xa3", b"\xc2\xb2", b"0", b"-1", b"9" * 19, b"9" * 40, b"9" * 5000,
    b"1e999", b"NaN", b"null", b"[]", b"{}", b"$(id)", b"a" * 300,
)  # fmt: skip


def _flip(data: bytearray, random: Random) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _set(data: bytearray, random: Random) -> None:
    if data:
        data[random.randrange(len(data))] = random.randrange(256)


def _part(data: bytearray, random: Random) -> slice:
    start = random.randrange(len(data) + 1)
    return slice(start, min(len(data), start + 1 + int(random.expovariate(0.1))))


def _delete(data: bytearray, random: Random) -> None:
    del data[_part(data, random)]


def _double(data: bytearray, random: Random) -> None:
    part = _part(data, random)
    data[part] = data[part] * random.choice((2, 2, 2, 3, 50))


def _cut(data: bytearray, random: Random) -> None:
    del data[random.randrange(len(data) + 1) :]


def _noise(data: bytearray, random: Random) -> None:
    data[_part(data, random)] = random.randbytes(random.randrange(8))


def _lines(data: bytearray, random: Random) -> None:
    lines = bytes(data).split(b"\n")
    first, second = random.randrange(len(lines)), random.randrange(len(lines))
    if random.random() < 0.5:
        lines[first], lines[second] = lines[second], lines[first]
    else:
        lines.insert(first, lines[second])
    data[:] = b"\n".join(lines)


_PLAIN: tuple[Callable[[bytearray, Random], None], ...] = (
    _flip, _set, _delete, _delete, _double, _cut, _noise, _lines, _lines,
)  # fmt: skip


def mutate(sample: bytes, random: Random, *, words: Sequence[bytes], others: Sequence[bytes]) -> bytes:
    """A sample with one or several faults; ``words`` may be put into it, and parts of ``others``."""
    data = bytearray(sample)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        chosen = random.randrange(len(_PLAIN) + 5)
        if chosen < len(_PLAIN):
            _PLAIN[chosen](data, random)
        elif chosen < len(_PLAIN) + 2:
            data[_part(data, random)] = random.choice(words)
        elif chosen < len(_PLAIN) + 4:
            start = random.randrange(len(data) + 1)
            data[start:start] = random.choice(_TROUBLE)
        else:
            other = bytearray(random.choice(others))
            data[_part(data, random)] = other[_part(other, random)]
        del data[MOST:]
    return bytes(data)


def word(random: Random, letters: str = "abgx019.-_~^+", most: int = 12) -> str:
    """A few of these letters."""
    return "".join(random.choices(letters, k=random.randrange(1, most + 1)))


def odd_text(random: Random) -> str:
    """Text with what parsers stumble over, as UTF-8 may have it."""
    return random.choice(
        (
            "", " ", "a b", "'", '"', "\\", "\t", "\x1b[0m", "\x9b", "\u2028", "é", "\U0001f600", "0", "-1", "9" * 30,
            "a" * 300, "..", "a/b", "$(id)",
        )
    )  # fmt: skip
