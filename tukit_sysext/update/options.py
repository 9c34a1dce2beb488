# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which image files may serve a wanted image, in the order of preference, and what is known of each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cmp_to_key
from itertools import groupby

from tukit_sysext.config.intent import State
from tukit_sysext.config.settings import DEFAULT_PRIORITY
from tukit_sysext.config.wanted import Attitude, WantedImage
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.rules.image_names import calls_itself, unpacked_name
from tukit_sysext.rules.matching import Compatibility
from tukit_sysext.rules.names import handle, published_name, shown_version
from tukit_sysext.rules.prerelease import is_prerelease, order
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.rules.version import compare
from tukit_sysext.snapshots.fitting import judge
from tukit_sysext.sources.candidate import Candidate, Description, Reading, Standing
from tukit_sysext.store.image_store import Condition, Stored
from tukit_sysext.update.facts import Facts, Offers


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One image file that may serve: offered by a source, in the store, or both.

    ``sha256`` is what the source or the record says, empty for a file of unknown origin.
    """

    version: str
    file_name: str
    sha256: str
    candidate: Candidate | None = None
    stored: Stored | None = None

    @classmethod
    def of_candidate(cls, facts: Facts, candidate: Candidate) -> Option:
        """What a source offers, with the file of the store that has its content, or would have it."""
        file_name = _file_name(facts, candidate)
        return cls(
            version=candidate.version,
            file_name=file_name,
            sha256=candidate.sha256,
            candidate=candidate,
            stored=facts.stored.get(file_name),
        )

    @classmethod
    def of_stored(cls, stored: Stored) -> Option:
        """A file of the store."""
        sha256 = stored.record.listed_sha256 if stored.record is not None else ""
        return cls(version=stored.version, file_name=stored.file_name, sha256=sha256, stored=stored)

    @property
    def shown(self) -> str:
        """The version for people, two contents of it told apart."""
        return shown_version(self.version, self.file_name)

    @property
    def whole(self) -> bool:
        """Whether the store has just this content, whole."""
        stored = self.stored
        if stored is None or stored.record is None or stored.condition is not Condition.WHOLE:
            return False
        return stored.record.has(self.sha256)

    @property
    def origin(self) -> str:
        """Where it comes from, in words."""
        return f"source {self.candidate.source}" if self.candidate is not None else "the store"

    @property
    def key(self) -> str:
        """Under which :attr:`Facts.known` has what was found out about it."""
        return self.candidate.key if self.candidate is not None else self.file_name


def _file_name(facts: Facts, candidate: Candidate) -> str:
    """The name that the content has in the store, or would get: its own, unless another content has it."""
    names = store_names(candidate)[1 if candidate.key in facts.beside else 0 :]
    recorded = {name: file.record for name in names if (file := facts.stored.get(name)) and file.record}
    there = next((name for name, record in recorded.items() if record.has(candidate.sha256)), None)
    return there or next((name for name in names if name not in recorded), names[-1])


def store_names(candidate: Candidate) -> tuple[str, ...]:
    """The names that a content may have in the store, in the order of preference."""
    own, sha256 = unpacked_name(candidate.file_name)[0], candidate.sha256
    return own, handle(own, sha256), handle(own, sha256, whole=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Considered:
    """An option with what is known of it; ``verdict`` where systemd's rule could be asked.

    ``link`` is the name of the link that the tree has to it, where that is what was looked for. ``early``: it is said
    not to fit by a description that was written before the image was done. ``missing`` are the needs that speak
    against it.
    """

    option: Option
    standing: Standing
    reason: str
    verdict: Compatibility | None = None
    link: str | None = None
    early: bool = False
    missing: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether it may be taken: it fits, or nothing speaks against it before its content is known."""
        return self.standing in (Standing.FITS, Standing.ONLY_CONTENT_TELLS)


def damage(stored: Stored) -> str:
    """Why what a link leads to is not the image that was recorded; empty where it is, and where nothing is recorded."""
    good = stored.condition in (Condition.WHOLE, Condition.UNRECORDED)
    return "" if good else f"{stored.condition}: {stored.reason}"


MOST_TRIED = 3
"""How many contents of one image are fetched in vain in one run: what is described wrongly has an end."""

newest_first = cmp_to_key(lambda a, b: order(b.version, a.version))  # type: ignore[attr-defined]  # Option, Record
"""Sort key for what has a ``version``."""


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

    Only who chooses asks: whether what a snapshot has is whole and fits it, is not changed by that.
    """
    origin = blocked_by(facts, wanted, option)
    if origin is not None:
        return Considered(option=option, standing=Standing.NOT_ALLOWED, reason=f"blocked by {origin}")
    against = wanted.disallows(option.version)
    if against:
        return Considered(option=option, standing=Standing.NOT_ALLOWED, reason=against)
    return held_against_needs(facts, wanted, held_against_shadow(facts, wanted, consider(facts, option)))


def held_against_shadow(facts: Facts, wanted: WantedImage, considered: Considered) -> Considered:
    """What is known of an option that fits, unless Shadow= refuses what it takes the place of.

    Other versions are looked at then.
    """
    option, offers = considered.option, facts.offers
    if wanted.shadow is not Attitude.REFUSE or offers is None or considered.standing is not Standing.FITS:
        return considered
    reason, contents = facts.colliding.get(option.file_name, ""), contents_of(facts, option)
    if not reason and contents is not None:
        reason = "; ".join(offers.shadows(wanted.name, option.version, contents))
    if not reason:
        return considered
    unfit = replace(considered, standing=Standing.DOES_NOT_FIT, reason=f"{reason}, which Shadow= refuses")
    return _doubted(unfit, early=False) if _anybody_may_have_described(facts, option) else unfit


def held_against_needs(facts: Facts, wanted: WantedImage, considered: Considered) -> Considered:
    """What is known of an option that fits, once it is held against what the system lacks of what it needs."""
    contents = contents_of(facts, considered.option)
    if facts.offers is None or contents is None or wanted.needs is Attitude.IGNORE:
        return considered
    if considered.standing is not Standing.FITS:
        return considered
    version, others = considered.option.version, facts.provided_beside(wanted.name)
    missing = sorted(facts.offers.worse(wanted.name, version, contents, others))
    if not missing:
        return considered
    reason = "; ".join(needs_in_words(facts.offers, missing))
    lacking = replace(considered, standing=Standing.LACKS, reason=reason, missing=tuple(missing))
    if _anybody_may_have_described(facts, considered.option):
        return _doubted(replace(lacking, missing=()), early=False)
    return lacking


def _anybody_may_have_described(facts: Facts, option: Option) -> bool:
    """Whether what an option has and needs is known by a description alone, for which nobody vouches."""
    contents, known = contents_of(facts, option), facts.known.get(option.key)
    described = contents is not None and contents.described and not option.whole
    return described and known is not None and not known.vouched


def needs_in_words(offers: Offers, missing: Sequence[str]) -> Iterator[str]:
    """What is missing, and who met it so far; the first ones where they are many."""
    for need in missing[:_SHOWN]:
        yield f"it needs {need}: {offers.in_words(need)}"
    if len(missing) > _SHOWN:
        yield f"and {len(missing) - _SHOWN} more things that are missing"


_SHOWN = 3


def contents_of(facts: Facts, option: Option) -> Contents | None:
    """What an option has and needs; None where nobody knows."""
    if option.whole and option.stored is not None and option.stored.record is not None:
        return option.stored.record.contents
    known = facts.known.get(option.key)
    return known.contents if known is not None else None


def same_image(facts: Facts, wanted: WantedImage, considered: Considered) -> Considered:
    """The same, unless its content turned out to be another image than the wanted or the linked one."""
    other = another_image(facts, wanted, considered.option)
    return replace(considered, standing=Standing.ANOTHER_IMAGE, reason=other) if other else considered


def another_image(facts: Facts, wanted: WantedImage, option: Option) -> str:
    """Why the content of an option is another image, whatever its file is called; empty where it is not, or not known.

    What is linked is not asked: it stays, and what calls itself otherwise than it does never comes in its place.
    """
    name = merge_name(facts, option)
    if name is None:
        return ""
    linked = [file.record for file in facts.links_to(wanted.name).values() if file.record is not None]
    strangers = {
        record.merge_name
        for record in linked
        if not _is(wanted.name, record.merge_name, record.version, record.file_name)
    }
    if linked and len(strangers) == len({record.merge_name for record in linked}):
        other = f"and that of the linked image {min(strangers)}" if name not in strangers else ""
    else:
        by_stem = option.candidate is None or option.candidate.reading is not Reading.OTHER
        same = _is(wanted.name, name, option.version, option.file_name, by_stem=by_stem)
        other = f"not {wanted.name}" if not same else ""
    return f"its content calls itself {name}, {other}" if other else ""


def _is(wanted: str, merge_name: str, version: str, file_name: str, *, by_stem: bool = True) -> bool:
    published = published_name(file_name)
    return calls_itself(merge_name, name=wanted, version=version, file_name=published, by_stem=by_stem)


def blocked_by(facts: Facts, wanted: WantedImage, option: Option) -> str | None:
    """The file that blocks a version; versions that UAPI.10 holds for equal are the same."""
    if any(compare(version, option.version) == 0 for version in wanted.blocked):
        return wanted.origin
    versions = (blocked for blocked in facts.blocked if blocked.name == wanted.name)
    return next((blocked.origin for blocked in versions if compare(blocked.version, option.version) == 0), None)


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


def merge_name(facts: Facts, option: Option) -> str | None:
    """The name under which systemd-sysext accepts the option; None where its content was not looked into."""
    if option.whole and option.stored is not None and option.stored.record is not None:
        return option.stored.record.merge_name
    known = facts.known.get(option.key)
    return known.merge_name if known is not None else None


def _from_known(facts: Facts, option: Option, known: Description) -> Considered:
    if known.failure is not None:
        return Considered(option=option, standing=known.failure, reason=known.reason)
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
        described = _doubted(described, early=known.vouched)
    if facts.tried.get(_name(option), 0) >= MOST_TRIED:
        reason = f"{MOST_TRIED} other contents were fetched in vain to find one that fits; the next run goes on"
        return replace(described, standing=Standing.NOT_TRIED, reason=reason)
    return described


def _is_for_any_system(facts: Facts, name: str) -> bool:
    """Whether a content of this image is known that has ``ID=_any``: then its publisher sets that at the very end."""
    records = (stored.record for stored in facts.stored_of(name))
    return any(record.release.get("ID") == "_any" for record in records if record is not None)


def _doubted(described: Considered, *, early: bool) -> Considered:
    why = "that was written before the image was done" if early else "for which nobody vouches"
    reason = f"{described.reason} (by a description {why}: its content decides)"
    return replace(described, standing=Standing.DOUBTED, reason=reason)


def last_resort(facts: Facts, versions: Iterable[Considered]) -> Considered | None:
    """The newest version that an early description calls unfitting, for a tree that has none and may take no other.

    None where enough contents were looked into.
    """
    early = (each for each in versions if each.early and facts.tried.get(_name(each.option), 0) < MOST_TRIED)
    return next((_doubted(each, early=True) for each in early), None)


def preferred(versions: Iterable[Considered]) -> Considered | None:
    """The version to be taken: the first that may be, once it is here any newer one whose content has to decide.

    A description for which nobody vouches excludes no version, or whoever sits on the way could keep an older one in
    its place for good; it only comes behind those without such a no (row P9).
    """
    doubted: Considered | None = None
    for version in versions:
        if version.usable:
            return doubted if doubted is not None and version.option.whole else version
        if version.standing is Standing.DOUBTED:
            doubted = doubted or version
    return doubted


def _judge(facts: Facts, option: Option, release: ReleaseData, contents: Contents | None) -> Considered:
    name = _name(option)
    wanted = facts.wanted.get(name)
    verdict, against = judge(
        facts.tree,
        release,
        name,
        option.version,
        facts.objection,
        contents=contents,
        required=wanted.requires if wanted is not None else (),
        ground=facts.ground,
    )
    standing = Standing.DOES_NOT_FIT if against else Standing.FITS
    reason = against or (verdict.reason if verdict is not None else "")
    return Considered(option=option, standing=standing, reason=reason, verdict=verdict)


def _name(option: Option) -> str:
    """Which image an option is."""
    if option.candidate is not None:
        return option.candidate.name
    return (option.stored.name if option.stored is not None else None) or option.file_name
