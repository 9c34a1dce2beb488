# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext inspect IMAGE|FILE``: what an image has and needs, and how it would fare. Changes nothing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tukit_sysext.commands.common.dates import ledger_time
from tukit_sysext.commands.common.looking_scratch import looking_scratch
from tukit_sysext.commands.common.os_release import read_os_release
from tukit_sysext.commands.common.rules_told import rule_rows, rules_document
from tukit_sysext.commands.common.stored_names import stored_image
from tukit_sysext.commands.common.trees import host_document, tree_document
from tukit_sysext.errors import UnknownState
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.quantities import size_text
from tukit_sysext.requirements.after_merge import AfterMerge, after_merge
from tukit_sysext.snapshots.targets import Target, of_root, of_snapshot, running_and_next
from tukit_sysext.system.system_release import system_name
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Table, Tone, Toned
from tukit_sysext.update.faring import Faring, fare_in_tree, fare_with_release
from tukit_sysext.update.image_look import ImageLook, look_at_file, look_at_stored

_SHOWN = 10
_LIMIT = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class _InSystem:
    """How the image fares in one system: that of a target, or of an os-release."""

    where: Target | Path
    faring: Faring


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Print it. 0 where it fits in every system that was looked at, else 1."""
    output = Output.of(arguments)
    plugins = Plugins.of(machine)
    image = _look(machine, arguments.image)
    systems = [_system(machine, text) for text in arguments.systems] or list(running_and_next(machine))
    with looking_scratch(machine) as scratch:
        found = [_InSystem(where=where, faring=_fare(machine, where, image, plugins, scratch)) for where in systems]
    steps = _after_merge(machine, image)
    output.json(_document(image, steps, found))
    output.show(_lines(image, steps, found, every=arguments.all))
    return ExitStatus.DONE if all(each.faring.fits for each in found) else ExitStatus.FAILED


def _look(machine: Machine, text: str) -> ImageLook:
    """An image of the store, or any file: what has a slash in it, or is there and no image. Raises TukitSysextError."""
    path = Path(text)
    if "/" in text:
        return look_at_file(machine, path)
    stored = stored_image(machine, text, missing_ok=path.is_file())
    return look_at_stored(machine, stored) if stored is not None else look_at_file(machine, path)


def _system(machine: Machine, text: str) -> Target | Path:
    """What ``--for`` names. Raises TukitSysextError."""
    if text.isascii() and text.isdigit():
        return of_snapshot(machine, int(text))
    path = Path(text)
    return of_root(machine, path) if path.is_dir() else path


def _fare(machine: Machine, where: Target | Path, image: ImageLook, plugins: Plugins, scratch: Path) -> Faring:
    if isinstance(where, Target):
        return fare_in_tree(where.machine, where.path, image, plugins, scratch=scratch)
    release = read_os_release(where, expected="a snapshot's number, a directory or an os-release")
    return fare_with_release(where, release, image)


def _after_merge(machine: Machine, image: ImageLook) -> Sequence[AfterMerge]:
    """What it brings that a merge alone does not put to use, on this machine."""
    files = image.contents.files if image.contents is not None else None
    if files is None or image.release is None:
        return ()
    try:
        with Tree(machine.layout.root) as tree:
            content = tree.read("etc/ld.so.conf", limit=_LIMIT) or b""
    except UnknownState:
        return after_merge(files, image.release)
    return after_merge(files, image.release, ld_so_conf=content.decode(errors="replace"))


def _lines(
    image: ImageLook, steps: Sequence[AfterMerge], found: Sequence[_InSystem], *, every: bool
) -> Iterator[str | Table]:
    size = f"{size_text(image.size)}, {image.architecture or 'any architecture'}"
    yield Toned(f"{image.name} {image.version}: {image.path}, {size}", Tone.STRONG)
    if image.record is not None:
        yield f"  of source {image.record.source}, fetched {ledger_time(image.record.time)}"
    if image.merge_name not in (None, image.name):
        yield f"  it calls itself {image.merge_name}"
    if image.release is not None:
        yield "  for " + " ".join(f"{key}={value}" for key, value in image.release.items())
    yield from _contents(image, every=every)
    yield from (Toned(f"Not known: {unknown}", Tone.NOTICE) for unknown in image.unknown)
    if steps:
        yield "A merge alone does not put to use:"
        yield from (line for step in steps for line in step.lines)
    for each in found:
        yield ""
        yield from _in_system(each, every=every)


def _contents(image: ImageLook, *, every: bool) -> Iterator[str]:
    contents = image.contents
    if contents is None:
        return
    by = " (by its description alone)" if contents.described else ""
    for title, values in (
        (f"Its publisher requires{by}", list(map(str, contents.stated))),
        (f"It needs{by}", list(contents.needs)),
        (f"It provides{by}", list(contents.provides)),
        ("It is made of the packages", list(map(str, contents.packages))),
        ("It has programs and libraries that cannot be understood", list(contents.refused)),
    ):
        if values:
            yield f"{title}: {len(values)}"
            shown = values if every else values[:_SHOWN]
            yield from (f"  {value}" for value in shown)
            if len(shown) < len(values):
                yield f"  and {len(values) - len(shown)} more; --all shows them"
    if contents.unlabelled:
        programs = "program or library" if contents.unlabelled == 1 else "programs and libraries"
        yield f"Without an SELinux label: {contents.unlabelled} {programs}"


def _in_system(each: _InSystem, *, every: bool) -> Iterator[str | Table]:
    faring = each.faring
    yield f"In {each.where}: {system_name(faring.system.release)}, {faring.system.architecture}"
    yield Toned(f"  {_verdict(faring)}", _TONES[faring.fits] if not faring.lacks else Tone.NOTICE)
    rows = list(rule_rows(faring.rules, every=every))
    if rows:
        yield Table(("Rule", "", "System", "Image"), rows, wraps=(-2, -1), indent=2)
    yield from (f"  {unknown}" for unknown in faring.unknown)


_TONES = {True: Tone.GOOD, False: Tone.BAD, None: Tone.NOTICE}


def _verdict(faring: Faring) -> str:
    if faring.fits is None:
        return f"not known: {faring.reason}"
    if not faring.fits:
        return f"does not fit: {faring.reason}"
    needs = "one of its needs is" if faring.lacks == 1 else f"{faring.lacks} of its needs are"
    verdict = f"fits, but {needs} not met" if faring.lacks else "fits"
    return f"{verdict}, as far as that is known" if faring.is_known_in_part else verdict


def _document(image: ImageLook, steps: Sequence[AfterMerge], found: Sequence[_InSystem]) -> dict[str, Any]:
    contents = image.contents
    return {
        "name": image.name,
        "version": image.version,
        "file": str(image.path),
        "bytes": image.size,
        "architecture": image.architecture,
        "merge_name": image.merge_name,
        "sha256": image.record.sha256 if image.record is not None else None,
        "source": image.record.source if image.record is not None else None,
        "extension_release": dict(image.release) if image.release is not None else None,
        "contents": {
            "looked_into": not contents.described,
            "requires": [str(requirement) for requirement in contents.stated],
            "needs": list(contents.needs),
            "provides": list(contents.provides),
            "packages": [{"name": package.name, "version": package.evr} for package in contents.packages],
            "not_understood": list(contents.refused),
            "unlabelled": contents.unlabelled,
        }
        if contents is not None
        else None,
        "after_merge": [{"what": step.what, "command": step.command, "at_boot": step.at_boot} for step in steps],
        "systems": [
            {
                "tree": tree_document(each.where) if isinstance(each.where, Target) else None,
                "os_release": str(each.where) if isinstance(each.where, Path) else None,
                "system": system_name(each.faring.system.release),
                "host": host_document(each.faring.system),
                "fits": each.faring.fits,
                "lacks": each.faring.lacks,
                "reason": each.faring.reason,
                "rules": rules_document(each.faring.rules),
                "unknown": list(each.faring.unknown),
            }
            for each in found
        ],
        "unknown": list(image.unknown),
    }
