# SPDX-License-Identifier: LGPL-2.1-or-later
"""A source that is a project in a registry without a signed list: each version is a tag, and what that names counts.

It is used where cosign signed it with a key, or unsigned with Verify=no. Only images that are wanted
can be asked for. Name, version and content are taken of the manifest; the tag counts where nothing has to be signed.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tukit_sysext.config.cosign_key import CosignKey
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import ImageBroken, SourceUnreachable
from tukit_sysext.formats import checksums
from tukit_sysext.formats.oci import Descriptor
from tukit_sysext.formats.oci_image import NotSupported, TaggedImage, read_image
from tukit_sysext.formats.oci_names import blob_url, repository_name
from tukit_sysext.net.redirects import Redirects
from tukit_sysext.net.transfer import Transfers
from tukit_sysext.rules.image_names import unpacked_name
from tukit_sysext.rules.names import NameRefused, check_component
from tukit_sysext.rules.printable import excerpt
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.sources import repository
from tukit_sysext.sources.cache import INDEXES, LISTS, Cache
from tukit_sysext.sources.candidate import Candidate, Description
from tukit_sysext.sources.cosign import Cosign
from tukit_sysext.sources.on_servers import SourceOnServers
from tukit_sysext.sources.registry_tags import RegistryTags, TaggedManifest
from tukit_sysext.store.record import INDEX_LIMIT
from tukit_sysext.system.system_release import machine_architecture

if TYPE_CHECKING:
    from tukit_sysext.store.seed import Seed

log = logging.getLogger(__name__)


class TaggedSource(SourceOnServers):
    """One project, at the registries that mirror each other."""

    def __init__(
        self,
        settings: SourceSettings,
        transfers: Transfers,
        cache: Cache,
        *,
        image_max: int,
        away: MutableMapping[SourceSettings, str] | None = None,
    ) -> None:
        super().__init__(settings, transfers, image_max=image_max, away=away)
        self._cache = cache
        self._names: frozenset[str] = frozenset()
        self._not_taken: Mapping[str, str] = {}
        self._images: dict[str, TaggedImage] = {}
        self._tags = RegistryTags(
            self.name,
            self._urls,
            transfers,
            cache,
            login=self._login,
            tokens=self._tokens,
            redirects=Redirects.SECURE if settings.verify else Redirects.VOUCHED,
        )

    def look_for(self, names: Collection[str]) -> None:
        """See NamedSource."""
        self._names = frozenset(names)

    def not_taken(self) -> Mapping[str, str]:
        """See NamedSource."""
        return self._not_taken

    def _offered(self) -> Sequence[Candidate]:
        if self._settings.doubt:
            raise ImageBroken(
                f"nothing of source {self.name} is used: {self._settings.doubt}",
                next_step=f"fix {self._settings.origin}",
            )
        key = self._settings.cosign_key
        if key is None:
            tagged = self._tags.manifests(self._names, machine_architecture(), prefer_index=False)
            self._not_taken = dict(self._tags.not_taken)
        else:
            tagged = self._signed(key)
        candidates: dict[tuple[str, str, str | None], Candidate] = {}
        # the tag that is the version itself is stronger than one that leads to it
        for each in sorted(tagged, key=lambda each: each.tag, reverse=True):
            try:
                made = self._candidate(each)
            except NotSupported as error:
                self._not_taken = {**self._not_taken, f"{each.name}:{each.tag}": str(error)}
                continue
            before = candidates.setdefault((made.name, made.version, made.architecture), made)
            if before.sha256 != made.sha256 and each.version == made.version:
                candidates[made.name, made.version, made.architecture] = made
        self._remember(list(candidates.values()))
        return list(candidates.values())

    def _signed(self, key: CosignKey) -> Sequence[TaggedManifest]:
        """What the key signed. Where a mirror has of an image what it did not sign, the next one is asked too.

        Raises ImageBroken where it signed nothing of what there is, SourceUnreachable.
        """
        cosign = Cosign(key, self._tags, self._cache)
        good: dict[str, TaggedManifest] = {}
        refused: dict[str, str] = {}
        names = self._names
        for passed_over in range(len(self._urls)):
            try:
                tagged = self._tags.manifests(names, machine_architecture(), prefer_index=True, passed_over=passed_over)
                why = cosign.refused(tagged, passed_over=passed_over)
            except SourceUnreachable as error:
                if not passed_over:
                    raise
                log.info("%s", error)
                break
            for each in tagged:
                where = f"{each.name}:{each.tag}"
                if where in why:
                    refused.setdefault(where, why[where])
                else:
                    good.setdefault(where, each)
            names = frozenset(each.name for each in tagged if f"{each.name}:{each.tag}" in why)
            if not names:
                break
        not_taken = {**self._tags.not_taken, **refused}
        self._not_taken = {where: reason for where, reason in not_taken.items() if where not in good}
        if refused and not good:
            where, reason = next(iter(refused.items()))
            raise ImageBroken(
                f"{where}: {reason}", next_step=f"see whether CosignKey= of {self._settings.origin} is right"
            )
        return list(good.values())

    def _candidate(self, tagged: TaggedManifest) -> Candidate:
        """The image that a tag leads to. Raises NotSupported."""
        image = read_image(tagged.manifest, tagged.labels)
        version = image.version
        if not version and self._settings.cosign_key is not None:
            raise NotSupported("what is signed does not say which version it is (org.opencontainers.image.version)")
        version = version or tagged.version
        architecture = image.architecture or tagged.architecture
        ending = (f".{architecture}" if architecture else "") + ".raw" + (f".{image.packing}" if image.packing else "")
        try:
            file_name = check_component(f"{tagged.name}-{version}{ending}")
        except NameRefused as error:
            raise NotSupported(f"version {excerpt(version)}: {error}") from error
        self._images[image.layer.sha256] = image
        return Candidate(
            name=tagged.name,
            version=version,
            architecture=architecture,
            file_name=file_name,
            sha256=image.layer.sha256,
            size=image.layer.size,
            source=self.name,
            priority=self._settings.priority,
            signer=self._settings.cosign_key.fingerprint if self._settings.cosign_key is not None else None,
            description=None,
            index=image.chunks.sha256 if image.chunks is not None and not image.packing else None,
            locations=tuple(blob_url(url, repository_name(tagged.name), image.layer.sha256) for url in self._urls),
        )

    def _remember(self, candidates: Sequence[Candidate]) -> None:
        """Keep what it has as a list, for who shows it without asking."""
        hashes = {unpacked_name(each.file_name)[0]: each.sha256 for each in candidates}
        note = {"list": self._cache.put_content(checksums.compose(hashes))}
        if note != self._cache.note(LISTS, self.name):
            self._cache.put_note(LISTS, self.name, note)

    def describe(self, candidates: Sequence[Candidate]) -> Mapping[str, Description]:
        """See Source."""
        vouched = self._settings.cosign_key is not None or all(url.startswith("https:") for url in self._urls)
        known = dict.fromkeys((each.sha256 for each in candidates), repository.NOT_DESCRIBED)
        ask: list[tuple[Candidate, Descriptor]] = []
        for candidate in candidates:
            image = self._images.get(candidate.sha256)
            if image is not None and image.description is not None:
                ask.append((candidate, image.description))
            elif image is not None and image.release.get("ID"):
                known[candidate.sha256] = Description(release=ReleaseData(image.release), vouched=vouched)
        contents = self._tags.contents([(candidate.name, described.sha256) for candidate, described in ask])
        for (candidate, described), content in zip(ask, contents, strict=True):
            if content is not None:
                where = described.title or candidate.file_name
                said = repository.known_from(content, image=candidate.file_name, where=where)
                known[candidate.sha256] = replace(said, vouched=vouched)
        return known

    def _chunks(
        self, wanted: Sequence[tuple[Candidate, Sequence[Seed]]]
    ) -> Sequence[tuple[bytes | None, Sequence[Seed]]]:
        """See SourceOnServers."""
        indexes = {candidate.index: candidate.name for candidate, _ in wanted if candidate.index is not None}
        known: dict[str, bytes | None] = dict.fromkeys(indexes)
        ask = [(name, index) for index, name in indexes.items()]
        try:
            contents = self._tags.contents(ask, limit=INDEX_LIMIT, kind=INDEXES)
            known = dict(zip(indexes, contents, strict=True))
        except SourceUnreachable as error:  # they are hints
            log.info("%s", error)
        return [(known[candidate.index] if candidate.index else None, seeds) for candidate, seeds in wanted]
