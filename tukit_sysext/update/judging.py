# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether an image file fits a tree: its content in the store says so, else what was found out, else nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tukit_sysext.requirements.contents import Contents
from tukit_sysext.rules.matching import Compatibility
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.snapshots.fitting import judge
from tukit_sysext.sources.candidate import Description, Standing
from tukit_sysext.store.image_store import Condition
from tukit_sysext.update.considered import Considered, Option, damage
from tukit_sysext.update.facts import Facts

MOST_TRIED = 3
"""How many contents of one image are fetched in vain in one run: what is described wrongly has an end."""


def consider(facts: Facts, option: Option) -> Considered:
    """What is known of an option: the content in the store, else what was found out, else nothing."""
    stored = option.stored
    if option.whole and stored is not None and stored.record is not None:
        return _judge(facts, option, ReleaseData(stored.record.release), stored.record.contents)
    if option.candidate is None:
        if stored is None or stored.condition is not Condition.UNRECORDED:
            reason = damage(stored) if stored is not None else "not in the store"
            return Considered(option=option, standing=Standing.BROKEN, reason=reason)
        nothing = Considered(
            option=option, standing=Standing.ONLY_CONTENT_TELLS, reason=f"of unknown origin: {stored.reason}"
        )
    else:
        nothing = Considered(option=option, standing=Standing.NOT_ASKED, reason="not looked at")
    known = facts.known.get(option.key)
    return nothing if known is None else _from_known(facts, option, known)


def _from_known(facts: Facts, option: Option, known: Description) -> Considered:
    if known.failure is not None:
        return Considered(option=option, standing=known.failure, reason=known.reason, next_step=known.next_step)
    if known.release is not None and (known.merge_name is not None or option.candidate is None):
        return _judge(facts, option, known.release, known.contents)  # its content says so
    if known.release is None:
        reason = known.reason or "it has no description, its content decides"
        described = Considered(option=option, standing=Standing.ONLY_CONTENT_TELLS, reason=reason)
    else:
        described = _judge(facts, option, known.release, known.contents)
    if described.standing is Standing.DOES_NOT_FIT:
        # what the publisher requires is the same when the image is done
        early = known.early and not (described.verdict is not None and described.verdict.fits)
        if known.vouched and not (early and _is_for_any_system(facts, _name(option))):
            return replace(described, early=early)
        described = doubted(described, early=known.vouched)
    if facts.tried.get(_name(option), 0) >= MOST_TRIED:
        reason = f"{MOST_TRIED} other contents were fetched in vain to find one that fits; the next run goes on"
        return replace(described, standing=Standing.NOT_TRIED, reason=reason)
    return described


def _judge(facts: Facts, option: Option, release: ReleaseData, contents: Contents | None) -> Considered:
    verdict, against = judge_in_tree(facts, _name(option), option.version, release, contents)
    standing = Standing.DOES_NOT_FIT if against else Standing.FITS
    reason = against or (verdict.reason if verdict is not None else "")
    return Considered(option=option, standing=standing, reason=reason, verdict=verdict)


def judge_in_tree(
    facts: Facts, name: str, version: str, release: ReleaseData, contents: Contents | None
) -> tuple[Compatibility | None, str]:
    """What :func:`judge` says of an image in the tree that the facts are of."""
    wanted = facts.wanted.get(name)
    return judge(
        facts.tree,
        release,
        name,
        version,
        facts.objection,
        contents=contents,
        required=wanted.requires if wanted is not None else (),
        ground=facts.ground,
    )


def _is_for_any_system(facts: Facts, name: str) -> bool:
    """Whether a content of this image is known that has ``ID=_any``: then its publisher sets that at the very end."""
    records = (stored.record for stored in facts.stored_of(name))
    return any(record.release.get("ID") == "_any" for record in records if record is not None)


def doubted(described: Considered, *, early: bool) -> Considered:
    """What a description says that does not decide: the content does."""
    why = "that was written before the image was done" if early else "that is not signed"
    reason = f"{described.reason} (by a description {why}: its content decides)"
    return replace(described, standing=Standing.DOUBTED, reason=reason)


def last_resort(facts: Facts, versions: Iterable[Considered]) -> Considered | None:
    """The newest version that an early description calls unfitting, for a tree that has none and may take no other.

    None where enough contents were looked into.
    """
    early = (each for each in versions if each.early and facts.tried.get(_name(each.option), 0) < MOST_TRIED)
    return next((doubted(each, early=True) for each in early), None)


def _name(option: Option) -> str:
    """Which image an option is."""
    if option.candidate is not None:
        return option.candidate.name
    return (option.stored.name if option.stored is not None else None) or option.file_name
