# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext list``: what the sources offer, and what of it fits a tree, is installed there, or has an update."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tukit_sysext.commands.common.source_steps import FAULTY, NO_SOURCE
from tukit_sysext.commands.common.trees import looked_at, tree_document
from tukit_sysext.commands.common.typed_names import no_such_image
from tukit_sysext.config.intent import State
from tukit_sysext.config.wanted import WantedImage
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.quantities import counted, size_text
from tukit_sysext.rules.prerelease import order
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.sources.candidate import Standing
from tukit_sysext.sources.last_lists import in_words
from tukit_sysext.system.system_release import system_name
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Tone, Toned
from tukit_sysext.update import explain
from tukit_sysext.update.catalogue import Offer, catalogue, undecided_of_both, wanting_newest
from tukit_sysext.update.considered import Option
from tukit_sysext.update.explain import Explained
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.plan import Action
from tukit_sysext.update.search import Resolver


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Print it. 0, or 1 where a source could not be asked."""
    output = Output.of(arguments)
    target = looked_at(machine, arguments)
    local = replace(target.machine, read_only=True)
    with Tree(target.path) as tree:
        resolver = Resolver(local, tree, Plugins.of(machine))
        wanted = resolver.facts.wanted

        def ask(facts: Facts, most: int) -> Sequence[Any]:
            more = [one for name in facts.wanted for one in explain.undescribed(facts, name)] if arguments.all else []
            return more or undecided_of_both(facts, wanted, most)

        names = arguments.names
        facts = resolver.look_around(lambda found: wanting_newest(found, wanted, names), ask, names=names)
    _check_names(facts, arguments.names, wanted)
    shown = [offer for offer in catalogue(facts, wanted) if _is_asked_for(offer, arguments)]
    away = facts.not_asked
    versions = (
        {offer.name: explain.versions(facts, offer.name, offer.wanted) for offer in shown} if arguments.all else {}
    )
    if output.wants_json:
        output.json(_document(target, facts, shown, versions if arguments.all else None, away))
    elif not shown:
        output.show(_nothing(facts, arguments, away))
    elif arguments.all:
        _table(output, ("Image", "Version", "From", "Size", "State"), [*_version_rows(shown, versions)])
        output.say()
        output.say(_summary(target, facts, shown, known=not away))
        output.show(Toned(line, Tone.NOTICE) for line in in_words(facts.not_understood))
    else:
        rows = [_row(offer, facts) for offer in shown]
        _table(output, ("Image", "Installed", "Newest", "Size", "State"), rows)
        output.say()
        output.say(_summary(target, facts, shown, known=not away))
        for state, step in _NEXT_STEPS.items():
            if any(row[-1] == state for row in rows):
                output.say(f"{state}:")
                output.say(f"  {step}")
        if any(offer.damage for offer in shown):
            where = f" --snapshot {target.snapshot.number}" if target.snapshot and not target.running else ""
            output.say("missing or damaged:")
            output.say(f"  tukit-sysext verify --repair{where}")
    for name, reason in away.items():
        step = FAULTY if name in facts.unusable else f"tukit-sysext sources refresh {name}"
        output.warn(f"source {name}: {reason}", next_step=step)
    return ExitStatus.FAILED if away else ExitStatus.DONE


def _check_names(facts: Facts, names: Collection[str], wanted: Mapping[str, WantedImage]) -> None:
    """Raises TukitSysextError for an unknown name."""
    unknown = [name for name in names if name not in facts.wanted]
    if unknown:
        raise no_such_image(unknown[0], facts, wanted)


def _is_asked_for(offer: Offer, arguments: argparse.Namespace) -> bool:
    if arguments.updates:
        return offer.update is not None
    if offer.is_nothing and offer.name not in arguments.names:
        return False
    wanted = offer.wanted is not None and offer.wanted.state is State.WANTED
    return not arguments.installed or wanted or offer.installed is not None


_NOT_WANTED = "linked, not wanted"
_NOT_LINKED = "wanted, not linked"
_NEXT_STEPS = {
    _NOT_WANTED: "tukit-sysext adopt",
    _NOT_LINKED: "tukit-sysext update",
}


def _nothing(facts: Facts, arguments: argparse.Namespace, away: Mapping[str, str]) -> Sequence[str]:
    if arguments.updates:
        return ["No update of an installed image is known." if away else "No installed image has an update."]
    if arguments.installed:
        return ["No image is wanted or linked."]
    if not facts.sources:
        return NO_SOURCE
    return ["What the sources offer is not known." if away else "The sources offer no image."]


def _row(offer: Offer, facts: Facts) -> Sequence[str]:
    newest = offer.newest.option if offer.newest is not None else None
    shown = newest.shown if newest is not None else "-"
    return offer.name, offer.shown_installed or "-", shown, _size(newest), _state(offer, facts)


def _size(option: Option | None) -> str:
    """Bytes of what would be fetched, or was; of servers they are known where a description says them."""
    size = option.size if option is not None else None
    return size_text(size) if size is not None else "-"


def _table(output: Output, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Without the sizes where none is known."""
    at = head.index("Size")
    if all(row[at] == "-" for row in rows):
        output.table([*head[:at], *head[at + 1 :]], [(*row[:at], *row[at + 1 :]) for row in rows])
    else:
        output.table(head, rows, right=(at,))


def _state(offer: Offer, facts: Facts) -> str:
    """Where an image stands in the tree, in a few words."""
    wanted, plan = offer.wanted, offer.plan
    text: str
    if wanted is not None and wanted.state is State.REMOVED:
        return Toned("removed: its links go with the next update", Tone.FAINT) if offer.installed else "removed"
    if wanted is None and offer.installed is not None:
        return Toned(f"{_NOT_WANTED}, but {offer.damage}" if offer.damage else _NOT_WANTED, Tone.NOTICE)
    if plan is None or wanted is None:
        if offer.name in facts.masked:
            return Toned(f"masked by {facts.masked[offer.name]}", Tone.FAINT)
        return "available" if offer.newest is not None else Toned(f"does not fit: {_why_none(offer)}", Tone.FAINT)
    if offer.update is not None:
        if order(offer.update, offer.installed or "") < 0:
            return Toned(f"{offer.update} is held, update goes back to it", Tone.NOTICE)
        lost = f"; {offer.installed} is {offer.damage}" if offer.damage else ""
        return Toned(f"update to {offer.shown_update}{lost}", Tone.BAD if lost else Tone.STRONG)
    if plan.action is Action.LEAVE_OUT:
        without = "would refuse an update" if plan.refuses else "would go"
        return Toned(f"{without if offer.installed else 'left out'}: {plan.reason}", Tone.BAD)
    if plan.action is Action.LEAVE_ALONE:
        return Toned(plan.reason, Tone.NOTICE)
    if offer.installed is None:
        return Toned(_NOT_LINKED, Tone.NOTICE)
    text = f"installed, but {offer.damage}" if offer.damage else "installed"
    if not offer.considered:
        text = f"{text}, not offered any more" if not facts.not_asked else f"{text}, its source could not be asked"
    if wanted.hold is not None:
        newer = f"; {offer.held_back} fits too" if offer.held_back is not None else ""
        return Toned(f"{text}, held at {wanted.hold}{newer}", Tone.BAD if offer.damage else Tone.NOTICE)
    return Toned(text, Tone.BAD if offer.damage else Tone.GOOD)


def _why_none(offer: Offer) -> str:
    best = offer.considered[0] if offer.considered else None
    return f"{best.option.shown}: {best.reason}" if best is not None else "offered for other architectures alone"


def _summary(target: Target, facts: Facts, shown: Sequence[Offer], *, known: bool) -> str:
    updates = sum(offer.update is not None for offer in shown)
    lost = [offer for offer in shown if offer.wanted is None and offer.damage]
    installed = sum(offer.installed is not None for offer in shown if offer not in lost)
    many = counted(updates, "update") if updates else "no update" if known else "updates not known"
    images = counted(len(shown), "image")
    return f"{images}, {installed} installed, {many}; for {target}: {system_name(facts.tree.release)}"


def _version_rows(shown: Sequence[Offer], versions: Mapping[str, Sequence[Explained]]) -> Iterator[Sequence[str]]:
    for offer in shown:
        for version in versions[offer.name]:
            candidate = version.option.candidate
            origin = candidate.source if candidate is not None else "(store)"
            yield offer.name, version.option.shown, origin, _size(version.option), _version_state(offer, version)


def _version_state(offer: Offer, version: Explained) -> str:
    if version.link is not None:
        # what has no record, and nobody offers, has nothing but its damage for a reason
        wrong = list(dict.fromkeys([version.damage, *([] if version.usable else [version.reason])]))
        against = f", but {'; '.join(filter(None, wrong))}" if any(wrong) else ""
        return Toned(f"installed{against}", Tone.BAD if against else Tone.GOOD)
    if not version.usable:
        judged = version.standing in (Standing.DOES_NOT_FIT, Standing.NOT_ALLOWED)
        return Toned(f"{version.standing}: {version.reason}" if judged else version.reason, Tone.FAINT)
    if version.option.version == offer.update and version.option.shown == offer.shown_update:
        return Toned("fits, the update", Tone.STRONG)
    return "fits" if version.standing is Standing.FITS else str(version.standing)


def _document(
    target: Target,
    facts: Facts,
    shown: Sequence[Offer],
    versions: Mapping[str, Sequence[Explained]] | None,
    away: Mapping[str, str],
) -> dict[str, Any]:
    return {
        "tree": tree_document(target),
        "system": system_name(facts.tree.release),
        "images": [
            {
                "name": offer.name,
                "wanted": offer.wanted is not None and offer.wanted.state is State.WANTED,
                "wanted_by": offer.wanted.origin if offer.wanted is not None else None,
                "policy": offer.wanted.policy if offer.wanted is not None else None,
                "hold": offer.wanted.hold if offer.wanted is not None else None,
                "installed": offer.installed,
                "shown_installed": offer.shown_installed,
                "newest": offer.newest.option.version if offer.newest is not None else None,
                "shown_newest": offer.newest.option.shown if offer.newest is not None else None,
                "newest_source": offer.newest.option.candidate.source
                if offer.newest is not None and offer.newest.option.candidate is not None
                else None,
                "newest_size": offer.newest.option.size if offer.newest is not None else None,
                "update": offer.update,
                "shown_update": offer.shown_update,
                "damage": offer.damage or None,
                "state": _state(offer, facts),
                **({} if versions is None else {"versions": [_version(item) for item in versions[offer.name]]}),
            }
            for offer in shown
        ],
        "not_understood": [
            {"source": file.source, "file": file.file_name, "reason": file.reason} for file in facts.not_understood
        ],
        "not_asked": [{"source": name, "reason": reason} for name, reason in away.items()],
    }


def _version(version: Explained) -> dict[str, Any]:
    candidate = version.option.candidate
    return {
        "version": version.option.version,
        "shown": version.option.shown,
        "file": version.option.file_name,
        "source": candidate.source if candidate is not None else None,
        "size": version.option.size,
        "sha256": version.option.sha256 or None,
        "stored": version.option.whole,
        "link": version.link,
        "damage": version.damage or None,
        "usable": version.usable,
        "standing": version.standing,
        "reason": version.reason,
    }
