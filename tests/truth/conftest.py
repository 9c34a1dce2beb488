# SPDX-License-Identifier: LGPL-2.1-or-later
"""One lab for all comparisons: they change nothing in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import Flavour, Lab
from tests.truth.merge_truth import Machine, host_machine, lab_machine


@pytest.fixture(scope="session")
def newer() -> Iterator[Machine]:
    """systemd of the lab, 257."""
    with Lab.start(Flavour.MICROOS, name="truth") as lab:
        yield lab_machine(lab)


@pytest.fixture(scope="session")
def older() -> Machine:
    """systemd 252 of the host, where there is one."""
    machine = host_machine()
    if machine is None or machine.version.major != 252:
        found = "none that root could run" if machine is None else str(machine.version)
        pytest.skip(f"needs systemd-sysext 252 on the host, found {found}")
    return machine
