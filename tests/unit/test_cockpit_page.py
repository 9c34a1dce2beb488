# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page in Cockpit without a browser: what it runs and reads is what the program has, and names stay text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from spec.man import schemas
from tests.rpm import TOP
from tukit_sysext.commands.common.rules_told import RULE_NAMES, TOLD_UNKNOWN
from tukit_sysext.grammar import parser

PAGE = TOP / "spec" / "cockpit"
SCRIPTS = sorted(PAGE.glob("*.js"))

COMPARED = {
    ("snapshots", "condition"): ("whole",),
    ("status", "stage"): ("fetching",),
    ("gc", "fate"): ("goes",),
    ("update", "action"): ("fetch", "leave out", "remove"),
    ("install", "policy"): ("required", "optional"),
}
"""Values that the scripts compare with, by the command and the key that have them; of the last one it gives them."""


def used() -> Mapping[str, Mapping[str, list[str]]]:
    """The table COMMANDS of program.js: by command its options and the keys that are read."""
    found = re.search(r"^export const COMMANDS = (\{.*?^\});$", (PAGE / "program.js").read_text(), re.M | re.S)
    assert found
    table: Mapping[str, Mapping[str, list[str]]] = json.loads(found[1])
    return table


def keys(command: str) -> set[str]:
    """Every key of the JSON of a command, as it is documented (and held against what is printed)."""
    schema = schemas.load()[command.split()[0]]
    alternatives = schema.get("oneOf", (schema,))
    shared = [schema["$defs"][name] for name in schema.get("$defs", {})]
    return {name for each in (*alternatives, *shared) for _, name, _, _ in schemas.properties(schema, each)}


@pytest.mark.parametrize("command", used())
def test_the_program_has_the_commands_and_options(command: str) -> None:
    """Each option by itself, and names that look like options."""
    values = {"--policy": ["optional"], "--snapshot": ["42"]}
    names = [] if command in ("snapshots", "status", "sources", "gc", "sources refresh") else ["--", "-n"]
    for options in ([], *([option, *values.get(option, ())] for option in used()[command]["options"])):
        parsed = parser().parse_args([*command.split(), "--json", *options, *names])
        assert parsed.json
        if names:
            assert parsed.image == "-n" if command == "why-not" else parsed.names == ["-n"]


@pytest.mark.parametrize("command", used())
def test_the_keys_are_documented(command: str) -> None:
    assert set(used()[command]["keys"]) - keys(command) == set()


@pytest.mark.parametrize("command", used())
def test_nothing_is_in_the_table_that_no_script_has(command: str) -> None:
    scripts = "\n".join(script.read_text() for script in SCRIPTS if script.name != "program.js")
    table = (PAGE / "program.js").read_text()
    assert f'"{command}"' in scripts or f'words("{command}"' in table
    read = set(re.findall(r"[.?]\s*(\w+)\b", scripts)) | set(re.findall(r"[{,]\s*(\w+)(?=[^{}]*\} = )", scripts))
    assert set(used()[command]["keys"]) - read == set()
    assert all(f'"{option}"' in scripts + table for option in used()[command]["options"])


@pytest.mark.parametrize(("where", "values"), COMPARED.items())
def test_values_are_those_of_the_program(where: tuple[str, str], values: tuple[str, ...]) -> None:
    """One that it does not know would be a comparison that is never true."""
    command, key = where
    scripts = "\n".join(script.read_text() for script in SCRIPTS)
    assert [value for value in values if f'"{value}"' not in scripts] == []
    known = set(enumerated(schemas.load()[command], key)) if command != "install" else {"required", "optional"}
    assert set(values) <= known


def enumerated(schema: Any, key: str) -> Iterator[str]:
    """The values that a schema allows for a key, wherever it is."""
    if isinstance(schema, dict):
        yield from (schema.get("properties", {}).get(key) or {}).get("enum", ())
        for part in schema.values():
            yield from enumerated(part, key)
    elif isinstance(schema, list):
        for part in schema:
            yield from enumerated(part, key)


def test_rules_are_called_as_on_the_programs_screens() -> None:
    script = (PAGE / "images.js").read_text()
    found = re.search(r"^const RULES = (\{.*?^\});$", script, re.M | re.S)
    assert found and json.loads(found[1]) == RULE_NAMES
    found = re.search(r"^const TOLD_UNKNOWN = (\[.*?\]);$", script, re.M | re.S)
    assert found and json.loads(found[1]) == list(TOLD_UNKNOWN)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_nothing_becomes_markup_or_code(script: Path) -> None:
    """Names are of publishers and of whoever may make a snapshot."""
    dangerous = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|srcdoc|javascript:"
    )
    assert re.findall(dangerous, script.read_text()) == []
    assert script.name == "program.js" or "spawn(" not in script.read_text()


def test_the_policy_for_content_is_that_of_cockpit() -> None:
    """It allows scripts and styles of the page's own files alone; so there are none in the document."""
    manifest = json.loads((PAGE / "manifest.json").read_text())
    assert "content-security-policy" not in manifest
    assert manifest["conditions"] == [{"path-exists": "/usr/bin/tukit-sysext"}]
    document = (PAGE / "index.html").read_text()
    assert re.findall(r"<style|style=|\son\w+=|<script(?![^>]*\ssrc=)", document) == []
    places = re.findall(r'(?:src|href)="([^"]+)"', document)
    imported = [name for script in SCRIPTS for name in re.findall(r'from "\./([^"]+)"', script.read_text())]
    files = {path.name for path in PAGE.iterdir()} - {"manifest.json", "index.html"}
    assert {*places, *imported} - {"../base1/cockpit.js"} == {name for name in files if not name.endswith(".xml")}


def test_it_asks_for_the_version_of_cockpit_that_the_package_requires() -> None:
    manifest = json.loads((PAGE / "manifest.json").read_text())
    spec = (TOP / "spec" / "tukit-sysext.spec").read_text()
    assert f"Requires:       cockpit-system >= {manifest['requires']['cockpit']}\n" in spec
