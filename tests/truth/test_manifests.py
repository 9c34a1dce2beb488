# SPDX-License-Identifier: LGPL-2.1-or-later
"""What descriptions do to the choice of an image, against what systemd-sysext 257 merges: the content decides.

A system without the image looks at it, by its description and, if the plan wants its content, by that.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.images import make_image, release_text
from tests.truth.manifest_cases import CASES, IMAGE, SYSTEM, ManifestCase
from tests.truth.merge_truth import Machine, image_group, merge
from tests.unit.update.samples import candidate, facts, plan_one, want
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.sources.candidate import Candidate, Description
from tukit_sysext.sources.repository import known_from
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.plan import Action

AT_LEAST = 12
"""How many descriptions have to be compared."""


def _facts(image: Candidate, known: Description) -> Facts:
    given = facts(want("git"), offers={image: known})
    return replace(given, tree=replace(given.tree, release=ReleaseData(SYSTEM)))


def taken(case: ManifestCase, *, vouched: bool) -> bool:
    """Whether the image is linked in the end."""
    image = candidate("2.43", "git")
    assert image.file_name == IMAGE
    described = known_from(case.description, image=IMAGE, where="DESCRIPTION")
    if plan_one(_facts(image, replace(described, vouched=vouched))).action is not Action.FETCH:
        return False
    inside = {"ARCHITECTURE": "x86-64", **case.inside}
    content = Description(release=ReleaseData(inside), merge_name="git")
    return plan_one(_facts(image, content)).action is Action.FETCH


@pytest.fixture(scope="session")
def merged(newer: Machine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """Whether systemd-sysext merges the image of each case."""
    folder = tmp_path_factory.mktemp("images")
    groups = []
    for number, case in enumerate(CASES):
        image = make_image(folder / str(number), "git", "2.43", release=case.inside, manifest=None)
        groups.append(image_group(release_text(SYSTEM), {"git": Path(image).read_bytes()}))
    return {case.name: "git" in answer.merged for case, answer in zip(CASES, merge(newer, groups), strict=True)}


def test_there_are_enough_descriptions() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= AT_LEAST


@pytest.mark.lab
@pytest.mark.parametrize("vouched", [True, False])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_systemd_merges_is_taken_and_nothing_else(
    case: ManifestCase, vouched: bool, merged: dict[str, bool]
) -> None:
    assert taken(case, vouched=vouched) is merged[case.name]
