# SPDX-License-Identifier: LGPL-2.1-or-later
"""The signed list of a project in an OCI registry: an artifact whose layers are the files of a directory.

The manifest that the tag of the newest list names is asked for, with what the registry said to recognise it by. List
and signature are fetched by the digests in it, which need not be trusted: the signature decides, as for a directory.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace

from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import ImageBroken, SourceUnreachable
from tukit_sysext.formats import checksums, oci
from tukit_sysext.formats.oci import Descriptor, Manifest, ManifestRefused
from tukit_sysext.formats.oci_names import LIST_REPOSITORY, LIST_TAG, blob_url, manifest_url
from tukit_sysext.net.login import Login
from tukit_sysext.net.request import Request, Response
from tukit_sysext.net.tokens import Tokens
from tukit_sysext.net.transfer import Transfers
from tukit_sysext.sources import repository
from tukit_sysext.sources.cache import Cache
from tukit_sysext.sources.trust import Trust
from tukit_sysext.sources.web_list import Apart, WebList

log = logging.getLogger(__name__)


class RegistryList(WebList):
    """The list of one source. ``urls`` are those of its registries' API below the project, the strongest first."""

    def __init__(
        self,
        settings: SourceSettings,
        urls: Sequence[str],
        transfers: Transfers,
        cache: Cache,
        trust: Trust,
        login: Login | None,
        *,
        tokens: Tokens | None,
    ) -> None:
        super().__init__(settings, urls, transfers, cache, trust, login)
        self._tokens = tokens
        self._manifest: Manifest | None = None

    def _where(self, base: str) -> str:
        return f"{repository.LIST} of {base}{LIST_REPOSITORY}:{LIST_TAG}"

    def _fetch_list(self, bases: Sequence[str]) -> Response:
        left = list(bases)
        while True:
            kept = self._kept(left)
            self._signature = None
            answer = self._fetch_manifest(left, kept.base if kept else None, kept.etag if kept else None)
            base = next(base for base in left if _manifest_of(base) == answer.url)
            answer = replace(answer, url=base + repository.LIST)
            if answer.unchanged and kept is not None:
                return replace(answer, body=kept.content)
            try:
                return replace(answer, body=self._fetch_layer(self._listed(), base, limit=checksums.LIMIT))
            except (SourceUnreachable, ImageBroken) as error:
                # nobody vouches for a manifest: what it names need not exist
                left.remove(base)
                if not left:
                    raise
                log.info("%s", error)

    def _listed(self) -> Descriptor:
        """The list in the manifest."""
        layer = self._manifest.layer(repository.LIST) if self._manifest is not None else None
        if layer is None:
            raise ManifestRefused(f"expected one layer that is called {repository.LIST}, found none, or several")
        return layer

    def _fetch_manifest(self, bases: Sequence[str], asked_at: str | None = None, etag: str | None = None) -> Response:
        """The manifest of the first mirror that has one with a list. Raises SourceUnreachable, ImageBroken."""

        def accept(body: bytes) -> None:
            where = f"{LIST_REPOSITORY}:{LIST_TAG}"
            found = oci.parse(body, where=where)
            self._manifest = found if isinstance(found, Manifest) else None
            try:
                self._listed()
            except ManifestRefused as error:
                raise ManifestRefused(f"{where}: {error}") from error

        self._manifest = None
        return self._fetch_one(
            Request(
                urls=[_manifest_of(base) for base in bases],
                limit=oci.LIMIT,
                deadline=self._transfers.settings.deadline,
                etag=etag,
                asked_at=_manifest_of(asked_at) if asked_at is not None else None,
                redirects=self._redirects,
                past_caches=[_manifest_of(base) for base in self._tries],
                accept=accept,
                login=self._login,
                tokens=self._tokens,
                media_types=oci.ACCEPTED,
            )
        )

    def _fetch_signature(self, answer: Response, base: str) -> bytes | None:
        """The signature beside the list in its manifest; None where there is none."""
        if self._manifest is None:
            self._fetch_manifest([base])
        if self._listed().sha256 != hashlib.sha256(answer.body).hexdigest():
            raise Apart(f"{self._where(base)}: was replaced while it was fetched")
        layers = (self._manifest.layer(name) for name in repository.SIGNATURES) if self._manifest is not None else ()
        layer = next((layer for layer in layers if layer is not None), None)
        return self._fetch_layer(layer, base, limit=repository.SIGNATURE_LIMIT) if layer is not None else None

    def _fetch_layer(self, layer: Descriptor, base: str, *, limit: int) -> bytes:
        """The bytes of a layer, by their digest. Raises SourceUnreachable, ImageBroken."""
        before = self._cache.content(layer.sha256)
        if before is not None:
            return before

        def accept(body: bytes) -> None:
            if hashlib.sha256(body).hexdigest() != layer.sha256:
                raise ImageBroken(f"{layer.title} of {self._where(base)}: expected {layer.digest}, found other bytes")

        request = Request(
            # the digest tells which bytes these are, whoever gives them
            urls=[blob_url(each, LIST_REPOSITORY, layer.sha256) for each in dict.fromkeys((base, *self._urls))],
            limit=limit,
            deadline=self._transfers.settings.deadline,
            redirects=self._redirects,
            accept=accept,
            login=self._login,
            tokens=self._tokens,
        )
        return self._fetch_one(request).body


def _manifest_of(base: str) -> str:
    return manifest_url(base, LIST_REPOSITORY, LIST_TAG)
