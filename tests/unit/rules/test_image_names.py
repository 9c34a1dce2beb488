# SPDX-License-Identifier: LGPL-2.1-or-later
"""What names of published files hint at: those that publishers really have, and those that have several readings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.published_names import NAMES, NO_IMAGES, PublishedName
from tukit_sysext.rules.image_names import (
    PACKINGS,
    ImageName,
    read_image_name,
    readings,
    stem_of,
    unpacked_name,
    unusable,
)


@pytest.mark.parametrize("row", NAMES, ids=lambda row: row.file)
def test_what_publishers_have(row: PublishedName) -> None:
    assert read_image_name(row.file, [row.wanted]) == ImageName(
        name=row.name, version=row.version, architecture=row.architecture, version_id=row.version_id
    )


@pytest.mark.parametrize("file_name", NO_IMAGES)
def test_no_image(file_name: str) -> None:
    assert readings(file_name) == ()
    assert read_image_name(file_name, ["foo"]) is None


def test_the_table_is_large_enough() -> None:
    assert len({row.file for row in NAMES}) >= 40
    assert len({row.file for row in NAMES if row.pattern}) >= 30


@pytest.mark.parametrize(
    ("word", "architecture"),
    [
        ("x86-64", "x86-64"), ("x86_64", "x86-64"), ("amd64", "x86-64"), ("i686", "x86"), ("aarch64", "arm64"),
        ("arm64", "arm64"), ("armv7hl", "arm"), ("armhf", "arm"), ("ppc64le", "ppc64-le"), ("ppc64el", "ppc64-le"),
        ("ppc64-le", "ppc64-le"), ("ppc64", "ppc64"), ("s390x", "s390x"), ("riscv64", "riscv64"),
        ("loongarch64", "loongarch64"), ("loong64", "loongarch64"), ("mips64el", "mips64-le"), ("noarch", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("separator", [".", "-", "_"])
def test_every_spelling_in_every_form(separator: str, word: str, architecture: str | None) -> None:
    between = "_" if separator == "_" else "-"
    for suffix in (".raw", ".sysext.raw"):
        (reading,) = readings(f"tool{between}1.0{separator}{word}{suffix}")
        assert (reading.name, reading.version, reading.architecture) == ("tool", "1.0", architecture)


@pytest.mark.parametrize("packing", PACKINGS)
def test_packed(packing: str) -> None:
    (reading,) = readings(f"debdev_20260101_x86-64.raw.{packing}")
    assert (reading.name, reading.version, reading.packing) == ("debdev", "20260101", packing)
    assert not unusable(f"debdev_20260101_x86-64.raw.{packing}")
    assert unpacked_name(f"debdev_20260101_x86-64.raw.{packing}") == ("debdev_20260101_x86-64.raw", packing)


@pytest.mark.parametrize("name", ["tool-1.raw", "tool-1.tar.xz", "xz", ".xz", "tool-1.raw.zip", "tool-1.raw.XZ"])
def test_not_packed(name: str) -> None:
    assert unpacked_name(name) == (name, "")


def test_a_confext_is_told_apart() -> None:
    (reading,) = readings("motd-1.0.x86-64.confext.raw")
    assert (reading.name, reading.kind) == ("motd", "confext")
    assert "confext" in unusable("motd-1.0.x86-64.confext.raw")
    assert unusable("motd-1.0.x86-64.sysext.raw") == unusable("motd.img") == ""


class TestSeveralReadings:
    def test_the_wanted_one(self) -> None:
        file_name = "k3s-1.31.5+k3s1-4.2.x86-64.raw"
        for name, version in (("k3s", "1.31.5+k3s1-4.2"), ("k3s-1.31.5+k3s1", "4.2")):
            reading = read_image_name(file_name, ["gdb", name])
            assert reading is not None
            assert (reading.name, reading.version) == (name, version)

    def test_of_several_wanted_ones_the_longest(self) -> None:
        reading = read_image_name("k3s-1.31.5+k3s1-4.2.x86-64.raw", ["k3s", "k3s-1.31.5+k3s1"])
        assert reading is not None
        assert reading.name == "k3s-1.31.5+k3s1"

    @pytest.mark.parametrize(
        ("file_name", "name"),
        [
            ("gcc-13-13.4.0-x86-64.raw", "gcc"),
            ("gcc-13-13.4.0.x86-64.raw", "gcc"),
            ("gcc_13_13.4.0_arm64.raw", "gcc"),
            ("gcc-13-v13.4.0.raw", "gcc"),
            ("kubernetes-1.35-1.35.0-1.fc42-42-x86-64.raw", "kubernetes"),
            ("foo-2-tools-1.0-x86-64.raw", "foo"),
        ],
    )
    def test_a_series_belongs_to_the_name(self, file_name: str, name: str) -> None:
        """However much it is wanted, gcc is not gcc-13."""
        assert name not in {reading.name for reading in readings(file_name)}
        assert readings(file_name)


@pytest.mark.parametrize(
    ("file_name", "stem"),
    [("gdb-1.x86-64.raw", "gdb-1.x86-64"), ("gdb-1.sysext.raw.xz", "gdb-1"), ("gdb-1.img", "gdb-1"), ("gdb", "gdb")],
)
def test_stem(file_name: str, stem: str) -> None:
    assert stem_of(file_name) == stem


@given(st.text(alphabet="ab1.-_~x86 4raw", max_size=20))
def test_takes_any_name(stem: str) -> None:
    found = readings(stem + ".raw")
    assert all(reading.name and reading.version for reading in found)
    assert len({reading.name for reading in found}) == len(found)
