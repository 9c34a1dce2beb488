# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext why-not NAME[=VERSION]``: every rule that was looked at, with the values of both sides."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tukit_sysext.commands.common.from_ledger import left_out
from tukit_sysext.commands.common.judged_for import JudgedFor, judge_for, judged_tree
from tukit_sysext.commands.common.looking_scratch import looking_scratch
from tukit_sysext.commands.common.rules_told import rule_rows, rules_document
from tukit_sysext.commands.common.source_steps import FAULTY
from tukit_sysext.commands.common.trees import host_document, tree_document
from tukit_sysext.commands.common.typed_names import no_such_image
from tukit_sysext.config.wanted import Policy, WantedImage
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.quantities import counted
from tukit_sysext.rules.printable import excerpt, printable
from tukit_sysext.rules.version import compare
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.sources.candidate import Candidate, Standing
from tukit_sysext.system.system_release import system_in_words, system_name
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.suggest import nearest
from tukit_sysext.terminal.text import Table, Tone, Toned
from tukit_sysext.update import explain
from tukit_sysext.update.catalogue import linked_names
from tukit_sysext.update.deciding import beside_each_other, decide
from tukit_sysext.update.explain import Explained
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.plan import Action, ImagePlan
from tukit_sysext.update.rule import Rule
from tukit_sysext.update.search import Resolver

_SHOWN = 5
"""So many versions are shown with all rules, unless -v is given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Explanation:
    """What was asked for in a tree: ``versions`` of the image that are meant, ``general`` what holds for them all.

    ``version`` is that of the question, empty where it was about all; ``plan`` is what the tree would get, ``not_had``
    what could not be had when the tree was changed last, in words.
    """

    target: Target
    facts: Facts
    name: str
    version: str
    wanted: bool
    versions: Sequence[Explained]
    general: Sequence[Rule]
    plan: ImagePlan
    not_had: str
    judged: JudgedFor

    @property
    def taken(self) -> str | None:
        """The version that the tree would get."""
        return self.plan.chosen.version if self.plan.chosen is not None else None

    @property
    def usable(self) -> bool:
        """Whether the image, or one of the versions, can be used."""
        taken = self.plan.chosen.file_name if self.plan.chosen is not None else None
        return not self.general and any(each.usable or each.option.file_name == taken for each in self.versions)


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Print it. 0 where the image (or version) can be used, else 1."""
    output = Output.of(arguments)
    name, _, version = arguments.image.partition("=")
    with looking_scratch(machine) as scratch:
        explanation = _explain(machine, arguments, name, version, scratch)
        output.json(_document(explanation))
        output.show(_lines(explanation, every=bool(version) or arguments.all))
    facts = explanation.facts
    for source, reason in facts.not_asked.items():
        output.warn(f"source {source}: {reason}", next_step=FAULTY if source in facts.unusable else "")
    return ExitStatus.DONE if explanation.usable else ExitStatus.FAILED


def _explain(machine: Machine, arguments: argparse.Namespace, name: str, version: str, scratch: Path) -> _Explanation:
    """Raises TukitSysextError for an unknown image or version."""
    target = judged_tree(machine, arguments)
    local = replace(target.machine, read_only=True)
    with Tree(target.path) as tree:
        resolver = Resolver(local, tree, Plugins.of(machine), scratch=scratch)
        wanted = resolver.facts.wanted
        judged = judge_for(machine, arguments, resolver)
        resolver.look_locally()

        def ask(facts: Facts, _: int) -> Sequence[Candidate]:
            return explain.undescribed(facts, name)

        meant = wanted.get(name) or WantedImage(name=name, origin="", policy=Policy.OPTIONAL)
        facts = resolver.look_around(lambda _: {name: meant}, ask, names=(name,))
    facts = replace(facts, others={other: image for other, image in wanted.items() if other != name})
    facts = beside_each_other(facts)
    versions = explain.versions(facts, name, wanted.get(name))
    if not versions and not {name} & {*wanted, *facts.masked, *linked_names(facts)}:
        raise no_such_image(name, facts, wanted)
    chosen = [each for each in versions if not version or compare(each.option.version, version) == 0]
    if version and not chosen:
        raise _no_such_version(name, version, versions)
    (plan,) = decide(facts).images
    return _Explanation(
        target=target,
        facts=facts,
        name=name,
        version=version,
        wanted=name in wanted,
        versions=chosen,
        general=explain.of_tree(facts, name, wanted.get(name)),
        plan=plan,
        not_had=left_out(target).get(name, "") if plan.chosen is not None and judged.own else "",
        judged=judged,
    )


def _no_such_version(name: str, version: str, found: Sequence[Explained]) -> TukitSysextError:
    there = list(dict.fromkeys(each.option.version for each in found))
    near = nearest(version, there)
    told = f"there are {', '.join(there[:8])}" + (", ..." if len(there) > 8 else "") if there else "there is none"
    return TukitSysextError(
        f"{printable(name)}: {excerpt(version)}: expected a version that is offered, stored or linked; {told}",
        next_step=f"did you mean {name}={near}?" if near is not None else f"tukit-sysext list --all {name}",
    )


def _lines(explanation: _Explanation, *, every: bool) -> Iterator[str | Table]:
    """The answer as text, all versions with ``every``."""
    tree = explanation.facts.tree
    systemd = f"systemd {tree.systemd}" if tree.systemd is not None else "systemd of unknown version"
    if not explanation.judged.own:
        yield f"{explanation.name} for {system_in_words(tree.release)}, {tree.architecture}"
        yield from explanation.judged.notes
    else:
        system = f"{system_name(tree.release)}, {tree.architecture}, {systemd}"
        yield f"{explanation.name} for {explanation.target}: {system}"
    yield from (Toned(f"  {rule.system}", Tone.BAD) for rule in explanation.general)
    shown = explanation.versions if every else explanation.versions[:_SHOWN]
    if shown:
        yield ""
        rows = [row for each in shown for row in _rows(each)]
        yield Table(("Version", "Rule", "", "System", "Image"), rows, wraps=(-2, -1))
    else:
        yield "No version of it is offered, stored or linked."
    if len(shown) < len(explanation.versions):
        yield f"and {counted(len(explanation.versions) - len(shown), 'older version')}; --all shows them all"
    yield ""
    yield _conclusion(explanation)
    if explanation.usable and not explanation.wanted and not explanation.general:
        yield f"  tukit-sysext install {explanation.name}{'=' if explanation.version else ''}{explanation.version}"
    if explanation.not_had:
        yield Toned(f"When this tree was changed last, {explanation.not_had}", Tone.BAD)
    rules = {rule.image for each in shown for rule in each.rules}
    for text in explanation.plan.shadows:
        if text not in rules and text not in explanation.not_had:
            yield Toned(f"{explanation.taken}: {text}", Tone.BAD)
    for each in explanation.versions:
        if each.damage:
            yield Toned(f"{each.option.shown} is linked, but {each.damage}", Tone.BAD)
            yield "  next step:"
            yield "    tukit-sysext verify --repair"


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
    yield Toned(item.option.shown, Tone.STRONG), f"{origin}{linked}", stands, "", ""
    yield from (("", *row) for row in rule_rows(item.rules))


def _conclusion(explanation: _Explanation) -> str:
    name, version, chosen, taken = explanation.name, explanation.version, explanation.versions, explanation.taken
    if explanation.general:
        return Toned(f"{name} cannot be used, whatever its version: {explanation.general[0].system}", Tone.BAD)
    usable = [each for each in chosen if each.usable]
    what = f"{name} {version}".rstrip() if version else name
    if not usable and any(each.option.version == taken for each in chosen):
        if explanation.plan.lacks:
            return Toned(f"{name} {taken} is used all the same, as nothing lacks less (Needs=warn)", Tone.NOTICE)
        return f"{name} {taken} stays, as it is linked and fits; it would not be chosen now"
    if not usable:
        why = f": {chosen[0].reason}" if len(chosen) == 1 else ": none of its versions can be"
        return Toned(f"{what} is not used{why}", Tone.BAD)
    if not explanation.wanted:
        return f"{what} could be used, but is not wanted. To install it:"
    if taken is not None and not any(each.option.version == taken for each in usable):
        return f"{what} could be used, but {taken} is preferred (newer, or of a stronger source)"
    if taken is None:
        return f"{what} could be used"
    # only who fetches it finds out whether it comes, and is whole
    taken = explanation.plan.chosen.shown if explanation.plan.chosen is not None else taken
    if explanation.plan.action is Action.FETCH:
        return f"{name} {taken} would be fetched and used"
    return f"{name} {taken} is used"


def _document(explanation: _Explanation) -> dict[str, Any]:
    return {
        "name": explanation.name,
        "tree": tree_document(explanation.target),
        "own_system": explanation.judged.own,
        "system": system_name(explanation.facts.tree.release),
        "host": host_document(explanation.facts.tree),
        "usable": explanation.usable,
        "against": [{"rule": rule.rule, "reason": rule.system} for rule in explanation.general],
        "taken": explanation.taken,
        "shown_taken": explanation.plan.chosen.shown if explanation.plan.chosen is not None else None,
        "not_had": explanation.not_had or None,
        "warnings": list(explanation.plan.warnings),
        "versions": [
            {
                "version": each.option.version,
                "shown": each.option.shown,
                "file": each.option.file_name,
                "sha256": each.option.sha256 or None,
                "source": each.option.candidate.source if each.option.candidate is not None else None,
                "link": each.link,
                "damage": each.damage or None,
                "usable": each.usable,
                "standing": each.standing,
                "reason": each.reason,
                "rules": rules_document(each.rules),
            }
            for each in explanation.versions
        ],
        "not_asked": [{"source": source, "reason": reason} for source, reason in explanation.facts.not_asked.items()],
    }
