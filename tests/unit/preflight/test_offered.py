# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which release of the running system repositories offer."""

from __future__ import annotations

import pytest

from tukit_sysext.preflight.offered import Statement, System, of_cpe, of_product, of_release, offered
from tukit_sysext.rules.release import ReleaseData

MICROOS = System(vendor="opensuse", product="microos", version="20260801")
SL_MICRO = System(vendor="suse", product="sl-micro", version="6.1")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("cpe:/o:opensuse:opensuse:20260801", ("opensuse", "opensuse", "20260801")),
        ("cpe:/o:opensuse:MicroOS:20260801", ("opensuse", "microos", "20260801")),
        ("cpe:2.3:o:opensuse:microos:20260801:*:*:*:*:*:*:*", ("opensuse", "microos", "20260801")),
        ("cpe:/o:suse:sl-micro:6.1", ("suse", "sl-micro", "6.1")),
        ("cpe:/o:suse:sles:15:sp4", ("suse", "sles", "15.4")),
        ("cpe:/o:suse:sles:15", ("suse", "sles", "15")),
        ("cpe:/a:suse:sles:15", None),
        ("cpe:/o:opensuse:microos", None),
        ("cpe:/o::microos:1", None),
        ("cpe:/o:opensuse:microos:../etc", None),
        ("cpe:/o:opensuse:microos:%0a1", ("opensuse", "microos", "1")),
        ("cpe:/o:opensuse:microos:1%0a2", None),
        ("", None),
    ],
)
def test_cpe_names(name: str, found: tuple[str, str, str] | None) -> None:
    expected = None if found is None else System(vendor=found[0], product=found[1], version=found[2])
    assert of_cpe(name) == expected


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"CPE_NAME": "cpe:/o:opensuse:microos:20260801", "VERSION_ID": "20260801"}, MICROOS),
        ({"CPE_NAME": "cpe:/o:suse:sl-micro:6.1", "VERSION_ID": "6.1"}, SL_MICRO),
        ({"ID": "opensuse-microos", "VERSION_ID": "20260801"}, MICROOS),
        ({"ID": "opensuse", "VERSION_ID": "20260801"}, None),
        ({"ID": "sl-micro", "VERSION_ID": "6.1"}, None),
        ({"VERSION_ID": "20260801"}, None),
        ({"CPE_NAME": "cpe:/o:opensuse:microos:20260801"}, None),
        ({}, None),
    ],
)
def test_the_running_system(keys: dict[str, str], found: System | None) -> None:
    assert of_release(ReleaseData(keys)) == found


def said(text: str, *, priority: int = 99) -> Statement:
    system = of_cpe(text) if text.startswith("cpe:") else of_product(*text.split())
    assert system is not None
    return Statement(repository=text, system=system, fresh=True, priority=priority)


NEXT = said("cpe:/o:opensuse:opensuse:20260815")


@pytest.mark.parametrize(
    ("running", "statements", "found"),
    [
        (MICROOS, [], None),
        (MICROOS, [NEXT], "20260815"),
        (MICROOS, [said("openSUSE 20260815")], "20260815"),
        (MICROOS, [said("cpe:/o:opensuse:leap:16.0")], None),
        (MICROOS, [said("cpe:/o:suse:sl-micro:6.1")], None),
        (MICROOS, [said("cpe:/o:fedoraproject:fedora:20260815")], None),
        (MICROOS, [said("Fedora 20260815")], None),
        (MICROOS, [said("cpe:/o:opensuse:opensuse-addon-nonoss:20260814"), NEXT], "20260815"),
        (MICROOS, [said("cpe:/o:opensuse:opensuse:20260820"), NEXT], "20260820"),
        (MICROOS, [said("cpe:/o:opensuse:opensuse:20260820"), said("cpe:/o:opensuse:microos:20260810")], "20260810"),
        (MICROOS, [said("cpe:/o:opensuse:opensuse:20260820"), said("openSUSE 20260803", priority=90)], "20260803"),
        (SL_MICRO, [said("cpe:/o:suse:sl-micro:6.1"), said("cpe:/o:suse:sl-micro-extras:6.2")], "6.1"),
        (SL_MICRO, [said("SL-Micro 6.2")], "6.2"),
        (SL_MICRO, [said("cpe:/o:suse:sles:16.0")], None),
    ],
)
def test_what_is_offered(running: System, statements: list[Statement], found: str | None) -> None:
    best = offered(running, statements)
    assert (None if best is None else best.system.version) == found
