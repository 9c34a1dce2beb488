# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which image a published file is in one tree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.records import sha256
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.formats.checksums import parse
from tukit_sysext.rules.patterns import specifiers
from tukit_sysext.sources import repository
from tukit_sysext.sources.candidate import Candidate, Reading
from tukit_sysext.sources.naming import Naming, NotUnderstood, patterns_of

VALUES = specifiers({"VERSION_ID": "42"}, architecture="x86-64", kernel="6.12")


def listed(*names: str) -> list[Candidate]:
    content = "".join(f"{sha256(name.encode())}  {name}\n" for name in names)
    settings = SourceSettings(name="main", origin="main.conf")
    return repository.candidates(
        parse(content.encode(), where="list"), settings, signer=None, locations=lambda name: [name]
    )


def one(name: str, naming: Naming) -> Candidate | NotUnderstood | None:
    (file,) = listed(name)
    return naming.read(file)


def test_the_likeliest_reading() -> None:
    read = one("k3s-1.31.5+k3s1-4.2.x86-64.raw", Naming())
    assert isinstance(read, Candidate)
    assert (read.name, read.version, read.reading) == ("k3s-1.31.5+k3s1", "4.2", Reading.LIKELIEST)


def test_the_wanted_reading() -> None:
    read = one("k3s-1.31.5+k3s1-4.2.x86-64.raw", Naming(wanted=frozenset({"k3s"})))
    assert isinstance(read, Candidate)
    assert (read.name, read.version, read.reading) == ("k3s", "1.31.5+k3s1-4.2", Reading.OTHER)
    assert read.architecture == "x86-64"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("grype.sysext.raw", "does not tell"), ("motd-1.confext.raw", "confext"), ("install.img", "does not tell")],
)
def test_what_is_no_image_is_said(name: str, reason: str) -> None:
    read = one(name, Naming(wanted=frozenset({"grype", "motd", "install"})))
    assert isinstance(read, NotUnderstood)
    assert (read.source, read.file_name) == ("main", name)
    assert reason in read.reason


def test_what_nobody_would_take_for_one() -> None:
    assert one("openSUSE-MicroOS.x86_64-kvm-and-xen.qcow2", Naming()) is None


def test_descriptions_are_no_files_of_their_own() -> None:
    files = listed("gdb-1.x86-64.raw", "gdb-1.x86-64.manifest.gz", "gdb-1.x86-64.raw.json", "gdb-1.x86-64.manifest")
    assert [file.file_name for file in files] == ["gdb-1.x86-64.raw"]


def test_what_a_source_of_a_plugin_says_stays() -> None:
    (file,) = listed("gdb-1.x86-64.raw")
    given = Candidate(
        name="debugger", version="9", architecture=None, file_name=file.file_name, sha256=file.sha256, size=None,
        source="plugin", priority=99, signer=None, description=None, locations=(),
    )  # fmt: skip
    assert Naming(wanted=frozenset({"gdb"})).read(given) is given


class TestPatterns:
    """MatchPattern= of a source and of an image."""

    SOURCE = Naming(of_sources={"main": patterns_of(["gcc-13-@v-%a.raw", "tools_@v.img"], VALUES)})

    @pytest.mark.parametrize(
        ("file", "name", "version"),
        [("gcc-13-13.4.0-x86-64.raw", "gcc-13", "13.4.0"), ("gcc-13-9-x86-64.raw", "gcc-13", "9"),
         ("tools_1.img", "tools", "1")],
    )  # fmt: skip
    def test_of_a_source(self, file: str, name: str, version: str) -> None:
        read = one(file, self.SOURCE)
        assert isinstance(read, Candidate)
        assert (read.name, read.version, read.reading) == (name, version, Reading.PATTERN)

    @pytest.mark.parametrize("file", ["gdb-15.2.x86-64.raw", "gcc-13-13.4.0-arm64.raw", "grype.sysext.raw"])
    def test_what_no_pattern_of_the_source_matches(self, file: str) -> None:
        read = one(file, self.SOURCE)
        assert isinstance(read, NotUnderstood)
        assert "MatchPattern= of the source" in read.reason

    def test_nothing_stands_behind_a_pattern(self) -> None:
        naming = Naming(of_sources={"main": patterns_of(["tools_@v"], VALUES)})
        assert isinstance(one("tools_1.img", naming), Candidate)
        assert isinstance(one("gcc-13-13.4.0-x86-64.raw.img", self.SOURCE), NotUnderstood)

    def test_of_an_image(self) -> None:
        naming = Naming(wanted=frozenset({"k3s"}), of_images={"k3s": patterns_of(["k3s@v.sysext.raw"], VALUES)})
        read = one("k3sv1.32.1.k3s0.sysext.raw", naming)
        assert isinstance(read, Candidate)
        assert (read.name, read.version) == ("k3s", "v1.32.1.k3s0")

    def test_an_image_has_no_other_files_then(self) -> None:
        naming = Naming(wanted=frozenset({"gcc"}), of_images={"gcc": patterns_of(["gcc-@v.raw"], VALUES)})
        read = one("gcc_9.raw", naming)
        assert isinstance(read, NotUnderstood)
        assert "MatchPattern= of the image" in read.reason

    def test_that_of_an_image_is_stronger(self) -> None:
        naming = replace(self.SOURCE, of_images={"gcc": patterns_of(["gcc-13-@v-%a.raw"], VALUES)})
        read = one("gcc-13-13.4.0-x86-64.raw", naming)
        assert isinstance(read, Candidate)
        assert read.name == "gcc"

    def test_no_pattern_makes_a_sysext_of_a_confext(self) -> None:
        naming = Naming(of_sources={"main": patterns_of(["motd-@v.confext.raw"], VALUES)})
        assert isinstance(one("motd-1.confext.raw", naming), NotUnderstood)

    def test_a_packed_one(self) -> None:
        naming = Naming(of_sources={"main": patterns_of(["motd-@v.raw.xz"], VALUES)})
        read = one("motd-1.raw.xz", naming)
        assert isinstance(read, Candidate)
        assert (read.name, read.version) == ("motd", "1")

    def test_a_hash_that_is_not_that_of_the_list(self) -> None:
        naming = Naming(of_sources={"main": patterns_of(["x-@v-@h.raw"], VALUES)})
        assert isinstance(one(f"x-1-{'ab' * 32}.raw", naming), NotUnderstood)

    def test_one_that_is_none_in_this_tree_matches_nothing(self) -> None:
        """Where VERSION_ID parts two wildcards, and the tree has none."""
        assert patterns_of(["x-@v%w@s.raw"], {**VALUES, "%w": ""}) == ()
        assert len(patterns_of(["x-@v%w@s.raw"], VALUES)) == 1
