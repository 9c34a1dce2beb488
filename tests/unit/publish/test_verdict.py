# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which images are not published, and what a publisher is told of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.publish.made import RELEASE, SHA256, image_file
from tukit_sysext.publish.verdict import describing, label_note, notes, refusals

MANIFEST = "gdb-1.0.x86-64.manifest.gz"


def test_a_good_image() -> None:
    image = image_file()
    assert list(refusals(image)) == []
    assert list(notes(image, {})) == []


@pytest.mark.parametrize(
    ("keys", "refused"),
    [
        ({"called": "gdb-tools"}, "its content calls itself gdb-tools, its file name gdb"),
        ({"broken": "has usr/lib/os-release"}, "has usr/lib/os-release"),
        ({"release": {"SYSEXT_LEVEL": "glibc-2.42"}}, "has no ID"),
        ({"release": {**RELEASE, "SYSEXT_SCOPE": "portable initrd"}}, "SYSEXT_SCOPE is portable initrd"),
        ({"release": {**RELEASE, "SYSEXT_SCOPE": ""}}, "SYSEXT_SCOPE is empty"),
        ({"release": {**RELEASE, "ARCHITECTURE": "arm64"}}, "ARCHITECTURE is arm64, its file name says x86-64"),
        ({"release": {**RELEASE, "ARCHITECTURE": "x86_64"}}, "which no system has: expected x86-64"),
        ({"release": {**RELEASE, "ARCHITECTURE": "amd65"}}, "expected a word of systemd.unit(5)"),
        ({"name": "g db-1.0.x86-64.raw", "called": "g db"}, "expected ASCII letters"),
    ],
)
def test_what_clients_would_not_take(keys: Mapping[str, Any], refused: str) -> None:
    (reason,) = refusals(image_file(**keys))
    assert refused in reason


@pytest.mark.parametrize(
    "release",
    [
        {**RELEASE, "SYSEXT_SCOPE": "initrd system"},
        {**RELEASE, "ARCHITECTURE": "_any"},
        {"ID": "_any"},
        {"ID": "opensuse-microos", "VERSION_ID": "20261101"},
    ],
)
def test_what_clients_take(release: Mapping[str, str]) -> None:
    assert list(refusals(image_file(release=release))) == []


@pytest.mark.parametrize("called", ["gdb", "gdb-1.0", "gdb-1.0.x86-64"])
def test_what_an_image_may_call_itself(called: str) -> None:
    """Its name, also with its version, or as mkosi has it what its file is called."""
    assert list(refusals(image_file(called=called))) == []


@pytest.mark.parametrize(
    ("keys", "note"),
    [
        ({"release": {"ID": "arch", "ARCHITECTURE": "x86-64"}}, "neither SYSEXT_LEVEL nor VERSION_ID"),
        ({"release": {"ID": "_any"}}, "has no ARCHITECTURE"),
        ({"size": 5 << 30}, "larger than the 4G"),
        ({"mode": 0o100600}, "only its owner can read it"),
        ({"said": {MANIFEST: {**RELEASE, "SYSEXT_LEVEL": "glibc-2.43"}}}, f"something else than the image: {MANIFEST}"),
        ({"name": "k3s-1.31-4.2.x86-64.raw", "called": "k3s"}, "its file name reads as k3s-1.31 4.2 too"),
    ],
)  # fmt: skip
def test_what_may_not_be_meant(keys: Mapping[str, Any], note: str) -> None:
    (said,) = notes(image_file(**keys), {})
    assert note in said


def test_another_content_under_a_listed_name() -> None:
    image = image_file()
    assert list(notes(image, {image.file_name: SHA256})) == []
    (said,) = notes(image, {image.file_name: "b" * 64})
    assert "another content than was listed" in said


def test_descriptions_that_say_the_same_count() -> None:
    other = {**RELEASE, "ID": "_any"}
    image = image_file(said={MANIFEST: other, "gdb-1.0.x86-64.manifest": RELEASE, "gdb-1.0.x86-64.raw.json": None})
    assert [each.file_name for each in describing(image)] == ["gdb-1.0.x86-64.manifest"]


@pytest.mark.parametrize(
    ("labels", "needs", "note"),
    [
        ((7, 0), (), ""),
        ((0, 7), (), "none"),
        ((5, 2), (), "no SELinux label on usr/bin/gdb and 1 more"),
        ((0, 0), (), ""),
        ((0, 0), None, "not known"),
        ((7, 0), None, ""),  # a former version counted them, and looked for nothing else
    ],
)
def test_labels(labels: tuple[int, int], needs: tuple[str, ...] | None, note: str) -> None:
    content = image_file(labels=labels, needs=needs).content
    assert content is not None
    assert label_note(content) == note
