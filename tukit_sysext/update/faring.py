# SPDX-License-Identifier: LGPL-2.1-or-later
"""How one image would fare in a system, whether anybody offers it or not. Changes nothing, and asks no source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tukit_sysext.all_plugins import Advisers
from tukit_sysext.config.wanted import WantedImage
from tukit_sysext.machine import Machine
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.requirements.shadowing import in_short
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.snapshots.fitting import TreeFacts
from tukit_sysext.system.system_release import machine_architecture
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.collisions import MergedImage, collisions
from tukit_sysext.update.explain import rules_of_release
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.image_look import ImageLook
from tukit_sysext.update.judging import judge_in_tree
from tukit_sysext.update.local import LocalLook
from tukit_sysext.update.rule import Rule, Side

_RELEASE_ALONE = "what it hides, requires and needs there is not known: an os-release tells of systemd's rule alone"


@dataclass(frozen=True, kw_only=True, slots=True)
class Faring:
    """An image in one system: every rule, and what is not known of others.

    ``fits`` is None where not known; what it only lacks keeps no image out.
    """

    system: TreeFacts
    fits: bool | None
    reason: str
    rules: tuple[Rule, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def is_known_in_part(self) -> bool:
        """Whether there might be more reasons not to use it."""
        return bool(self.unknown) or any(
            rule.fits is None for rule in self.rules if rule.rule in (Side.REQUIRED, Side.STATED, Side.NEEDS)
        )

    @property
    def lacks(self) -> int:
        """How many of its needs are not met there, that count."""
        return sum(rule.rule == Side.NEEDS and rule.fits is False for rule in self.rules)


def fare_in_tree(machine: Machine, path: Path, image: ImageLook, plugins: Advisers, *, scratch: Path) -> Faring:
    """How an image would fare in the system of a tree; ``scratch`` is a directory that we may write.

    Raises UnknownState.
    """
    with Tree(path) as tree:
        look = LocalLook(replace(machine, read_only=True), tree, scratch=scratch)
        facts = look.with_store(look.facts(plugins=plugins))
        return _fare(facts, image)


def fare_with_release(path: Path, release: ReleaseData, image: ImageLook) -> Faring:
    """How an image would fare on a machine like this one with another os-release, as far as that tells."""
    tree = TreeFacts(path=path, release=release, architecture=machine_architecture(), systemd=None)
    return replace(_fare(Facts(tree=tree, wanted={}), image), unknown=(_RELEASE_ALONE,))


def _fare(facts: Facts, image: ImageLook) -> Faring:
    tree, contents = facts.tree, image.contents
    if image.release is None:
        return Faring(system=tree, fits=None, reason="what the image says of itself is not known")
    verdict, against = judge_in_tree(facts, image.name, image.version, image.release, contents)
    if verdict is None:
        return Faring(system=tree, fits=None, reason=tree.unusable or against)
    objection = against if verdict.fits else ""
    rules = tuple(rules_of_release(facts, image.name, image.version, verdict, contents, objection))
    if verdict.fits:
        rules += tuple(_collisions(facts, image))
    refused = next((rule for rule in rules if rule.rule == Side.SHADOW and rule.fits is False), None)
    return Faring(
        system=tree,
        fits=not against and refused is None,
        reason=against or (f"{refused.image} ({refused.system})" if refused is not None else verdict.reason),
        rules=rules,
        unknown=tuple(_unknown(facts, contents)) if verdict.fits else (),
    )


def _collisions(facts: Facts, image: ImageLook) -> Iterator[Rule]:
    """Files that linked images have otherwise."""
    ours = MergedImage(
        wanted=_wanted(facts, image.name),
        stem=image.merge_name or image.name,
        version=image.version,
        contents=image.contents,
        record=image.record,
        kept=False,
    )
    for entry in facts.tree.entries:
        stored = facts.stored.get(entry.image) if entry.image is not None else None
        record = stored.record if stored is not None else None
        if record is None or record.name == image.name:
            continue
        linked = MergedImage.of_record(record, wanted=_wanted(facts, record.name), stem=entry.stem, kept=True)
        for each in collisions((ours, linked), facts.offers):
            where = "below" if each.lower is linked else "on top"
            yield Rule(
                rule=Side.SHADOW,
                fits=each.refused is None,
                system=f"{linked.shown} has it otherwise, and is {where}",
                image=in_short(each.paths),
            )


def _wanted(facts: Facts, name: str) -> WantedImage:
    return facts.wanted.get(name) or WantedImage(name=name, origin="")


def _unknown(facts: Facts, contents: Contents | None) -> Sequence[str]:
    """What could not be looked at, beyond what rules say themselves."""
    if facts.ground is None:
        return ("the system could not be looked at",)
    if contents is None:
        return ("what it has and needs is not known",)
    if contents.files is None:
        return ("which files it has is not known, so that it may hide a part of the system",)
    return ()
