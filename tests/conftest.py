# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the test machine (tests/lab), the option that puts a real tukit in the place of the driver, and marks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, settings

from tests.lab import Flavour, Lab, base
from tests.lab.images import ToolMissing
from tests.surroundings import make_usual
from tukit_sysext.system.control import CONTROL

_ON_LAB = [Path(__file__).parent / folder for folder in ("on_lab", "booted")]


# how long an example takes depends on what else the machine does, and is no reason to fail
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_configure() -> None:
    make_usual()


class StartLab(Protocol):
    """Starts labs that are stopped after the test."""

    def __call__(self, flavour: Flavour, *, install: Mapping[Path, str] | None = None, name: str = "lab") -> Lab: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--real-tukit",
        metavar="TREE",
        type=Path,
        help="run the tests on a real tukit instead of the driver: a folder with an installation of"
        " transactional-update, laid over the root of each lab",
    )
    parser.addoption(
        "--suite",
        default=base.SUITE,
        help="the release of Debian that booted machines are made of: trixie has systemd 257, forky 262",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"web", Flavour.TUMBLEWEED} <= _parameters(item):
            # both layouts with one kind of source, and both kinds with one layout, show nearly as much
            item.add_marker(pytest.mark.long)
        if any(item.path.is_relative_to(folder) for folder in _ON_LAB):
            item.add_marker(pytest.mark.lab)
            item.add_marker(pytest.mark.root)
        for reason in _missing(item):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def programs_not_tried_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a program works is remembered for one process: each test is as a new one."""
    monkeypatch.setattr(CONTROL, "_faults", {})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    return (yield from _without_tools())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    return (yield from _without_tools())


def _without_tools() -> Iterator[None]:
    """A test, or its fixture, that makes something with a tool that is not installed is skipped."""
    try:
        return (yield)
    except ToolMissing as error:
        pytest.skip(str(error))


def _missing(item: pytest.Item) -> Iterator[str]:
    """What the marks of a test ask for, and is not here."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        yield "needs root"
    if item.get_closest_marker("btrfsutil") and find_spec("btrfsutil") is None:
        yield "btrfsutil is not installed"
    for mark in item.iter_markers("tool"):
        for tool in mark.args:
            if shutil.which(tool) is None:
                yield f"{tool} is not installed"


def _parameters(item: pytest.Item) -> set[object]:
    call = getattr(item, "callspec", None)
    return set() if call is None else {value for value in call.params.values() if isinstance(value, str | Flavour)}


def _start(
    config: pytest.Config, flavour: Flavour, install: Mapping[Path, str] | None = None, name: str = "lab"
) -> Lab:
    tree: Path | None = config.getoption("--real-tukit")
    if tree is None:
        return Lab.start(flavour, install=install, name=name)
    lab = Lab.start(flavour, install={tree: "/", **(install or {})}, name=name, driver=False)
    if lab.run(["tukit", "--version"], check=False).returncode != 0:
        lab.stop()
        pytest.skip(f"--real-tukit: there is no working tukit on the PATH of a lab with {tree}")
    return lab


@pytest.fixture(params=list(Flavour), ids=lambda flavour: str(flavour.value))
def flavour(request: pytest.FixtureRequest) -> Flavour:
    """Both layouts of the root, one after the other."""
    chosen = request.param
    assert isinstance(chosen, Flavour)
    return chosen


@contextmanager
def _starter(config: pytest.Config) -> Iterator[StartLab]:
    """A function that starts labs, which are stopped in the end."""
    started: list[Lab] = []

    def start(flavour: Flavour, *, install: Mapping[Path, str] | None = None, name: str = "lab") -> Lab:
        started.append(_start(config, flavour, install, name))
        return started[-1]

    yield start
    for lab in started:
        lab.stop()


@pytest.fixture
def start_lab(request: pytest.FixtureRequest) -> Iterator[StartLab]:
    """A function that starts a lab, with files to install into it; for tests that need more than `lab`."""
    with _starter(request.config) as start:
        yield start


@pytest.fixture(scope="module")
def start_shared_lab(request: pytest.FixtureRequest) -> Iterator[StartLab]:
    """The same for labs that all tests of a module share."""
    with _starter(request.config) as start:
        yield start


@pytest.fixture
def lab(flavour: Flavour, start_lab: StartLab) -> Lab:
    """A fresh lab of the flavour."""
    return start_lab(flavour)
