# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finding out what a plan needs, with real directories as sources."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.machine import PlainMachine
from tests.records import sha256
from tests.trees import Content, make_tree
from tukit_sysext.plugins.builtin.sources import Sources
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.system.system_release import machine_architecture
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.deciding import decide
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.plan import Action, ImagePlan
from tukit_sysext.update.search import Resolver

IMAGES = "etc/tukit-sysext/images.d"
SOURCES = "etc/tukit-sysext/sources.d"
KEYS = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.42"}


@pytest.fixture
def wanted_gdb(site: PlainMachine) -> PlainMachine:
    make_tree(site.root, {f"{IMAGES}/gdb.conf": "[Image]\n"})
    return site


def offer(site: PlainMachine, source: str, version: str, *, listed: str | None = None, **keys: str) -> str:
    """Publish an image; returns the name of its file."""
    folder = site.root.parent / source
    name = f"gdb-{version}.{machine_architecture()}.raw"
    make_tree(site.root, {f"{SOURCES}/{source}.conf": f"[Source]\nPath={folder}\nVerify=no\n"})
    make_tree(folder, {name: version, f"{name}.json": json.dumps({"image_name": name, "sysext": {**KEYS, **keys}})})
    with open(folder / "SHA256SUMS", "a") as file:
        file.write(f"{listed or sha256(version.encode())}  {name}\n")
    return name


def plan(site: PlainMachine, entries: Mapping[str, Content] | None = None) -> ImagePlan:
    make_tree(site.root, entries or {})
    with Tree(site.root) as tree:
        resolver = Resolver(replace(site.machine, read_only=True), tree, Plugins())
        (image,) = decide(resolver.resolve()).images
    return image


def test_the_newest_that_fits_is_found(wanted_gdb: PlainMachine) -> None:
    offer(wanted_gdb, "local", "1")
    offer(wanted_gdb, "local", "2")
    offer(wanted_gdb, "local", "10", SYSEXT_LEVEL="glibc-2.43")
    image = plan(wanted_gdb)
    assert (image.action, image.chosen.version if image.chosen else "") == (Action.FETCH, "2")


def test_a_description_that_says_nothing_keeps_no_image_away(wanted_gdb: PlainMachine) -> None:
    """Listed or not: the content decides."""
    name = offer(wanted_gdb, "a", "1")
    offer(wanted_gdb, "b", "1")
    (wanted_gdb.root.parent / "a" / f"{name}.json").write_text("{")
    with open(wanted_gdb.root.parent / "a" / "SHA256SUMS", "a") as file:
        file.write(f"{sha256(b'{')}  {name}.json\n")
    image = plan(wanted_gdb)
    assert image.chosen is not None
    assert image.chosen.candidate is not None
    assert (image.action, image.chosen.candidate.source) == (Action.FETCH, "a")
    assert f"its content decides ({wanted_gdb.root.parent}/a/{name}.json: not JSON" in image.reason


@pytest.mark.parametrize("conf", ["[Source]\nPath=relative\n", "[Source]\nNewer=x\n", "Path=/srv\n"])
def test_a_source_with_a_fault_refuses_nothing(wanted_gdb: PlainMachine, conf: str) -> None:
    image = plan(wanted_gdb, {f"{SOURCES}/bad.conf": conf})
    assert (image.left_out, image.refuses) == (LeftOut.FAULT, False)
    assert "bad" in image.reason


def test_a_plugin_that_fails_refuses_nothing(wanted_gdb: PlainMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(wanted_gdb, "local", "1")

    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr(Sources.tukit_sysext_sources, "__code__", failing.__code__)
    image = plan(wanted_gdb)
    assert (image.left_out, image.refuses) == (LeftOut.FAULT, False)


@pytest.mark.parametrize("sums", ["broken\n", "", None])
def test_a_list_that_cannot_be_used(wanted_gdb: PlainMachine, sums: str | None) -> None:
    offer(wanted_gdb, "local", "1")
    path = wanted_gdb.root.parent / "local" / "SHA256SUMS"
    path.unlink() if sums is None else path.write_text(sums)
    wanted_gdb.has_for_former_system("gdb")
    image = plan(wanted_gdb)
    assert image.refuses
    expected = {"": LeftOut.NOTHING_FITS, None: LeftOut.UNREACHABLE}
    assert image.left_out is expected.get(sums, LeftOut.LIST_REFUSED)


def test_a_list_that_went_stale_is_not_used(wanted_gdb: PlainMachine) -> None:
    offer(wanted_gdb, "local", "1")
    with open(wanted_gdb.root.parent / "local" / "SHA256SUMS", "a") as file:
        file.write(f"{sha256(b'')}  BEST-BEFORE-2020-01-01\n")
    image = plan(wanted_gdb)
    assert image.left_out is LeftOut.LIST_REFUSED
    assert "stale since 2020-01-01" in image.reason
    assert image.next_step == "ask the publisher for a new list"


def test_a_description_with_another_hash_than_the_list_counts_as_none(wanted_gdb: PlainMachine) -> None:
    name = offer(wanted_gdb, "local", "1")
    with open(wanted_gdb.root.parent / "local" / "SHA256SUMS", "a") as file:
        file.write(f"{'0' * 64}  {name}.json\n")
    image = plan(wanted_gdb)
    assert (image.action, image.left_out) == (Action.FETCH, None)
    assert f"{name}.json: expected SHA-256 0000" in image.reason
