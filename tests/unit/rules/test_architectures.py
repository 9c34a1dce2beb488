# SPDX-License-Identifier: LGPL-2.1-or-later

from __future__ import annotations

import pytest

from tukit_sysext.rules.architectures import ARCHITECTURES, architecture


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("x86_64", "x86-64"),
        ("i686", "x86"),
        ("aarch64", "arm64"),
        ("armv7l", "arm"),
        ("ppc64le", "ppc64-le"),
        ("ppc64", "ppc64"),
        ("s390x", "s390x"),
        ("riscv64", "riscv64"),
        ("loongarch64", "loongarch64"),
        ("sh4a", "sh"),
    ],
)
def test_name_of_a_machine(machine: str, name: str) -> None:
    assert architecture(machine) == name
    assert name in ARCHITECTURES


def test_machine_unknown_to_systemd_keeps_its_name() -> None:
    assert architecture("quantum9") == "quantum9"
