# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an update takes away from linked images, by zypper's own words (of zypper 1.14.85, cut)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tukit_sysext.config.wanted import Attitude, WantedImage
from tukit_sysext.preflight import zypper
from tukit_sysext.preflight.taken_away import Needing, needs_of, taken_away, touched
from tukit_sysext.preflight.zypper import PackageChanges, Provider, changes, solvables
from tukit_sysext.requirements.capabilities import UNKNOWN, Package, Unknown
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.requirements.requirement import Requirement

UPDATE = """<?xml version='1.0'?>
<stream>
<message type="info">Computing distribution upgrade...</message>
<install-summary packages-to-change="3">
<to-upgrade>
<solvable type="package" name="libseal3" edition="3.4.1-1" arch="x86_64" edition-old="3.2.4-1">
<description>Made by tests.</description></solvable>
<solvable type="pattern" name="base" edition="2-1" arch="noarch"/>
</to-upgrade>
<to-install>
<solvable type="package" name="libgreet2" edition="1.2-1" arch="x86_64" repository="main"/>
<solvable type="package" name="kernel" edition="2-1" arch="x86_64" repository="main"/>
</to-install>
<to-remove>
<solvable type="package" name="libgreet1" edition="1.0-1" arch="x86_64" repository="@System"/>
<solvable type="package" name="kernel" edition="1-1" arch="x86_64" repository="@System"/>
</to-remove>
</install-summary>
<prompt id="0"><text>Continue?</text><option default="1" value="y" desc="Yes"/></prompt>
</stream>
"""
SEARCH = """<?xml version='1.0'?>
<stream>
<search-result version="0.0">
<solvable-list>
<solvable status="not-installed" name="libgreet2" kind="package" edition="1.2-1" arch="x86_64" repository="main"/>
<solvable status="installed" name="libseal3" kind="package" edition="3.2.4-1" arch="x86_64"/>
<solvable status="other-version" name="libseal3" kind="package" edition="3.4.1-1" arch="x86_64" repository="main"/>
<solvable status="not-installed" name="libseal3" kind="srcpackage" edition="3.4.1-1" arch="noarch" repository="main"/>
</solvable-list>
</search-result>
</stream>
"""
CHANGES = PackageChanges(
    comes={"libseal3": "3.4.1-1", "libgreet2": "1.2-1", "kernel": "2-1"}, goes=frozenset({"libgreet1"})
)
GREET, SEAL, OLD_SEAL, OTHER = (
    Requirement("libgreet.so.1()(64bit)"),
    Requirement("libseal.so.3()(64bit)"),
    Requirement("libseal3", "<", "3.4"),
    Requirement("libother.so.1()(64bit)"),
)
STRACE = Needing(image="strace 6.12", needs=frozenset({GREET, SEAL, OLD_SEAL, OTHER}))


class Installed:
    """What meets needs now, by a table."""

    unknown: str | None = None

    def __init__(self, met: Mapping[Requirement, Package | Unknown | None]) -> None:
        self._met = met

    def prepare(self, requirements: object, names: object = ()) -> None: ...

    def provides(self, requirement: Requirement) -> Package | Unknown | None:
        return self._met.get(requirement)

    def installed(self, name: str) -> Package | Unknown | None:
        return UNKNOWN


NOW = Installed(
    {
        GREET: Package("libgreet1", "1.0-1"),
        SEAL: Package("libseal3", "3.2.4-1"),
        OLD_SEAL: Package("libseal3", "3.2.4-1"),
        OTHER: Package("libother1", "1-1"),
    }
)


def test_what_zypper_would_do() -> None:
    assert changes(UPDATE) == CHANGES


def test_what_a_search_finds() -> None:
    assert solvables(SEARCH) == [
        Provider(name="libgreet2", evr="1.2-1", installed=False),
        Provider(name="libseal3", evr="3.2.4-1", installed=True),
        Provider(name="libseal3", evr="3.4.1-1", installed=False),
    ]


@pytest.mark.parametrize("answer", ["", "Root privileges are required.", UPDATE[:300]])
def test_what_is_no_answer_says_nothing(answer: str) -> None:
    assert changes(answer) is None


@pytest.mark.parametrize(
    ("attitude", "needs"),
    [
        (Attitude.WARN, {OLD_SEAL, SEAL, GREET}),
        (Attitude.REFUSE, {OLD_SEAL, SEAL, GREET}),
        (Attitude.IGNORE, {OLD_SEAL, SEAL}),
    ],
)
def test_what_an_image_needs(attitude: Attitude, needs: set[Requirement]) -> None:
    """By its own configuration (Requires=), by its publisher, and by its files where anybody wants to know."""
    wanted = WantedImage(name="strace", origin="", requires=(OLD_SEAL,), needs=attitude)

    assert set(needs_of(wanted, Contents(stated=(SEAL,), needs=(GREET.name,)))) == needs
    assert set(needs_of(wanted, None)) == {OLD_SEAL}


def test_what_does_not_change_is_not_asked_for_and_what_goes_comes_first() -> None:
    assert list(touched([STRACE], NOW, CHANGES)) == [GREET, SEAL, OLD_SEAL]
    assert list(touched([STRACE], Installed({GREET: UNKNOWN, SEAL: None}), CHANGES)) == []


OLD = Provider(name="libseal3", evr="3.2.4-1", installed=True)
NEW = Provider(name="libseal3", evr="3.4.1-1", installed=False)
GOES = Provider(name="libgreet1", evr="1.0-1", installed=True)


@pytest.mark.parametrize(
    ("providers", "told"),
    [
        ({GREET: [GOES]}, ["the update takes away libgreet1, from which strace 6.12 has libgreet.so.1()(64bit)"]),
        ({GREET: [GOES, Provider(name="libgreet2", evr="1.2-1", installed=False)]}, []),
        ({GREET: [GOES, Provider(name="compat", evr="1-1", installed=True)]}, []),
        ({GREET: []}, ["the update takes away libgreet1, from which strace 6.12 has libgreet.so.1()(64bit)"]),
        ({SEAL: [OLD, NEW]}, []),
        ({OLD_SEAL: [OLD]}, ["the update changes libseal3, from which strace 6.12 has libseal3 < 3.4"]),
        ({}, []),
    ],
)
def test_what_is_taken_away(providers: Mapping[Requirement, Sequence[Provider]], told: list[str]) -> None:
    met = touched([STRACE], NOW, CHANGES)
    assert list(taken_away([STRACE], met, providers, CHANGES)) == told


@pytest.mark.parametrize("script", ["exit 7", "kill -9 $$", "echo '<stream>'", "exec sleep 60"])
def test_a_zypper_that_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Locked by another one, killed, cut, or too slow: nobody knows, and that is no warning."""
    program = tmp_path / "zypper"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(zypper, "ZYPPER", str(program))
    monkeypatch.setattr(zypper, "_UPDATE_TIMEOUT", 1.0)
    assert zypper.update() is None


def test_without_zypper_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zypper, "ZYPPER", str(tmp_path / "nothing"))
    assert zypper.update() is None
    assert zypper.providers([GREET]) == {}


def test_searching_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "zypper"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{SEARCH}END\n")
    program.chmod(0o755)
    monkeypatch.setattr(zypper, "ZYPPER", str(program))
    assert list(zypper.providers([GREET, SEAL])) == [GREET, SEAL]
    monkeypatch.setattr(zypper, "_SEARCHING", -1.0)
    assert zypper.providers([GREET, SEAL]) == {}
