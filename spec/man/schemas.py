# SPDX-License-Identifier: LGPL-2.1-or-later
"""The JSON schemas of ``spec/json`` as text: every property with its type, and what it is."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "json"
SUFFIX = ".schema.json"
_WIDTH = 69
"""Columns that a line may have, for a page to fit 80."""

_KEPT = "\0"
"""A space at which no line ends."""

Schema = Mapping[str, Any]
_NULL = {"type": "null"}


def load() -> dict[str, Schema]:
    """All schemas by the name of their command, sorted."""
    return {
        path.name.removesuffix(SUFFIX): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(FOLDER.glob(f"*{SUFFIX}"), key=lambda path: path.name.removesuffix(SUFFIX))
    }


def shown() -> Iterator[str]:
    """A section of reStructuredText for each command."""
    told: dict[str, str] = {}
    for name, schema in load().items():
        yield f"{name}\n{'-' * len(name)}\n"
        text = "\n".join(_blocks(schema))
        same = told.setdefault(text, name)
        yield schema["description"] + (f" The properties are those of **{same}**.\n" if same != name else "\n")
        yield text if same == name else ""


def _blocks(schema: Schema) -> Iterator[str]:
    for alternative in schema.get("oneOf", (schema,)):
        if alternative is not schema:
            yield f"{alternative['description']}\n"
        yield _block(schema, alternative)
    for definition in _shared(schema):
        found = schema["$defs"][definition]
        yield f"*{definition}*: {found['description']}\n"
        yield _block(schema, found)


def properties(root: Schema, schema: Schema, depth: int = 0) -> Iterator[tuple[int, str, str, str]]:
    """Depth, name, type and description of every property below ``schema``, a part of the schema ``root``."""
    for name, found in schema.get("properties", {}).items():
        plain, nullable = _without_null(_resolved(root, found))
        kind, text = _kind(root, plain), str(found.get("description") or plain.get("description", ""))
        words = [json.dumps(value).replace(" ", _KEPT) for value in plain.get("enum", ()) if value is not None]
        yield depth, name, f"{kind}{'?' if nullable else ''}", f"{text}{': ' if words else ''}{', '.join(words)}"
        yield from properties(root, _inner(root, plain), depth + 1)


def _block(root: Schema, schema: Schema) -> str:
    rows = [(f"{'  ' * depth}{name}", kind, text) for depth, name, kind, text in properties(root, schema)]
    first = max(len(name) for name, _, _ in rows) + 2
    second = max(len(kind) for _, kind, _ in rows) + 2
    lines = ["::", ""]
    for name, kind, text in rows:
        start = f"{name:{first}}{kind:{second}}"
        wrapped = textwrap.wrap(text, _WIDTH - len(start), break_on_hyphens=False) or [""]
        lines += [f"    {start}{wrapped[0]}", *(f"    {' ' * len(start)}{line}" for line in wrapped[1:])]
    return "\n".join(line.rstrip() for line in lines).replace(_KEPT, " ") + "\n"


def _kind(root: Schema, schema: Schema) -> str:
    """The type of a value in a word: ``string[]`` is an array of them, ``string{}`` an object with them by name."""
    if "$ref" in schema:
        return _name(schema)
    if schema.get("format") == "date-time":
        return "time"
    kind = schema.get("type", "string" if "enum" in schema else "any")
    if kind == "array":
        return f"{_kind(root, _resolved(root, schema.get('items', {})))}[]"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"{_kind(root, _resolved(root, schema['additionalProperties']))}{{}}"
    return str(kind)


def _inner(root: Schema, schema: Schema) -> Schema:
    """What has the properties of a value: itself, or what is in an array or in an object by name."""
    for part in ("items", "additionalProperties"):
        if isinstance(schema.get(part), Mapping):
            return _inner(root, _resolved(root, schema[part]))
    return schema


def _without_null(schema: Schema) -> tuple[Schema, bool]:
    """A schema without null, and whether it allows that."""
    others = [each for each in schema.get("anyOf", ()) if each != _NULL]
    if len(others) == 1 and len(schema["anyOf"]) == 2:
        return others[0], True
    kinds = schema.get("type")
    if isinstance(kinds, list):
        plain = [kind for kind in kinds if kind != "null"]
        return {**schema, "type": plain[0] if len(plain) == 1 else " or ".join(plain)}, "null" in kinds
    return schema, None in schema.get("enum", ())


def _resolved(root: Schema, schema: Schema) -> Schema:
    """What a reference leads to, but for one that is described on its own."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [_resolved(root, each) for each in schema["anyOf"]]}
    if "$ref" not in schema or _name(schema) in _shared(root):
        return schema
    found: Schema = root["$defs"][_name(schema)]
    return _resolved(root, found)


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).removeprefix("#/$defs/")


def _shared(root: Schema) -> list[str]:
    """Objects that are referred to more than once: they are described once."""
    text = json.dumps(root)
    found = root.get("$defs", {}).items()
    return [name for name, schema in found if "properties" in schema and text.count(f'"#/$defs/{name}"') > 1]
