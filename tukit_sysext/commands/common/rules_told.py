# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules of images as rows of a table and for ``--json``: both sides of each, of what may be much the first ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from tukit_sysext.terminal.text import Tone, Toned
from tukit_sysext.update.rule import Rule, Side

_SHOWN = 5
TOLD_UNKNOWN = (Side.CONTENT, Side.REQUIRED, Side.STATED, Side.NEEDS, Side.NOTE)
"""Rules that are shown also where it is unknown whether they are fulfilled."""
RULE_NAMES: Mapping[str, str] = {
    Side.FILE: "file name",
    Side.SOURCE: "Source=",
    Side.VENDOR: "its source",
    Side.HOLD: "Hold=",
    Side.VERSION: "Version=",
    Side.SERIES: "Series=",
    Side.BLOCK: "Block=",
    Side.HIDES: "hides",
    Side.REQUIRED: "Requires=",
    Side.STATED: "its publisher requires",
    Side.NEEDS: "needs",
    Side.SHADOW: "Shadow=",
    Side.NOTE: "note",
    Side.PLUGIN: "further checks",
    "release-data": "os-release",
    "scope": "SYSEXT_SCOPE",
    "architecture": "ARCHITECTURE",
    "image-id": "IMAGE_ID",
    "image-version": "IMAGE_VERSION",
    "id": "ID",
    "id-like": "ID_LIKE",
    "rolling": "rolling release",
    "level": "SYSEXT_LEVEL",
    "version-id": "VERSION_ID",
}


def rule_rows(rules: Iterable[Rule], *, every: bool = False) -> Iterator[tuple[str, str, str, str]]:
    """Rule, verdict, and both sides; what was not looked at, or says nothing by itself, is left out.

    With ``every`` all of what an image needs or hides, which may be much.
    """
    for rule in rules if every else _bounded(rules):
        if rule.fits is None and rule.rule not in TOLD_UNKNOWN:
            continue
        nothing_compared = rule.rule == "release-data" or (rule.system is None and rule.image is None)
        if rule.fits and nothing_compared:
            continue
        verdict = "" if rule.fits is None else (Toned("no", Tone.BAD) if not rule.fits else Toned("ok", Tone.GOOD))
        yield f"  {RULE_NAMES.get(rule.rule, rule.rule)}", verdict, rule.system or "-", rule.image or "-"


def _bounded(rules: Iterable[Rule]) -> Iterator[Rule]:
    for rule, same in groupby(rules, key=lambda rule: rule.rule):
        told = list(same)
        yield from told[:_SHOWN]
        rest = told[_SHOWN:]
        if rest:
            fits = None if any(each.fits is None for each in rest) else all(each.fits for each in rest)
            yield Rule(rule=rule, fits=fits, image=f"and {len(rest)} more; --json has them all")


def rules_document(rules: Iterable[Rule]) -> list[dict[str, Any]]:
    """Rules for ``--json``."""
    return [{"rule": rule.rule, "fits": rule.fits, "system": rule.system, "image": rule.image} for rule in rules]
