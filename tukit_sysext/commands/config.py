# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext config``: settings, sources and wanted images as they count, and which file says so."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tukit_sysext.commands.common.trees import looked_at, tree_document
from tukit_sysext.config.files import EffectiveValue, Problem, redacted_value
from tukit_sysext.config.key_table import File, of_file
from tukit_sysext.config.settings import Configuration, load_configuration
from tukit_sysext.config.wanted import WantedImages, load_wanted
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.net.system_proxy import SYSCONFIG, system_proxy
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Table, Tone, Toned


@dataclass(frozen=True, kw_only=True, slots=True)
class _Value:
    """One value: what says it (None: the default), and the line there (None: not known, or no line of a file)."""

    section: str
    key: str
    value: str | None
    file: str | None = None
    line: int | None = None

    @property
    def default(self) -> bool:
        """Whether no file says it."""
        return self.file is None

    @property
    def where(self) -> str:
        """File and line for a person."""
        if self.file is None:
            return "default"
        return self.file if self.line is None else f"{self.file}:{self.line}"


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Print the configuration of a tree. 0."""
    target = looked_at(machine, arguments)
    with Tree(target.path) as tree:
        configuration, wanted = load_configuration(tree), load_wanted(tree)
    settings = list(rows(configuration.effective, File.MAIN, everything=arguments.all))
    settings = _with_system_proxy(target.machine, settings)
    output = Output.of(arguments)
    output.json(document(target, settings, configuration, wanted, everything=arguments.all))
    output.show(_lines(settings, configuration, wanted, everything=arguments.all))
    return ExitStatus.DONE


def rows(said: Sequence[EffectiveValue], file: File, *, everything: bool) -> Iterator[_Value]:
    """The values of one file, in the order of the list of keys; with ``everything`` the defaults too."""
    for key in of_file(file):
        values = [each for each in said if (each.section, each.key) == (key.section, key.name)]
        # two values of one key may be the same: both lines count
        yield from (
            _Value(section=key.section, key=key.name, value=redacted_value(each.text), file=each.file, line=each.line)
            for each in values
        )
        if everything and not values:
            yield _Value(section=key.section, key=key.name, value=key.default or None)


def _with_system_proxy(machine: Machine, settings: Sequence[_Value]) -> list[_Value]:
    """The proxy that the system is set up with counts where the configuration names none."""
    found = [row for row in settings if not (row.key in ("Proxy", "NoProxy") and row.default)]
    said = {row.key for row in found}
    if "Proxy" in said:
        return list(settings)
    proxy = system_proxy(machine.layout.root)
    values = {
        "Proxy": " ".join(dict.fromkeys(filter(None, (proxy.https, proxy.http)))),
        "NoProxy": "" if "NoProxy" in said else proxy.none_for,
    }
    if not values["Proxy"]:
        return list(settings)
    more = [
        _Value(section="Network", key=key, value=" ".join(map(redacted_value, value.split())), file=f"/{SYSCONFIG}")
        for key, value in values.items()
        if value
    ]
    named = {row.key for row in more}
    return [row for row in settings if not (row.default and row.key in named)] + more


def document(
    target: Target, settings: Iterable[_Value], configuration: Configuration, wanted: WantedImages, *, everything: bool
) -> dict[str, Any]:
    """The configuration for ``--json``."""
    return {
        "tree": tree_document(target),
        "settings": [_value_document(row) for row in settings],
        "sources": [
            {
                "name": name,
                "file": source.origin,
                "usable": source.trusted and not source.doubt,
                "values": [_value_document(row) for row in rows(source.effective, File.SOURCE, everything=everything)],
            }
            for name, source in configuration.sources.items()
        ],
        "images": [
            {
                "name": name,
                "file": image.origin,
                "values": [_value_document(row) for row in rows(image.effective, File.IMAGE, everything=everything)],
            }
            for name, image in wanted.images.items()
        ],
        "masked": [
            {"kind": kind, "name": name, "by": by}
            for kind, masked in (("source", configuration.masked), ("image", wanted.masked))
            for name, by in sorted(masked.items())
        ],
        "problems": [
            {"file": problem.file, "line": problem.line or None, "message": problem.message, "fault": problem.fault}
            for problem in _problems(configuration, wanted)
        ],
    }


def _value_document(row: _Value) -> dict[str, Any]:
    return {**asdict(row), "default": row.default}


def _problems(configuration: Configuration, wanted: WantedImages) -> Sequence[Problem]:
    return (*configuration.problems, *wanted.problems)


def _lines(
    settings: Sequence[_Value], configuration: Configuration, wanted: WantedImages, *, everything: bool
) -> Iterator[str | Table]:
    if settings:
        yield from _part("Settings", settings)
    else:
        yield "Settings: the defaults alone (--all shows them)"
    for name, source in configuration.sources.items():
        yield ""
        values = list(rows(source.effective, File.SOURCE, everything=everything))
        yield from _part(f"Source {name} ({source.origin})", values)
    if not configuration.sources:
        yield from ("", "No source is configured.")
    for name, image in wanted.images.items():
        yield ""
        values = list(rows(image.effective, File.IMAGE, everything=everything))
        yield from _part(f"Wanted image {name} ({image.origin})", values)
    if not wanted.images:
        yield from ("", "No image is wanted.")
    notes = [f"Source {name} is masked by {by}." for name, by in sorted(configuration.masked.items())]
    notes += [f"Image {name} is masked by {by}." for name, by in sorted(wanted.masked.items())]
    notes += [
        Toned(f"Problem: {problem}", Tone.BAD) if problem.fault else Toned(f"Warning: {problem}", Tone.NOTICE)
        for problem in _problems(configuration, wanted)
    ]
    yield from ("", *notes) if notes else ()


def _part(title: str, values: Sequence[_Value]) -> Iterator[str | Table]:
    yield Toned(title, Tone.STRONG)
    if values:
        cells = [(_title(row), "-" if row.value is None else row.value, row.where) for row in values]
        yield Table(("Key", "Value", "From"), cells, wraps=(1, 2), indent=2)
    else:
        yield "  all keys have their defaults"


def _title(row: _Value) -> str:
    return f"{row.key}=" if row.section in ("Source", "Image") else f"[{row.section}] {row.key}="
