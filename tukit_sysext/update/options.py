# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which image files may serve a wanted image, in the order of preference. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from tukit_sysext.config.intent import State
from tukit_sysext.config.settings import DEFAULT_PRIORITY
from tukit_sysext.config.wanted import WantedImage
from tukit_sysext.rules.prerelease import is_prerelease
from tukit_sysext.rules.version import compare
from tukit_sysext.sources.candidate import Standing
from tukit_sysext.store.image_store import Condition
from tukit_sysext.update.another_image import same_image
from tukit_sysext.update.considered import Considered, Option, newest_first
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.held_against import held_against_system
from tukit_sysext.update.judging import consider


def published(facts: Facts, wanted: WantedImage, *, of_any: bool = False) -> Iterator[Considered]:
    """What sources offer: the strongest source first, in it the newest version.

    With ``of_any`` those of sources that may not serve it are among them.
    """
    if wanted.state is State.REMOVED:
        return
    sources = {(candidate.source, candidate.priority) for candidate in facts.offered(wanted.name)}
    serve = {source for source, priority in sources if of_any or not barred(facts, wanted, source, priority)}
    options = [
        Option.of_candidate(facts, candidate)
        for candidate in facts.offered(wanted.name)
        if candidate.architecture in (None, facts.tree.architecture)
        and candidate.source in serve
        and wanted.hold in (None, candidate.version)
    ]
    if wanted.sources:
        options.sort(key=lambda option: wanted.sources.index(option.candidate.source) if option.candidate else 0)
    for option in _releases_first(facts, wanted, options):
        yield same_image(facts, wanted, _choosable(facts, wanted, option))


def spare(facts: Facts, wanted: WantedImage, *, of_any: bool = False) -> Iterator[Considered]:
    """Whole images of the store, whether a source still offers them or not, the newest first; as :func:`published`."""
    options = [
        Option.of_stored(stored)
        for stored in facts.stored_of(wanted.name)
        if stored.record is not None
        and stored.condition is Condition.WHOLE
        and (of_any or not barred(facts, wanted, stored.record.source))
        and wanted.hold in (None, stored.record.version)
    ]
    for option in _releases_first(facts, wanted, sorted(options, key=newest_first)):
        yield same_image(facts, wanted, _choosable(facts, wanted, option))


def _releases_first(facts: Facts, wanted: WantedImage, options: Sequence[Option]) -> Iterator[Option]:
    """Options in their order, but of equally strong sources the pre-releases last, unless somebody asked for them."""
    if takes_prereleases(facts, wanted):
        yield from options
        return

    def strength(option: Option) -> int:
        if option.candidate is None:
            return 0
        return wanted.sources.index(option.candidate.source) if wanted.sources else option.candidate.priority

    for _, as_strong in groupby(options, key=strength):
        yield from sorted(as_strong, key=lambda option: is_prerelease(option.version))


def takes_prereleases(facts: Facts, wanted: WantedImage) -> bool:
    """Whether pre-releases count as releases do: where they are asked for, or one is linked."""
    linked = (file.version for file in facts.links_to(wanted.name).values())
    return wanted.asks_for_prereleases or any(is_prerelease(version) for version in linked)


def current(facts: Facts, wanted: WantedImage) -> Considered | None:
    """The image that the tree has a link to; of several (systemd would merge them all) the best one."""
    images: list[Considered] = []
    for link, stored in facts.links_to(wanted.name).items():
        option = Option.of_stored(stored)
        image = _choosable(facts, wanted, option)
        if wanted.hold not in (None, option.version):
            image = Considered(option=option, standing=Standing.NOT_ALLOWED, reason=f"{wanted.hold} is held")
        images.append(replace(image, link=link))
    images.sort(key=lambda image: newest_first(image.option))
    images.sort(key=lambda image: (image.standing is not Standing.FITS, not image.usable))
    return images[0] if images else None


def _choosable(facts: Facts, wanted: WantedImage, option: Option) -> Considered:
    """What is known of an option, and whether its version is blocked, or not allowed by Version=.

    Only who chooses asks: whether what a snapshot has is good and fits it, is not changed by that.
    """
    origin = blocked_by(facts, wanted, option)
    if origin is not None:
        return Considered(option=option, standing=Standing.NOT_ALLOWED, reason=f"blocked by {origin}")
    against = wanted.disallows(option.version)
    if against:
        return Considered(option=option, standing=Standing.NOT_ALLOWED, reason=against)
    return held_against_system(facts, wanted, consider(facts, option))


def blocked_by(facts: Facts, wanted: WantedImage, option: Option) -> str | None:
    """The file that blocks a version; versions that UAPI.10 holds for equal are the same."""
    if any(compare(version, option.version) == 0 for version in wanted.blocked):
        return wanted.origin
    versions = (blocked for blocked in facts.blocked if blocked.name == wanted.name)
    return next((blocked.origin for blocked in versions if compare(blocked.version, option.version) == 0), None)


def homes(facts: Facts, wanted: WantedImage) -> tuple[str, ...]:
    """The sources that the linked image is from, as far as they are still configured: it stays with them."""
    records = (stored.record for stored in facts.links_to(wanted.name).values())
    return tuple(sorted({record.source for record in records if record is not None} & set(facts.sources)))


def barred(facts: Facts, wanted: WantedImage, source: str, priority: int | None = None) -> str:
    """Why the image may not be taken from a source; empty where it may.

    Source= decides. Without it an installed image stays with its source, as zypper keeps a vendor, and another one is
    not taken from a weaker source while a stronger one could not be asked: whoever drops packets would choose it.
    """
    if not wanted.may_be_of(source):
        return f"Source= is {' '.join(wanted.sources)}"
    home = homes(facts, wanted)
    if home and not wanted.sources and source not in home:
        return f"the linked image is of {' '.join(home)}, with which it stays unless Source= has both"
    return "" if home else stronger_not_asked(facts, wanted, source, priority)


def stronger_not_asked(facts: Facts, wanted: WantedImage, source: str, priority: int | None = None) -> str:
    """That a source which goes before this one could not be asked, in words; empty where all of them were."""

    def strength(name: str) -> int:
        return wanted.sources.index(name) if wanted.sources else facts.priorities.get(name, DEFAULT_PRIORITY)

    ours = priority if priority is not None and not wanted.sources else strength(source)
    first = (name for name in facts.not_asked if wanted.may_be_of(name) and strength(name) < ours)
    return next((f"{name}, which goes before it, could not be asked" for name in first), "")


def preferred(versions: Iterable[Considered]) -> Considered | None:
    """The version to be taken: the first that may be, once it is here any newer one whose content has to decide.

    A description that is not signed excludes no version, or whoever sits on the way could keep an older one in
    its place for good; it only comes behind those without such a no (row P9).
    """
    doubted: Considered | None = None
    for version in versions:
        if version.usable:
            return doubted if doubted is not None and version.option.whole else version
        if version.standing is Standing.DOUBTED:
            doubted = doubted or version
    return doubted
