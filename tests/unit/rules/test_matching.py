# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rule for extension images. That it is systemd's is shown by tests/truth/test_matching.py, with the same table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.truth.merge_cases import CASES, LEVELLED, Case
from tukit_sysext.rules.matching import Compatibility, Host, Kind, RuleResult, Scope, check
from tukit_sysext.rules.release import ReleaseData, parse
from tukit_sysext.rules.systemd import SystemdVersion

HOST = parse(LEVELLED)
VERSIONS = [None, 249, 250, 251, 252, 254, 256, 257, SystemdVersion(257, 13), 258, 259, 262, 300]


def system(release: ReleaseData, version: int | SystemdVersion | None) -> Host:
    return Host(release=release, architecture="x86-64", systemd=version)


def verdict(
    extension: str | None,
    *,
    host: ReleaseData = HOST,
    version: int | SystemdVersion | None = 257,
    kind: Kind = "sysext",
    scope: Scope = "system",
) -> Compatibility:
    release = None if extension is None else parse(extension)
    return check(system(host, version), release, kind=kind, scope=scope)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_table_of_the_truth(case: Case) -> None:
    found = verdict(
        case.extension, host=parse(case.host), version=SystemdVersion(257, 13), kind=case.kind, scope=case.scope
    )
    assert found.fits == case.fits, found.reason


@pytest.mark.parametrize(
    ("extension", "fits", "reason"),
    [
        ("ID=opensuse-microos\nVERSION_ID=20260304\n", False, "VERSION_ID is 20260304, the system has 20261101"),
        ("ID=opensuse-microos\nVERSION_ID=20261101\n", True, "VERSION_ID is 20261101, as the system's"),
        ("ID=opensuse-microos\n", False, "VERSION_ID is not set, the system has 20261101"),
        (
            "ID=opensuse-microos\nSYSEXT_LEVEL=glibc-2.41\n",
            False,
            "SYSEXT_LEVEL is glibc-2.41, the system has glibc-2.42",
        ),
        ("ID=opensuse-microos\nSYSEXT_LEVEL=glibc-2.42\n", True, "SYSEXT_LEVEL is glibc-2.42, as the system's"),
        ("ID=fedora\n", False, "ID is fedora, the system has opensuse-microos"),
        ("VERSION_ID=1\n", False, "ID is not set, the system has opensuse-microos"),
        ("ID=_any\n", True, "ID is _any: the image fits every system"),
        ("ID=_any\nARCHITECTURE=arm64\n", False, "ARCHITECTURE is arm64, the system has x86-64"),
        (
            "ID=_any\nSYSEXT_SCOPE=portable\n",
            False,
            "SYSEXT_SCOPE is portable, the image is to be used in scope system",
        ),
        (
            "ID=suse\nVERSION_ID=20261101\n",
            False,
            "ID is suse, the system has opensuse-microos (systemd 257 is not taken to look at ID_LIKE, which has it)",
        ),
        (None, False, "the image has no extension-release"),
        ("", False, "extension-release of the image is empty"),
        ("ID=_any\nX=a\0b", False, "extension-release of the image cannot be used: it holds a NUL character"),
    ],
)
def test_reason(extension: str | None, fits: bool, reason: str) -> None:
    found = verdict(extension)
    assert (found.fits, found.reason) == (fits, reason)


@pytest.mark.parametrize(
    ("extension", "yes", "no"),
    [
        # What an older systemd did not have
        ("ID=opensuse-microos\nSYSEXT_LEVEL=glibc-2.42\nSYSEXT_SCOPE=portable\n", [249], [250, 252, 257, None]),
        ("ID=opensuse-microos\nSYSEXT_LEVEL=glibc-2.42\nARCHITECTURE=arm64\n", [250, 251], [252, 257, None]),
        ("ID=_any\n", [252, 257, 300, None], [250, 251]),
        (
            "ID=opensuse\nSYSEXT_LEVEL=glibc-2.42\n",
            [258, 259, 300, SystemdVersion(257, 8), SystemdVersion(257, 13)],
            [None, 252, 256, 257, SystemdVersion(257, 7), SystemdVersion(256, 12)],
        ),
        # What a newer one will look at: the system has no IMAGE_ID
        ("ID=_any\nIMAGE_ID=appliance\n", [252, 257, 261], [262, 300, None]),
        ("ID=_any\nIMAGE_VERSION=7\n", [252, 257, 261], [262, 300, None]),
    ],
)
def test_version_of_systemd(
    extension: str, yes: list[int | SystemdVersion | None], no: list[int | SystemdVersion | None]
) -> None:
    assert [version for version in yes if not verdict(extension, version=version).fits] == []
    assert [version for version in no if verdict(extension, version=version).fits] == []


def test_rolling_host_and_old_systemd() -> None:
    host = parse("ID=arch\n")
    assert not verdict("ID=arch\n", host=host, version=250).fits
    assert verdict("ID=arch\n", host=host, version=251).fits
    assert verdict("ID=arch\n", host=host, version=None).fits


def test_confext_came_with_254() -> None:
    assert not verdict("ID=_any\n", version=252, kind="confext").fits
    assert verdict("ID=_any\n", version=254, kind="confext").fits


def test_findings_have_every_rule_in_order_whatever_decides() -> None:
    rules = [
        "release-data", "scope", "architecture", "image-id", "image-version",
        "id", "id-like", "rolling", "level", "version-id",
    ]  # fmt: skip
    for case in CASES:
        for version in VERSIONS:
            extension = None if case.extension is None else parse(case.extension)
            found = check(system(parse(case.host), version), extension, kind=case.kind, scope=case.scope)
            assert [finding.rule for finding in found.results] == rules, case.name


def test_findings_have_the_values() -> None:
    found = verdict("ID=opensuse\nVERSION_ID=20260304\nARCHITECTURE=_any\n", version=258)
    by_rule = {finding.rule: finding for finding in found.results}
    assert by_rule["architecture"] == RuleResult(rule="architecture", fits=True, host="x86-64", extension="_any")
    assert by_rule["id"] == RuleResult(rule="id", fits=False, host="opensuse-microos", extension="opensuse")
    assert by_rule["id-like"] == RuleResult(rule="id-like", fits=True, host="suse opensuse", extension="opensuse")
    assert by_rule["level"] == RuleResult(rule="level", fits=None)
    assert by_rule["version-id"] == RuleResult(rule="version-id", fits=False, host="20261101", extension="20260304")


def test_what_comes_after_the_decision_was_not_looked_at() -> None:
    found = verdict("ID=_any\nARCHITECTURE=arm64\nVERSION_ID=1\n")
    after = [finding for finding in found.results if finding.rule not in ("release-data", "scope", "architecture")]
    assert {finding.fits for finding in after} == {None}


def test_values_of_others_are_shown_harmlessly() -> None:
    found = verdict("ID='x\ny\x1b[31m\u202e'\n")
    assert found.reason == "ID is x\\ny\\x1b[31m\\u202e, the system has opensuse-microos"
    assert len(verdict("ID=" + "x" * 5000).reason) < 300


RELEASES = st.dictionaries(
    st.sampled_from(
        ["ID", "ID_LIKE", "VERSION_ID", "SYSEXT_LEVEL", "SYSEXT_SCOPE", "ARCHITECTURE", "IMAGE_ID", "IMAGE_VERSION"]
    ),
    st.sampled_from(["", "a", "b", "a b", "_any", "system", "x86-64", "system portable", "a\nb", "\udcff"]),
).map(ReleaseData)


@given(RELEASES, RELEASES)
def test_unknown_version_is_the_strictest(host: ReleaseData, extension: ReleaseData) -> None:
    if check(system(host, None), extension).fits:
        for version in (252, 254, 257, SystemdVersion(257, 13), 258, 262):
            assert check(system(host, version), extension).fits


@given(RELEASES, st.none() | RELEASES, st.sampled_from(VERSIONS))
def test_always_says_why(
    host: ReleaseData, extension: ReleaseData | None, version: int | SystemdVersion | None
) -> None:
    found = check(system(host, version), extension)
    assert found.reason.isprintable()
    if found.fits:
        # ID alone may say no and be overruled by ID_LIKE
        assert all(finding.fits is not False for finding in found.results if finding.rule != "id")
    else:
        assert any(finding.fits is False for finding in found.results)
