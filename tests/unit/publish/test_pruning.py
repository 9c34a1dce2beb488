# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which versions stay listed, and which files go."""

from __future__ import annotations

from datetime import date, timedelta

from tests.unit.publish.made import RELEASE, image_file
from tukit_sysext.publish.pruning import due, newest

TODAY = date(2026, 11, 29)
OTHER = {**RELEASE, "SYSEXT_LEVEL": "glibc-2.43"}


def test_without_a_number_all_stay() -> None:
    images = [image_file(f"gdb-{version}.x86-64.raw") for version in ("1.0", "1.1")]
    assert list(newest(images, None)) == images


def test_the_newest_of_each_image_for_each_system() -> None:
    """The newest is no reason to take an older system's last image away."""
    images = [
        image_file("gdb-9.0.x86-64.raw"),
        image_file("gdb-10.0.x86-64.raw"),
        image_file("gdb-10.1.x86-64.raw"),
        image_file("gdb-11.0.x86-64.raw", OTHER),
        image_file("gdb-2.0.arm64.raw", {**RELEASE, "ARCHITECTURE": "arm64"}),
        image_file("strace-1.0.x86-64.raw"),
        image_file("k3s-1.0.x86-64.raw", {"ID": "_any", "VERSION_ID": "1"}),
        image_file("k3s-1.1.x86-64.raw", {"ID": "_any", "VERSION_ID": "2"}),
    ]
    kept = [image.file_name for image in newest(images, 2)]
    assert kept == sorted(image.file_name for image in images if image.file_name != "gdb-9.0.x86-64.raw")
    assert [image.file_name for image in newest(images, 1)] == [
        "gdb-10.1.x86-64.raw",
        "gdb-11.0.x86-64.raw",
        "gdb-2.0.arm64.raw",
        "k3s-1.1.x86-64.raw",
        "strace-1.0.x86-64.raw",
    ]


def test_a_pre_release_takes_no_release_s_place() -> None:
    images = [image_file(f"gdb-{version}.x86-64.raw") for version in ("1.0", "1.1", "2.0rc1", "2.0rc2")]
    assert [image.hint.version for image in newest(images, 1)] == ["1.1", "2.0rc2"]


def test_a_version_may_have_several_files() -> None:
    """One for each VERSION_ID is the rule; whatever they are, a version stays whole."""
    images = [image_file("gdb-1.0.x86-64.raw"), image_file("gdb_1.0_x86-64.raw"), image_file("gdb-0.9.x86-64.raw")]
    assert [image.file_name for image in newest(images, 1)] == ["gdb-1.0.x86-64.raw", "gdb_1.0_x86-64.raw"]


def test_a_file_goes_90_days_after_it_was_listed_last() -> None:
    listed = {
        "old": TODAY - timedelta(days=90),
        "young": TODAY - timedelta(days=89),
        "to come": TODAY + timedelta(days=9),
    }
    assert list(due(listed, TODAY)) == ["old"]
