# SPDX-License-Identifier: LGPL-2.1-or-later
"""The JSON schemas that are installed, and a call of every command that has ``--json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from spec.man import described, schemas

COMMANDS = tuple(dict.fromkeys(command.words[0] for command in described.commands() if command.json))
"""Every command with ``--json``; its actions have it too, and the schema with it."""

CALLS: Mapping[str, Sequence[str]] = {
    "list": ("", "--all"),
    "status": ("",),
    "check": ("",),
    "why-not": ("gdb",),
    "inspect": ("gdb",),
    "config": ("", "--all"),
    "install": ("--dry-run --optional gdb",),
    "remove": ("--dry-run gdb",),
    "update": ("--dry-run",),
    "hold": ("--dry-run gdb",),
    "unhold": ("--dry-run gdb",),
    "block": ("--dry-run gdb=1.0",),
    "unblock": ("--dry-run gdb=1.0",),
    "adopt": ("--dry-run",),
    "snapshots": ("", "gdb"),
    "diff": ("running default",),
    "history": ("", "--all --since yesterday", "gdb"),
    "verify": ("", "--all", "--repair"),
    "gc": ("--dry-run", ""),
    "why": ("gdb",),
    "sources": ("",),
    "publish": (),  # of no machine: tests/unit/publish/test_publish_command.py
    "doctor": ("",),
    "preflight": ("",),
    "plugins": ("", "--hooks"),
    "purge": ("--dry-run",),
}
"""Arguments to call each with, where images gdb are wanted and linked."""


@cache
def validator(command: str) -> Draft202012Validator:
    """The schema of a command."""
    return Draft202012Validator(schemas.load()[command])


def faults(command: str, document: Any) -> list[str]:
    """Where a document is not as its schema says."""
    return [f"{error.json_path}: {error.message}" for error in validator(command).iter_errors(document)]


def calls() -> list[tuple[str, str]]:
    """Command and arguments of each call."""
    return [(command, arguments) for command, found in CALLS.items() for arguments in found]


def read(text: str) -> Any:
    """A document as it was printed."""
    return json.loads(text)
