# SPDX-License-Identifier: LGPL-2.1-or-later
"""The picture of README is what the commands print now."""

from __future__ import annotations

import re

import pytest

from tests.drawing import PICTURE, prepare, screens, svg, words
from tests.lab import Flavour
from tests.on_lab.site import Site
from tests.rpm import TOP


@pytest.mark.parametrize("flavour", [Flavour.MICROOS], indirect=True)
def test_the_picture_is_what_the_commands_print(site: Site) -> None:
    drawn = svg(screens(prepare(site).lab))
    assert words(drawn) == words(PICTURE.read_text()), "tests/picture draws it anew"


def test_the_picture_is_shown_and_fetches_nothing() -> None:
    assert "](spec/picture.svg)" in (TOP / "README.md").read_text()
    assert re.findall(r"(?:https?:|url\(|href=)(?!//www\.w3\.org/2000/svg|#)\S+", PICTURE.read_text()) == []
