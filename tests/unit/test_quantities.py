# SPDX-License-Identifier: LGPL-2.1-or-later
"""Time spans for a person; sizes are in tests/unit/commands/test_output.py."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.rpm import TOP
from tukit_sysext.config.values import time_span
from tukit_sysext.quantities import counted, span_text

DAY = 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-5, "0s"),
        (1, "1s"),
        (90.7, "1min 30s"),
        (5400, "1h 30min"),
        (30 * DAY, "30d"),
        (30 * DAY + 5, "30d 5s"),
        (33 * DAY + 2 * 3600 + 59, "33d 2h"),
    ],
)
def test_a_time_span(seconds: float, text: str) -> None:
    assert span_text(seconds) == text


@pytest.mark.parametrize("text", ["1s", "1h 30min", "14d"])
def test_it_is_what_the_configuration_says(text: str) -> None:
    assert span_text(time_span(text)) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (21, "21 images"), (1000, "1000 images")]
)
def test_a_number_of_things(number: int, text: str) -> None:
    assert counted(number, "image") == text


_NOUNS = re.compile(
    r" (?:more |other )?(?:images|versions|snapshots|files|days|links|sources|keys|systems|trees|updates|packages|"
    r"hours|minutes|problems|warnings|events|lines|names|mirrors|blobs|tags|times|arguments|folders|chunks|requests|units)\b"
)
_NEVER_ONE = {
    "commands/status.py: mark.times",  # "once" stands there for one
    "doctor/units.py: len(_LOST)",  # a constant
    "formats/checksums.py: name",  # "names" is a verb
    "formats/elf.py: count",  # more than a limit
    "formats/oci_image.py: len(ours)",  # one is what was expected
}


def numbers_before_nouns(tree: ast.AST) -> Iterator[str]:
    """What stands in front of a noun in the plural, but constants in capitals, which are limits."""
    for node in ast.walk(tree):
        for value, text in zip(node.values, node.values[1:], strict=False) if isinstance(node, ast.JoinedStr) else ():
            if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant):
                number = ast.unparse(value.value)
                if _NOUNS.match(str(text.value)) and not number.isupper():
                    yield number


def test_no_message_says_1_images() -> None:
    package = TOP / "tukit_sysext"
    found = {
        f"{path.relative_to(package)}: {number}"
        for path in package.rglob("*.py")
        for number in numbers_before_nouns(ast.parse(path.read_text()))
    }
    assert found == _NEVER_ONE
    assert list(numbers_before_nouns(ast.parse("f'{count} images'"))) == ["count"]
