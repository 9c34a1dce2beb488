# SPDX-License-Identifier: LGPL-2.1-or-later
"""rules.links, and what becomes of a merge with one bad image, against `systemd-sysext merge` of systemd 257 and 252.

Every merge has a good image beside the one in question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.images import ImageKind, make_image
from tests.truth.merge_cases import LEVELLED
from tests.truth.merge_truth import Answer, Machine, image_group, merge
from tukit_sysext.rules.link_names import MergeNameRefused, link_name_accepted, merge_name
from tukit_sysext.rules.systemd import SystemdVersion

pytestmark = pytest.mark.lab

ANY = {"ID": "_any"}
GOOD = "good"
TOOL = "tool"


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkCase:
    """An image with these extension-release files, linked as `stem` and `.raw`.

    `accepted` is for systemd 257, `accepted_252` for 252. Without accepting it, nothing at all is merged.
    """

    stem: str
    files: Mapping[str, bool | None]
    accepted: bool
    accepted_252: bool
    kind: ImageKind = "squashfs"

    def __str__(self) -> str:
        files = " ".join(f"{name}({strict})" if strict is not None else name for name, strict in self.files.items())
        return f"{self.kind} {self.stem} has {files}"


def _case(
    stem: str, files: Mapping[str, bool | None], accepted: bool, accepted_252: bool, kind: ImageKind = "squashfs"
) -> LinkCase:
    return LinkCase(stem=stem, files=files, accepted=accepted, accepted_252=accepted_252, kind=kind)


LINKS = (
    _case("x", {"x": None}, True, True),
    _case("x", {"x": None}, True, True, "erofs"),
    _case("x", {"x": None}, True, True, "gpt"),
    _case("x", {"x": True}, True, True),
    _case("y", {"x": None}, False, False),
    _case("y", {"x": None}, False, False, "erofs"),
    _case("y", {"x": True}, False, False),
    _case("y", {"x": False}, True, True),
    _case("y", {"x": False}, True, True, "erofs"),
    _case("y", {"x": False}, True, True, "gpt"),
    _case("X", {"x": None}, False, False),
    _case("xy", {"x": None}, False, False),
    # The name cut at its first _ or +
    _case("x_1", {"x": None}, True, False),
    _case("x+1", {"x": None}, True, False),
    _case("x_1.2+3-4_5", {"x": None}, True, False),
    _case("x_1", {"x": True}, True, False),
    _case("x_1", {"x_1": None}, True, True),
    _case("x", {"x_1": None}, False, False),
    _case("x_2", {"x_1": None}, False, False),
    _case("x-1", {"x": None}, False, False),
    _case("x-1.x86-64", {"x": None}, False, False),
    _case("x~1", {"x": None}, False, False),
    _case("_x", {"x": None}, False, False),
    # .sysext.raw is a suffix as a whole
    _case("x.sysext", {"x": None}, True, False),
    _case("x.sysext", {"x.sysext": None}, False, True),
    _case("x.confext", {"x": None}, True, False),
    _case("x.raw", {"x.raw": None}, False, False),
    _case("x.raw", {"x": None}, True, True),
    _case("x.raw", {"x": False}, True, True),
    _case("x.raw", {"y": False}, True, True),
    _case("x.sysext", {"y": False}, True, True),
    # More than one file
    _case("x", {"x": None, "z": None}, True, True),
    _case("x", {"x": None, "z": False}, True, True),
    _case("y", {"x": False, "z": None}, True, True),
    _case("y", {"x": None, "z": None}, False, False),
    _case("z_1", {"x": False, "z": None}, False, True),
    _case("x_1", {"x": False, "z": None}, True, True),
    # Characters that mean something to mount(8), or to a version
    _case("x:1", {"x:1": None}, False, False),
    _case("x:1", {"x": False}, False, False),
    _case("x,1", {"x,1": None}, False, False),
    _case("x\\1", {"x\\1": None}, False, False),
    _case("x 1", {"x 1": None}, True, True),
    _case("x=1", {"x=1": None}, True, True),
    _case("x@1", {"x@1": None}, True, True),
    _case("x~1", {"x~1": None}, True, True),
    _case("x^1", {"x^1": None}, True, True),
)  # fmt: skip

each_link = pytest.mark.parametrize("case", LINKS, ids=str)


def _link_image(case: LinkCase, folder: Path) -> bytes:
    relaxed = next((name for name, strict in case.files.items() if strict is not None), None)
    main = relaxed or next(iter(case.files))
    others = {f"lib/extension-release.d/extension-release.{name}": "ID=_any\n" for name in case.files if name != main}
    image = make_image(
        folder, TOOL, "1", release=ANY, kind=case.kind, release_name=main, strict=case.files[main], manifest=None,
        files={"share/tukit-sysext-test/tool": "1", **others},
    )  # fmt: skip
    return image.read_bytes()


def _merge_name(case: LinkCase) -> str | None:
    try:
        return merge_name(case.files, case.stem)
    except MergeNameRefused:
        return None


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("good")
    return make_image(folder, GOOD, "1", release=ANY, manifest=None).read_bytes()


def _ask_links(machine: Machine, good: bytes, folder: Path) -> dict[tuple[str, bool], Answer]:
    """What becomes of every case under its own name (False) and under merge_name's (True)."""
    keys: list[tuple[str, bool]] = []
    groups = []
    for case in LINKS:
        image = _link_image(case, folder)
        for renamed, stem in ((False, case.stem), (True, _merge_name(case))):
            if stem is not None:
                keys.append((str(case), renamed))
                groups.append(image_group(LEVELLED, {GOOD: good, stem: image}))
    return dict(zip(keys, merge(machine, groups), strict=True))


@pytest.fixture(scope="session")
def links_newer(
    newer: Machine, good: bytes, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, bool], Answer]:
    return _ask_links(newer, good, tmp_path_factory.mktemp("links"))


@pytest.fixture(scope="session")
def links_older(
    older: Machine, good: bytes, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, bool], Answer]:
    return _ask_links(older, good, tmp_path_factory.mktemp("links"))


def _hold_to(case: LinkCase, accepted: bool, answer: Answer, version: SystemdVersion) -> None:
    if accepted:
        assert answer.merged == {GOOD, TOOL}, answer.messages
        assert answer.status == 0, answer.messages
    else:
        assert answer.merged == set(), answer.messages
        # 252 says 0 where it was the mount that failed.
        assert answer.status != 0 or version.major == 252, answer.messages
    taken = link_name_accepted(case.stem, case.files, systemd_version=version)
    assert (taken is not None) == accepted


@each_link
def test_link_as_taken_by_257(case: LinkCase, newer: Machine, links_newer: Mapping[tuple[str, bool], Answer]) -> None:
    _hold_to(case, case.accepted, links_newer[str(case), False], newer.version)


@each_link
def test_link_as_taken_by_252(case: LinkCase, older: Machine, links_older: Mapping[tuple[str, bool], Answer]) -> None:
    _hold_to(case, case.accepted_252, links_older[str(case), False], older.version)


@each_link
def test_merge_name_is_taken_by_257(case: LinkCase, links_newer: Mapping[tuple[str, bool], Answer]) -> None:
    _hold_merge_name(case, links_newer)


@each_link
def test_merge_name_is_taken_by_252(case: LinkCase, links_older: Mapping[tuple[str, bool], Answer]) -> None:
    _hold_merge_name(case, links_older)


def _hold_merge_name(case: LinkCase, answers: Mapping[tuple[str, bool], Answer]) -> None:
    if _merge_name(case) is not None:
        answer = answers[str(case), True]
        assert answer.merged == {GOOD, TOOL}, answer.messages


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokenCase:
    """An image that is no good, and what a merge with a good one beside it does: (status is 0, good is merged)."""

    name: str
    make: Callable[[Path], bytes]
    newer: tuple[bool, bool]
    older: tuple[bool, bool]


def _plain(folder: Path, **more: Mapping[str, str]) -> bytes:
    release = more.get("release", ANY)
    return make_image(folder, TOOL, "1", release=release, manifest=None, files=more.get("files")).read_bytes()


BROKEN = (
    BrokenCase(name="whole", make=_plain, newer=(True, True), older=(True, True)),
    BrokenCase(name="truncated", make=lambda f: _plain(f)[:1000], newer=(False, False), older=(False, False)),
    BrokenCase(name="empty", make=lambda f: b"", newer=(False, False), older=(False, False)),
    BrokenCase(name="zeros", make=lambda f: bytes(8192), newer=(False, False), older=(False, False)),
    BrokenCase(
        name="does not fit", make=lambda f: _plain(f, release={"ID": "x"}), newer=(True, True), older=(True, True)
    ),
    BrokenCase(
        name="unreadable extension-release", make=lambda f: _plain(f, release={"ID": "_any", "N": "\udcff"}),
        newer=(True, True), older=(True, True),
    ),
    BrokenCase(
        name="holds usr/lib/os-release", make=lambda f: _plain(f, files={"lib/os-release": "ID=x\n"}),
        newer=(True, True), older=(True, False),
    ),
)  # fmt: skip

each_broken = pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)


def _ask_broken(machine: Machine, good: bytes, folder: Path) -> dict[str, Answer]:
    groups = [image_group(LEVELLED, {GOOD: good, TOOL: case.make(folder)}) for case in BROKEN]
    return dict(zip([case.name for case in BROKEN], merge(machine, groups), strict=True))


@pytest.fixture(scope="session")
def broken_newer(newer: Machine, good: bytes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    return _ask_broken(newer, good, tmp_path_factory.mktemp("broken"))


@pytest.fixture(scope="session")
def broken_older(older: Machine, good: bytes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    return _ask_broken(older, good, tmp_path_factory.mktemp("broken"))


@each_broken
def test_good_image_beside_a_bad_one_in_257(case: BrokenCase, broken_newer: Mapping[str, Answer]) -> None:
    answer = broken_newer[case.name]
    assert (answer.status == 0, GOOD in answer.merged) == case.newer, answer.messages


@each_broken
def test_good_image_beside_a_bad_one_in_252(case: BrokenCase, broken_older: Mapping[str, Answer]) -> None:
    answer = broken_older[case.name]
    assert (answer.status == 0, GOOD in answer.merged) == case.older, answer.messages
