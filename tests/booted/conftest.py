# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of booted machines."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest

from tests.booted.disk import Disks
from tests.booted.machine import Machine
from tests.lab import Flavour, LabError
from tests.on_lab.site import Site

MACHINES = pytest.StashKey[list[Machine]]()
"""Of each test, so that a failure shows their journals."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for machine in item.stash.get(MACHINES, []):
            try:
                lines = machine.run(["journalctl", "--boot", "--no-pager", "--lines=100"], check=False).stdout
            except LabError as error:
                lines = str(error)
            report.sections.append((f"journal of {machine.name}", lines))
    return report


class Boot(Protocol):
    """Boots machines that are stopped after the test."""

    def __call__(self, flavour: Flavour = Flavour.MICROOS, *, installed: bool = True) -> Machine: ...


@pytest.fixture(scope="session")
def disks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disks]:
    """Disks with and without our package."""
    made = Disks(tmp_path_factory.mktemp("packages"), suite=request.config.getoption("--suite"))
    yield made
    made.close()


@pytest.fixture
def boot(disks: Disks, request: pytest.FixtureRequest) -> Iterator[Boot]:
    """A function that boots a machine, with our package or without."""
    booted = request.node.stash[MACHINES] = []
    with ExitStack() as machines:

        def start(flavour: Flavour = Flavour.MICROOS, *, installed: bool = True) -> Machine:
            image = disks.installed(flavour) if installed else disks.bare(flavour)
            booted.append(machines.enter_context(Machine.boot(image, flavour=flavour)))
            return booted[-1]

        yield start


@pytest.fixture(
    params=[Flavour.MICROOS, pytest.param(Flavour.TUMBLEWEED, marks=pytest.mark.long)],
    ids=lambda flavour: str(flavour.value),
)
def flavour(request: pytest.FixtureRequest) -> Flavour:
    """One layout of the root after the other; the second one takes its time."""
    chosen = request.param
    assert isinstance(chosen, Flavour)
    return chosen


@pytest.fixture
def machine(flavour: Flavour, boot: Boot) -> Machine:
    """A booted machine of each layout with our package."""
    return boot(flavour)


@pytest.fixture
def booted(machine: Machine) -> Site:
    """A booted machine of each layout, with an empty source."""
    return Site(lab=machine).with_source()
