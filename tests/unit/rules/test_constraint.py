# SPDX-License-Identifier: LGPL-2.1-or-later
"""``Version=``: what a specifier allows of the versions that RPM, Debian and upstream have."""

from __future__ import annotations

import pytest

from tukit_sysext.rules.constraint import check_specifier, disallows, names_prerelease


@pytest.mark.parametrize(
    ("specifier", "version", "allowed"),
    [
        ("<29", "5+29.1.2_13", False),
        ("<30", "5+29.1.2_13", True),
        ("~=29.1", "5:29.1.2-1~debian.13~trixie", True),
        (">=140,<141", "140.0-1.fc42", True),
        (">=141", "140.0-1.fc42", False),
        ("==140.0", "140.0-1.fc42", True),
        ("<=140.0", "140.0-3.fc42", True),
        (">15.2", "15.2-1.1", False),
        ("==29.1.*", "3_29.1.2-1.fc42", True),
        ("~=1.31.0", "v1.31.5+k3s1", True),
        ("~=1.31.0", "v1.32.0+k3s1", False),
        ("==1.31.5+k3s1", "v1.31.5+k3s1", True),
        ("<24.1", "24.0.9+1", True),
        (">=2026.3", "2026-03-04", True),
        ("===latest", "latest", True),
        ("===140.0-1.fc42", "140.0-1.fc42", True),
        ("===140.0-1.fc42", "140.0-2.fc42", False),
    ],
)
def test_versions_of_packages(specifier: str, version: str, allowed: bool) -> None:
    reason = disallows(check_specifier(specifier), version)
    assert (not reason) is allowed
    assert allowed or "does not allow it" in reason


@pytest.mark.parametrize("version", ["3.4a", "1.1.1w", "latest", "r5", "2024a"])
def test_what_cannot_be_compared_is_said(version: str) -> None:
    assert disallows(">=1", version) == f"Version=>=1 cannot be asked about {version}, which cannot be compared"


@pytest.mark.parametrize("specifier", [">=140.0-1", ">=5:29", "<1!30", "==15.2-1"])
def test_a_specifier_that_could_never_be_fulfilled(specifier: str) -> None:
    with pytest.raises(ValueError, match="without an epoch and without the release of a package"):
        check_specifier(specifier)


@pytest.mark.parametrize("specifier", ["", " ", "29", "<29 or >30", ">=1.0-1.fc42"])
def test_no_specifier(specifier: str) -> None:
    with pytest.raises(ValueError, match=r"^expected "):
        check_specifier(specifier)


@pytest.mark.parametrize(
    ("specifier", "version", "prereleases", "allowed"),
    [
        (">=2.40,<3", "2.43~rc1", False, False),
        (">=2.40,<3", "2.43~rc1", True, True),
        (">=2.40rc0", "2.43-rc.1", False, True),
        (">=2.43", "2.43~rc1", True, False),
        (">=6", "6.12~git20260101", False, False),
    ],
)
def test_pre_releases(specifier: str, version: str, prereleases: bool, allowed: bool) -> None:
    assert (not disallows(specifier, version, prereleases=prereleases)) is allowed


def test_a_specifier_asks_for_pre_releases_by_naming_one() -> None:
    assert names_prerelease(">=1.0rc0")
    assert not names_prerelease(">=1.0")
