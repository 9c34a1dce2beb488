# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every command with --json prints what its schema says, on an empty machine and on one where much is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from spec.man import schemas
from tests.documents import CALLS, COMMANDS, calls, faults, read
from tests.machine import NEW, PlainMachine, with_source
from tests.trees import make_tree
from tukit_sysext import cli
from tukit_sysext.update import refusal
from tukit_sysext.update.refusal import HeldBack, Refusal

NOON = 1_793_534_400


@pytest.fixture
def empty(tmp_path: Path) -> PlainMachine:
    """A machine on which nothing was ever wanted."""
    return PlainMachine(tmp_path / "machine")


@pytest.fixture
def full(tmp_path: Path) -> PlainMachine:
    """A machine between an update and the reboot, with a fault of nearly every kind."""
    site = with_source(tmp_path)
    for version, level in (("1.0", "glibc-2.42"), ("1.1", NEW), ("1.2", "glibc-2.44")):
        site.publish("gdb", version, level)
    site.publish("strace", "6.1", NEW)
    site.want("gdb", Hold="1.0")
    site.want("strace", Policy="optional", Nonsense="yes")
    site.want("nowhere", Source="away")
    site.want("htop")
    site.snapshot_with(1, {"gdb": "1.0", "htop": "3.4"})
    site.boot(1)
    site.snapshot_with(2, {"gdb": "1.1", "htop": "3.4"}, level=NEW, default=True)
    site.snapshot_folder(3, "<snapshot>")
    (site.layout.store / "htop-3.4.x86-64.raw").write_bytes(b"half")
    make_tree(
        site.root,
        {
            "etc/tukit-sysext/tukit-sysext.conf": "[Store]\nGrace=soon\n[Plugins]\nLoad=none\n[Network]\nDeadline=1s\n",
            "etc/tukit-sysext/tukit-sysext.conf.d/block-gdb.conf": "[Block]\nImage=gdb=1.0\n",
            "etc/tukit-sysext/sources.d/away.conf": "[Source]\nURL=http://127.0.0.1:9/images/\n",
            "etc/tukit-sysext/images.d/masked.conf": "",
            "etc/extensions/by-hand/usr/file": "",
            "var/lib/sysext-store/stray-1.0.x86-64.raw": "stray",
            "var/lib/tukit-sysext/seen/gone.json": "{}",
        },
    )
    held = {"gdb": HeldBack(reason="nothing fits", since=NOON)}
    refusal.write(site.layout.refused, Refusal(last=NOON + 60, times=2, system="opensuse 1", images=held))
    return site


def test_every_command_has_a_schema_and_a_call() -> None:
    """And no schema is left of a command that is gone."""
    assert sorted(schemas.load()) == sorted(COMMANDS) == sorted(CALLS)


@pytest.mark.parametrize("command", schemas.load())
def test_a_schema_is_one_and_tells_all(command: str) -> None:
    schema = schemas.load()[command]
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == f"tukit-sysext {command} --json"
    assert schema["description"].endswith(".")
    for path, part in _objects(schema, "$"):
        assert part.get("additionalProperties") is not None, f"{path}: what else may be in it is not said"
        for name, found in part.get("properties", {}).items():
            assert found.get("description"), f"{path}.{name}: not described"
    rows = [row for part in schema.get("oneOf", [schema]) for row in schemas.properties(schema, part)]
    assert all(text for _, _, _, text in rows)


def test_a_tree_has_one_shape() -> None:
    """One definition in all schemas, nothing else that tells which tree it is, and under one name."""
    found = schemas.load().values()
    definitions = [schema["$defs"]["tree"] for schema in found if "tree" in schema.get("$defs", {})]
    assert len(definitions) > 10
    assert all(definition == definitions[0] for definition in definitions)
    objects = [(path, part.get("properties", {})) for schema in found for path, part in _objects(schema, "$")]
    assert {path for path, properties in objects if "boots_next" in properties} == {"$.$defs.tree"}
    assert all("#/$defs/tree" in str(properties["tree"]) for _, properties in objects if "tree" in properties)


def _objects(part: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(part, dict):
        if part.get("type") == "object":
            yield path, part
        for name, inner in part.items():
            yield from _objects(inner, f"{path}.{name}")
    elif isinstance(part, list):
        for number, inner in enumerate(part):
            yield from _objects(inner, f"{path}[{number}]")


@pytest.mark.root
@pytest.mark.parametrize("machine", ["empty", "full"])
@pytest.mark.parametrize(("command", "arguments"), calls())
def test_what_is_printed_is_as_the_schema_says(
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    machine: str,
    command: str,
    arguments: str,
) -> None:
    site: PlainMachine = request.getfixturevalue(machine)
    if machine == "full":
        assert cli.main(["settle"], machine=site.machine) == 0
    status = cli.main([command, *arguments.split(), "--json"], machine=site.machine)
    told = capsys.readouterr()
    if not told.out:
        # who knows no gdb, no snapshots, has nothing to print, and says so
        assert (machine, status) == ("empty", 1)
        assert told.err.startswith("tukit-sysext: ")
        return
    assert faults(command, read(told.out)) == []
