# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tags of a project's repositories name: the manifest of each version, asked for anew where it may have moved.

A registry cannot be asked which repositories a project has: those of images that are wanted are looked at. What a tag
named is kept with what the registry said to recognise it by; what is named by its digest never changes.
"""

from __future__ import annotations

import hashlib
import heapq
import logging
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tukit_sysext.errors import ImageBroken, NotFound, NotServed, SourceUnreachable, TukitSysextError
from tukit_sysext.formats import oci
from tukit_sysext.formats.oci import Descriptor, Index, Manifest, ManifestRefused
from tukit_sysext.formats.oci_image import CONTAINER_CONFIGS, NotSupported, for_architecture
from tukit_sysext.formats.oci_names import (
    blob_url,
    manifest_url,
    names_no_version,
    next_page,
    read_tag,
    repository_name,
    tags_url,
)
from tukit_sysext.net.login import Login
from tukit_sysext.net.redirects import Redirects, shown_url
from tukit_sysext.net.request import Request, Response
from tukit_sysext.net.tokens import Tokens
from tukit_sysext.net.transfer import Transfers
from tukit_sysext.rules.architectures import of_platform
from tukit_sysext.rules.prerelease import newer_key
from tukit_sysext.sources.cache import CONTENT, Cache

log = logging.getLogger(__name__)

_KIND = "tags"
_MOST_PAGES = 20
MOST_VERSIONS = 30
"""Of each image so many of the newest versions are looked at, by what their tags say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaggedManifest:
    """The manifest that a tag of an image's repository leads to; ``digests`` are those on the way, the last its own.

    ``version`` is what the tag says, ``architecture`` (in systemd's spelling) what the tag says, or the platform in the
    index, ``labels`` are those of a container image.
    """

    name: str
    tag: str
    version: str
    architecture: str | None
    manifest: Manifest
    digests: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)


class RegistryTags:
    """Asks the registries of one source; ``urls`` are those of their API below the project, the strongest first.

    ``not_taken`` says why, by ``NAME:TAG``, of what was asked for and cannot be used.
    """

    def __init__(
        self,
        source: str,
        urls: Sequence[str],
        transfers: Transfers,
        cache: Cache,
        *,
        login: Login | None,
        tokens: Tokens | None,
        redirects: Redirects,
    ) -> None:
        self._source = source
        self._urls = urls
        self._transfers = transfers
        self._cache = cache
        self._login = login
        self._tokens = tokens
        self._redirects = redirects
        self._notes: dict[str, Any] = cache.note(_KIND, source) or {}
        self._asked: dict[str, Any] = {}
        self.not_taken: dict[str, str] = {}

    def manifests(
        self, names: Collection[str], architecture: str, *, prefer_index: bool, passed_over: int = 0
    ) -> Sequence[TaggedManifest]:
        """What the newest tags of these images lead to on an architecture; of a version its index, or its own tag.

        So many of the strongest mirrors are ``passed_over``. Raises SourceUnreachable.
        """
        mirrors = self._urls[passed_over:]
        chosen = [
            (name, tag)
            for name, tags in self._tags(sorted(names), mirrors).items()
            for tag in _newest(tags, architecture, prefer_index=prefer_index)
        ]
        found: list[TaggedManifest] = []
        followed: list[tuple[str, str, Descriptor, str]] = []
        for (name, tag), content in zip(chosen, self._of_tags(chosen, mirrors), strict=True):
            if isinstance(content, SourceUnreachable):
                raise content
            part = self._parsed(name, tag, content)
            if isinstance(part, Index):
                try:
                    followed.append((name, tag, for_architecture(part, architecture), _sha256(content)))
                except NotSupported as error:
                    self.not_taken[f"{name}:{tag}"] = str(error)
            elif part is not None:
                version, said = read_tag(tag)
                found.append(
                    TaggedManifest(
                        name=name,
                        tag=tag,
                        version=version,
                        architecture=said,
                        manifest=part,
                        digests=(_sha256(content),),
                    )
                )
        inner = self.contents([(name, each.sha256) for name, _, each, _ in followed], manifests=True)
        for (name, tag, descriptor, digest), content in zip(followed, inner, strict=True):
            part = self._parsed(name, tag, content)
            if isinstance(part, Manifest):
                word = descriptor.platform[1] if descriptor.platform is not None else ""
                found.append(
                    TaggedManifest(
                        name=name,
                        tag=tag,
                        version=read_tag(tag)[0],
                        architecture=of_platform(word),
                        manifest=part,
                        digests=(digest, descriptor.sha256),
                    )
                )
            elif part is not None:
                self.not_taken[f"{name}:{tag}"] = "it has an index in an index"
        self._keep()
        return self._with_labels(found)

    def _keep(self) -> None:
        if self._asked != self._notes:
            self._cache.put_note(_KIND, self._source, self._asked)

    def _parsed(self, name: str, tag: str, content: bytes | None) -> Index | Manifest | None:
        try:
            return oci.parse(content, where=f"{name}:{tag}") if content is not None else None
        except ManifestRefused as error:
            self.not_taken[f"{name}:{tag}"] = str(error)
            return None

    def _with_labels(self, manifests: Sequence[TaggedManifest]) -> Sequence[TaggedManifest]:
        """The same, with the labels of container images."""
        containers = [each for each in manifests if each.manifest.config.media_type in CONTAINER_CONFIGS]
        configs = self.contents([(each.name, each.manifest.config.sha256) for each in containers])
        labels: dict[str, Mapping[str, str]] = {}
        for each, content in zip(containers, configs, strict=True):
            try:
                said = oci.parse_labels(content, where=f"{each.name}:{each.tag}") if content is not None else {}
                labels[f"{each.name}:{each.tag}"] = said
            except ManifestRefused as error:
                log.info("%s", error)
        return [replace(each, labels=labels.get(f"{each.name}:{each.tag}", {})) for each in manifests]

    def _tags(self, names: Sequence[str], mirrors: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """The tags of each image's repository; an image without a repository has none. Raises SourceUnreachable."""
        tags: dict[str, list[str]] = {name: [] for name in names}
        refused: list[NotServed] = []
        ask = {name: [tags_url(url, repository_name(name)) for url in mirrors] for name in names}
        for _ in range(_MOST_PAGES):
            results = self._run(self._request(urls, accept=_are_tags) for urls in ask.values())
            following: dict[str, list[str]] = {}
            for name, result in zip(ask, results, strict=True):
                match result:
                    case Response():
                        tags[name] += oci.parse_tags(result.body, where=shown_url(result.url))
                        page = next_page(result.link, result.url)
                        following |= {name: [page]} if page is not None and len(tags[name]) < oci.MOST_TAGS else {}
                    case NotFound():
                        log.info("%s", result)
                    case NotServed():  # some registries say so of what is not there
                        refused.append(result)
                        self.not_taken[name] = str(result)
                    case error:
                        raise error
            ask = following
        if refused and len(refused) == len(names):
            raise refused[0]
        return tags

    def _of_tags(
        self, wanted: Sequence[tuple[str, str]], mirrors: Sequence[str]
    ) -> list[bytes | SourceUnreachable | None]:
        """What tags name; None for one that is not there any more, or is not given to us; an error where unknown."""
        requests: list[Request] = []
        kept: list[bytes | None] = []
        for name, tag in wanted:
            note = self._notes.get(f"{name}:{tag}")
            note = note if isinstance(note, dict) else {}
            url, etag = note.get("url"), note.get("etag")
            urls = [manifest_url(url, repository_name(name), tag) for url in mirrors]
            known = self._cache.content(str(note.get("sha256"))) if url in urls and isinstance(etag, str) else None
            kept.append(known)
            etag, url = (etag, url) if known is not None else (None, None)
            accept = _is_manifest(f"{name}:{tag}")
            requests.append(self._request(urls, media_types=oci.ACCEPTED, etag=etag, asked_at=url, accept=accept))
        contents: list[bytes | SourceUnreachable | None] = []
        for (name, tag), before, result in zip(wanted, kept, self._run(requests), strict=True):
            try:
                unchanged = isinstance(result, Response) and result.unchanged
                content = before if unchanged else self._taken(name, tag, result)
            except SourceUnreachable as error:
                contents.append(error)
                continue
            contents.append(content)
            if content is not None and isinstance(result, Response):
                note = {"url": result.url, "etag": result.etag, "sha256": self._cache.put_content(content)}
                self._asked[f"{name}:{tag}"] = note
        return contents

    def _taken(self, name: str, tag: str, result: Response | TukitSysextError) -> bytes | None:
        if isinstance(result, Response):
            return result.body
        if isinstance(result, NotFound | NotServed | ImageBroken):
            self.not_taken[f"{name}:{tag}"] = str(result)
            return None
        raise result

    def signatures(
        self, wanted: Sequence[tuple[str, str]], *, passed_over: int
    ) -> list[Manifest | SourceUnreachable | None]:
        """What is tagged as signatures in the repositories of images, by name and tag; None where nothing is.

        An error where that is not known. So many of the strongest mirrors are ``passed_over``.
        """
        parts: list[Manifest | SourceUnreachable | None] = []
        for (name, tag), content in zip(wanted, self._of_tags(wanted, self._urls[passed_over:]), strict=True):
            part = content if isinstance(content, SourceUnreachable) else self._parsed(name, tag, content)
            parts.append(None if isinstance(part, Index) else part)
            self.not_taken.pop(f"{name}:{tag}", None)  # whose signature it is will be told
        self._keep()
        return parts

    def contents(
        self,
        wanted: Sequence[tuple[str, str]],
        *,
        manifests: bool = False,
        limit: int = oci.LIMIT,
        kind: str = CONTENT,
    ) -> list[bytes | None]:
        """What has these hashes in the repositories of images; None for what is not there, or is other bytes.

        Raises SourceUnreachable.
        """
        known = {sha256: self._cache.content(sha256, kind) for _, sha256 in wanted}
        ask = {sha256: name for name, sha256 in wanted if known[sha256] is None}

        def check(sha256: str) -> Callable[[bytes], None]:
            def accept(body: bytes) -> None:
                if _sha256(body) != sha256:
                    raise ImageBroken(f"sha256:{sha256}: found other bytes")

            return accept

        requests = [
            self._request(
                [
                    manifest_url(url, repository_name(name), f"sha256:{sha256}")
                    if manifests
                    else blob_url(url, repository_name(name), sha256)
                    for url in self._urls
                ],
                accept=check(sha256),
                limit=limit,
                media_types=oci.ACCEPTED if manifests else "",
                redirects=Redirects.SECURE,  # the hash tells which bytes these are, whoever gives them
            )
            for sha256, name in ask.items()
        ]
        for (sha256, name), result in zip(ask.items(), self._run(requests), strict=True):
            known[sha256] = content = self._taken(name, f"sha256:{sha256}", result)
            if content is not None:
                self._cache.put_content(content, kind)
        return [known[sha256] for _, sha256 in wanted]

    def _request(
        self,
        urls: Sequence[str],
        *,
        limit: int = oci.LIMIT,
        media_types: str = "",
        accept: Callable[[bytes], None] | None = None,
        etag: str | None = None,
        asked_at: str | None = None,
        redirects: Redirects | None = None,
    ) -> Request:
        return Request(
            urls=urls,
            limit=limit,
            deadline=self._transfers.settings.deadline,
            etag=etag,
            asked_at=asked_at,
            redirects=redirects or self._redirects,
            accept=accept,
            login=self._login,
            tokens=self._tokens,
            media_types=media_types,
        )

    def _run(self, requests: Iterable[Request]) -> Sequence[Response | TukitSysextError]:
        return self._transfers.run(list(requests), at_once=self._transfers.settings.connections)


def _sha256(content: bytes | None) -> str:
    return hashlib.sha256(content or b"").hexdigest()


def _are_tags(body: bytes) -> None:
    oci.parse_tags(body, where="a list of tags")


def _is_manifest(where: str) -> Callable[[bytes], None]:
    def accept(body: bytes) -> None:
        oci.parse(body, where=where)

    return accept


def _newest(tags: Iterable[str], architecture: str, *, prefer_index: bool) -> Sequence[str]:
    """The tags of the newest versions, one of each: that of its index, or that of its image for the architecture."""
    of_version: dict[str, dict[str | None, str]] = {}
    for tag in tags:
        version, said = read_tag(tag)
        if not names_no_version(tag) and said in (None, architecture):
            of_version.setdefault(version, {})[said] = tag
    order = (None, architecture) if prefer_index else (architecture, None)
    # comparing takes long: shuffled, no registry chooses an order in which each is compared with many
    versions = random.sample(list(of_version), len(of_version))
    newest = heapq.nlargest(MOST_VERSIONS, versions, key=newer_key)
    return [next(of_version[version][each] for each in order if each in of_version[version]) for version in newest]
