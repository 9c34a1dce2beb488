# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything that speaks for or against each version of an image in a tree, with the values of both sides. Pure.

What :mod:`tukit_sysext.update.options` leaves out without a word (another source, another architecture, not the version
that is held) is explained here as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from tukit_sysext.config.intent import State
from tukit_sysext.config.wanted import WantedImage
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.rules.constraint import disallows
from tukit_sysext.rules.matching import Compatibility
from tukit_sysext.rules.prerelease import is_of_series
from tukit_sysext.sources.candidate import Candidate, Standing
from tukit_sysext.store.image_store import Stored
from tukit_sysext.update.another_image import same_image
from tukit_sysext.update.considered import Considered, Option, contents_of, damage, newest_first
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.held_against import held_against_system
from tukit_sysext.update.judging import consider
from tukit_sysext.update.options import barred, blocked_by, published, spare
from tukit_sysext.update.requirement_rules import requirement_rules
from tukit_sysext.update.rule import Rule, Side


class Explained(NamedTuple):
    """One version from one place with all rules.

    ``link`` is the name of its link in the tree, where it has one, and ``damage`` what is wrong with what it leads to.
    """

    option: Option
    standing: Standing
    rules: tuple[Rule, ...]
    reason: str
    link: str | None = None
    damage: str = ""

    @property
    def usable(self) -> bool:
        """Whether it fits, as far as that can be known before its content is."""
        return not any(rule.fits is False for rule in self.rules)


def relaxed(wanted: WantedImage) -> WantedImage:
    """The image as it would be wanted without all that narrows the choice."""
    return replace(wanted, sources=(), hold=None, constraint=None, series=None, blocked=(), state=State.WANTED)


def undescribed(facts: Facts, name: str) -> tuple[Candidate, ...]:
    """Candidates of an image that nobody looked at yet, whatever the configuration says of them."""
    wanted = relaxed(facts.wanted[name]) if name in facts.wanted else WantedImage(name=name, origin="")
    versions = published(replace(facts, blocked=()), wanted, of_any=True)
    return tuple(
        version.option.candidate
        for version in versions
        if version.standing is Standing.NOT_ASKED and version.option.candidate is not None
    )


def of_tree(facts: Facts, name: str, wanted: WantedImage | None) -> tuple[Rule, ...]:
    """Why no version of the image can be used; rules that are fulfilled are left out."""
    rules: list[Rule] = []
    if facts.tree.unusable:
        rules.append(Rule(rule=Side.PLACE, fits=False, system=facts.tree.unusable))
    if name in facts.masked:
        rules.append(Rule(rule=Side.STATE, fits=False, system=f"masked by {facts.masked[name]}"))
    if wanted is not None and wanted.state is State.REMOVED:
        rules.append(Rule(rule=Side.STATE, fits=False, system=f"State=removed in {wanted.origin}"))
    in_the_way = next((foreign for foreign in facts.foreign if foreign.entry.stem == name), None)
    if in_the_way is not None:
        reason = f"/etc/extensions/{in_the_way.entry.name} is not ours ({in_the_way.note or in_the_way.entry.kind})"
        rules.append(Rule(rule=Side.PLACE, fits=False, system=reason))
    return tuple(rules)


def versions(facts: Facts, name: str, wanted: WantedImage | None) -> tuple[Explained, ...]:
    """Every version that is offered, stored or linked, the newest first; ``wanted`` as the tree says, None: not."""
    meant = wanted if wanted is not None else WantedImage(name=name, origin="")
    links = {
        (stored.file_name, _sha256(stored)): (link, damage(stored))
        for link, stored in facts.links_to(meant.name).items()
    }
    options = list(_options(facts, meant))
    options.sort(key=lambda option: option.candidate.priority if option.candidate is not None else 0)
    options.sort(key=newest_first)
    # another content under the same name is not the one that is linked; where nothing tells, the name has to do
    keys = [((option.file_name, option.sha256), (option.file_name, "")) for option in options]
    link_of = [links.get(key) or links.get(without) or (None, "") for key, without in keys]
    return tuple(_explained(facts, meant, option, *link) for option, link in zip(options, link_of, strict=True))


def _sha256(stored: Stored) -> str:
    return stored.record.listed_sha256 if stored.record is not None else ""


def _options(facts: Facts, wanted: WantedImage) -> Iterator[Option]:
    seen: set[tuple[str, str]] = set()
    for candidate in facts.candidates:
        if candidate.name == wanted.name:
            option = Option.of_candidate(facts, candidate)
            # one that is not for this tree hides nothing of the store
            if wanted.may_be_of(candidate.source) and candidate.architecture in (None, facts.tree.architecture):
                seen.add((option.file_name, option.sha256))
            yield option
    for option in (version.option for version in spare(facts, relaxed(wanted), of_any=True)):
        if (option.file_name, option.sha256) not in seen:
            seen.add((option.file_name, option.sha256))
            yield option
    names = {file_name for file_name, _ in seen}
    for stored in facts.links_to(wanted.name).values():
        if stored.file_name not in names:
            yield Option.of_stored(stored)


def _explained(facts: Facts, wanted: WantedImage, option: Option, link: str | None, wrong: str) -> Explained:
    considered = held_against_system(facts, wanted, consider(facts, option))
    if link is None:
        considered = same_image(facts, wanted, considered)
    configured = tuple(_configured(facts, wanted, option))
    rules = (*configured, *rules_of_content(facts, wanted.name, considered))
    against = next((rule for rule in configured if rule.fits is False), None)
    standing = considered.standing
    if against is not None:
        standing = Standing.DOES_NOT_FIT if against.rule == Side.FILE else Standing.NOT_ALLOWED
    return Explained(
        option=option,
        standing=standing,
        rules=rules,
        reason=_in_words(against) if against is not None else considered.reason,
        link=link,
        damage=wrong,
    )


def _configured(facts: Facts, wanted: WantedImage, option: Option) -> Iterator[Rule]:
    """What the configuration, and the name of the file, say of a version; what is not set is no rule."""
    candidate = option.candidate
    record = option.stored.record if option.stored is not None else None
    source = candidate.source if candidate is not None else (record.source if record is not None else None)
    if wanted.sources:
        allowed = source is not None and wanted.may_be_of(source)
        yield Rule(rule=Side.SOURCE, fits=allowed, system=" ".join(wanted.sources), image=source)
    elif source is not None:
        against = barred(facts, wanted, source, candidate.priority if candidate is not None else None)
        if against:
            yield Rule(rule=Side.VENDOR, fits=False, system=against, image=source)
    if candidate is not None and candidate.architecture is not None:
        ours = facts.tree.architecture
        yield Rule(rule=Side.FILE, fits=candidate.architecture == ours, system=ours, image=candidate.architecture)
    if wanted.hold is not None:
        yield Rule(rule=Side.HOLD, fits=wanted.hold == option.version, system=wanted.hold, image=option.version)
    if wanted.constraint is not None:
        fits = not disallows(wanted.constraint, option.version, prereleases=wanted.prereleases)
        yield Rule(rule=Side.VERSION, fits=fits, system=wanted.constraint, image=option.version)
    if wanted.series is not None:
        fits = is_of_series(wanted.series, option.version)
        yield Rule(rule=Side.SERIES, fits=fits, system=wanted.series, image=option.version)
    origin = blocked_by(facts, wanted, option)
    if origin is not None:
        yield Rule(rule=Side.BLOCK, fits=False, system=origin, image=option.version)


def rules_of_content(facts: Facts, name: str, considered: Considered) -> Iterator[Rule]:
    """What its content says of a version, or why not known: systemd's rules, and where it fits by these, others."""
    verdict = considered.verdict
    if verdict is None:
        fits = None if considered.standing in (Standing.NOT_ASKED, Standing.ONLY_CONTENT_TELLS) else False
        yield Rule(rule=Side.CONTENT, fits=fits, image=considered.reason)
        return
    if considered.standing is Standing.ANOTHER_IMAGE:
        yield Rule(rule=Side.CONTENT, fits=False, image=considered.reason)
    against = considered.reason if considered.standing is Standing.DOES_NOT_FIT else ""
    option = considered.option
    yield from rules_of_release(facts, name, option.version, verdict, contents_of(facts, option), against)


def rules_of_release(
    facts: Facts, name: str, version: str, verdict: Compatibility, contents: Contents | None, against: str
) -> Iterator[Rule]:
    """systemd's rules and, where these are content, further ones; ``against`` is what any plugin has against it."""
    for result in verdict.results:
        yield Rule(rule=result.rule, fits=result.fits, system=result.host, image=result.extension)
    if not verdict.fits:
        return
    further = list(requirement_rules(facts, name, version, contents))
    yield from further
    if against and not any(rule.fits is False and rule.rule != Side.NEEDS for rule in further):
        yield Rule(rule=Side.PLUGIN, fits=False, image=against)


def _in_words(rule: Rule) -> str:
    match rule.rule:
        case Side.SOURCE:
            return f"it is of {rule.image or 'no source'}, Source= is {rule.system}"
        case Side.VENDOR:
            return f"it is of {rule.image}, and {rule.system}"
        case Side.FILE:
            return f"it is for {rule.image}, the system is {rule.system}"
        case Side.HOLD:
            return f"{rule.system} is held"
        case Side.VERSION:
            return disallows(rule.system or "", rule.image or "")
        case Side.SERIES:
            return f"Series={rule.system} does not allow it"
    return f"blocked by {rule.system}"
