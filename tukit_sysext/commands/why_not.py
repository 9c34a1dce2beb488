# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext why-not NAME[=VERSION]``: every rule that was looked at, with the values of both sides."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from tukit_sysext.commands.common.trees import host_document, looked_at, tree_document
from tukit_sysext.commands.common.unknown_names import FAULTY, no_such_image
from tukit_sysext.config.wanted import Policy, WantedImage
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.rules.printable import excerpt, printable
from tukit_sysext.rules.version import compare
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.sources.candidate import Candidate, Standing
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.suggest import nearest
from tukit_sysext.terminal.text import Tone, Toned
from tukit_sysext.update import explain
from tukit_sysext.update.catalogue import linked_names
from tukit_sysext.update.explain import Explained, Rule, Side
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.plan import ImagePlan, decide
from tukit_sysext.update.report import system_name
from tukit_sysext.update.search import Resolver

_SHOWN = 5
"""So many versions are told with all rules, unless -v is given."""


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Print it. 0 where nothing speaks against the image (or version), else 1."""
    output = Output.of(arguments)
    name, _, version = arguments.image.partition("=")
    target = looked_at(machine, arguments)
    local = replace(target.machine, read_only=True)
    with Tree(target.path) as tree:
        resolver = Resolver(local, tree, Plugins.of(machine))
        wanted = resolver.facts.wanted
        resolver.look_locally()

        def ask(facts: Facts) -> Sequence[Candidate]:
            return explain.undescribed(facts, name)

        meant = wanted.get(name) or WantedImage(name=name, origin="", policy=Policy.OPTIONAL)
        facts = resolver.look_around(lambda _: {name: meant}, ask)
    found = explain.versions(facts, name, wanted.get(name))
    if not found and not {name} & {*wanted, *facts.masked, *linked_names(facts)}:
        raise no_such_image(name, facts, wanted)
    chosen = [item for item in found if not version or compare(item.option.version, version) == 0]
    if version and not chosen:
        raise _no_such_version(name, version, found)
    general = explain.of_tree(facts, name, wanted.get(name))
    (plan,) = decide(facts).images
    taken = plan.chosen.file_name if plan.chosen is not None else None
    against = bool(general) or not any(item.usable or item.option.file_name == taken for item in chosen)
    if output.wants_json:
        output.json(_document(target, facts, name, chosen, general, plan, against=against))
    else:
        shown = chosen if version or getattr(arguments, "verbose", False) else chosen[:_SHOWN]
        _print(output, target, facts, name, shown, general)
        if len(shown) < len(chosen):
            output.tell(f"and {len(chosen) - len(shown)} older versions; -v shows them all")
        output.tell()
        output.tell(_conclusion(name, version, chosen, general, plan, is_wanted=name in wanted))
        for item in chosen:
            if item.damage:
                told = f"{item.option.version} is linked, but {item.damage}; next step: tukit-sysext verify --repair"
                output.tell(Toned(told, Tone.BAD))
    for source, reason in facts.not_asked.items():
        output.warn(f"source {source}: {reason}", next_step=FAULTY if source in facts.unusable else "")
    return ExitStatus.FAILED if against else ExitStatus.DONE


def _no_such_version(name: str, version: str, found: Sequence[Explained]) -> TukitSysextError:
    there = list(dict.fromkeys(item.option.version for item in found))
    near = nearest(version, there)
    told = f"there are {', '.join(there[:8])}" + (", ..." if len(there) > 8 else "") if there else "there is none"
    return TukitSysextError(
        f"{printable(name)}: {excerpt(version)}: expected a version that is offered, stored or linked; {told}",
        next_step=f"did you mean {name}={near}?" if near is not None else f"tukit-sysext list --all {name}",
    )


def _print(
    output: Output,
    target: Target,
    facts: Facts,
    name: str,
    shown: Sequence[Explained],
    general: Sequence[Rule],
) -> None:
    tree = facts.tree
    systemd = f"systemd {tree.systemd}" if tree.systemd is not None else "systemd of unknown version"
    output.tell(f"{name} for {target}: {system_name(tree.release)}, {tree.architecture}, {systemd}")
    for rule in general:
        output.tell(Toned(f"  {rule.system}", Tone.BAD))
    if not shown:
        output.tell("No version of it is offered, stored or linked.")
        return
    output.tell()
    rows = [row for item in shown for row in _rows(item)]
    output.table(("Version", "Rule", "", "System", "Image"), rows, wraps=(-2, -1))


_NAMES = {
    Side.FILE: "file name",
    Side.SOURCE: "Source=",
    Side.HOLD: "Hold=",
    Side.VERSION: "Version=",
    Side.BLOCK: "Block=",
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


def _rows(item: Explained) -> Iterator[tuple[str, ...]]:
    """One version: how it stands, then its rules. What was not looked at, or says nothing by itself, is left out."""
    if not item.usable:
        stands: str = Toned(item.standing, Tone.BAD)
    else:
        stands = Toned("fits", Tone.GOOD) if item.standing is Standing.FITS else str(item.standing)
    linked = ", linked" if item.link is not None else ""
    linked += f", but {item.damage.partition(':')[0]}" if item.damage else ""
    candidate = item.option.candidate
    origin = candidate.source if candidate is not None else "(store)"
    yield Toned(item.option.version, Tone.STRONG), f"{origin}{linked}", stands, "", ""
    for rule in item.rules:
        if rule.fits is None and rule.rule != Side.CONTENT:
            continue
        nothing_compared = rule.rule == "release-data" or (rule.system is None and rule.image is None)
        if rule.fits and nothing_compared:
            continue
        verdict = "" if rule.fits is None else (Toned("no", Tone.BAD) if not rule.fits else Toned("ok", Tone.GOOD))
        yield "", f"  {_NAMES.get(rule.rule, rule.rule)}", verdict, rule.system or "-", rule.image or "-"


def _conclusion(
    name: str,
    version: str,
    chosen: Sequence[Explained],
    general: Sequence[Rule],
    plan: ImagePlan,
    *,
    is_wanted: bool,
) -> str:
    if general:
        return Toned(f"{name} cannot be used, whatever its version: {general[0].system}", Tone.BAD)
    usable = [item for item in chosen if item.usable]
    what = f"{name} {version}".rstrip() if version else name
    taken = plan.chosen.version if plan.chosen is not None else None
    if not usable and any(item.option.version == taken for item in chosen):
        return f"{name} {taken} stays, as it is linked and fits; it would not be chosen now"
    if not usable:
        which = "it" if version or len(chosen) == 1 else "every version"
        first = f": {chosen[0].reason}" if len(chosen) == 1 else ""
        return Toned(f"{what} is not used, something speaks against {which}{first}", Tone.BAD)
    if not is_wanted:
        install = f"{name}={version}" if version else name
        return f"Nothing speaks against {what}; it is not wanted: tukit-sysext install {install}"
    if taken is not None and not any(item.option.version == taken for item in usable):
        return f"Nothing speaks against {what}, but {taken} is taken: it is preferred (newer, or of a stronger source)"
    return f"Nothing speaks against {what}" + (f": {taken} is taken" if taken is not None else "")


def _document(
    target: Target,
    facts: Facts,
    name: str,
    chosen: Sequence[Explained],
    general: Sequence[Rule],
    plan: ImagePlan,
    *,
    against: bool,
) -> dict[str, Any]:
    return {
        "name": name,
        "tree": tree_document(target),
        "system": system_name(facts.tree.release),
        "host": host_document(facts.tree),
        "usable": not against,
        "against": [{"rule": rule.rule, "reason": rule.system} for rule in general],
        "taken": plan.chosen.version if plan.chosen is not None else None,
        "versions": [
            {
                "version": item.option.version,
                "file": item.option.file_name,
                "source": item.option.candidate.source if item.option.candidate is not None else None,
                "link": item.link,
                "damage": item.damage or None,
                "usable": item.usable,
                "standing": item.standing,
                "reason": item.reason,
                "rules": [
                    {"rule": rule.rule, "fits": rule.fits, "system": rule.system, "image": rule.image}
                    for rule in item.rules
                ],
            }
            for item in chosen
        ],
        "not_asked": [{"source": source, "reason": reason} for source, reason in facts.not_asked.items()],
    }
