# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repositories whose images are a few bytes each: what is in an image is no business of a source."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from tests.lab.repository import Repository
from tests.lab.signing import SigningKey
from tests.unit.net.samples import QUICK, Collected
from tukit_sysext.config.keyring import Keyring
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import ImageBroken, TukitSysextError
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.net.transfer import Transfers
from tukit_sysext.sources.cache import Cache
from tukit_sysext.sources.candidate import Candidate, Description
from tukit_sysext.sources.registry import RegistrySource
from tukit_sysext.sources.seen import Seen
from tukit_sysext.sources.trust import Trust
from tukit_sysext.sources.web import WebSource

KEYS = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.42"}
DescriptionKind = Literal["manifest.gz", "manifest", "raw.json"]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def description(image: str, kind: DescriptionKind, keys: Mapping[str, str] = KEYS) -> tuple[str, bytes]:
    """Name and content of what describes an image."""
    stem = image.removesuffix(".raw")
    if kind == "raw.json":
        return f"{image}.json", json.dumps([{"image_name": image, "sysext": dict(keys)}]).encode()
    plain = json.dumps({"manifest_version": 1, "config": {}, "extension": dict(keys)}).encode()
    return f"{stem}.{kind}", gzip.compress(plain, mtime=0) if kind == "manifest.gz" else plain


def offer(
    repository: Repository,
    name: str,
    version: str,
    *,
    kind: DescriptionKind | None = "manifest.gz",
    keys: Mapping[str, str] = KEYS,
) -> str:
    """Put an image and its description there; the name of its file. It is not listed yet."""
    image = f"{name}-{version}.x86-64.raw"
    (repository.folder / image).write_bytes(f"{name} {version}\n".encode() * 1000)
    if kind is not None:
        described, content = description(image, kind, keys)
        (repository.folder / described).write_bytes(content)
    return image


def publish(repository: Repository, key: SigningKey) -> None:
    """List all there is, and sign the list."""
    repository.write_list()
    repository.sign(key)


def settings(
    key: SigningKey | None, name: str = "web", *, armoured: bool = False, verify: bool = True
) -> SourceSettings:
    """A source that trusts a key (None: no keyring)."""
    keyrings = (Keyring(path="/etc/keys.gpg", content=key.public(armoured)),) if key is not None else ()
    return SourceSettings(name=name, origin=f"/etc/{name}.conf", verify=verify, keyrings=keyrings)


def trust(of: SourceSettings, cache: Path, *, writable: bool = True) -> Trust:
    """What a source's lists must have, with the cache in this folder, and the memory of what was seen beside it."""
    return Trust(of, Cache(cache, writable=writable), seen=Seen(cache.parent / "seen", writable=writable))


class Run:
    """What one run of ours does with one source: connections and the list's content are its own, the cache stays."""

    def __init__(
        self,
        urls: Sequence[str],
        of: SourceSettings,
        cache: Path,
        *,
        network: NetworkSettings = QUICK,
        writable: bool = True,
        image_max: int = 1_000_000,
    ) -> None:
        kept = Cache(cache, writable=writable)
        self._transfers = Transfers(network)
        of = replace(of, urls=tuple(f"{url}/" for url in urls))
        self.source = (RegistrySource if of.in_registry else WebSource)(
            of,
            self._transfers,
            kept,
            trust(of, cache, writable=writable),
            image_max=image_max,
        )

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self._transfers.close()

    def candidates(self) -> list[Candidate]:
        return list(self.source.candidates())

    def names(self) -> list[str]:
        return [candidate.file_name for candidate in self.candidates()]

    def describe(self, *names: str) -> list[Description]:
        """What is known of the images with these file names (all), in the order of the list."""
        chosen = [candidate for candidate in self.candidates() if not names or candidate.file_name in names]
        known = self.source.describe(chosen)
        return [known[candidate.sha256] for candidate in chosen]

    def fetch(self, *names: str) -> tuple[dict[str, Image], dict[str, TukitSysextError]]:
        """Fetch the images with these file names (all): what came, and why others did not, by file name."""
        chosen = [candidate for candidate in self.candidates() if not names or candidate.file_name in names]
        wanted = [(candidate, Image(candidate.sha256)) for candidate in chosen]
        failures = self.source.fetch(wanted)
        return (
            {candidate.file_name: image for candidate, image in wanted if candidate.sha256 not in failures},
            {candidate.file_name: failures[candidate.sha256] for candidate in chosen if candidate.sha256 in failures},
        )


class Image(Collected):
    """A sink as the store's is: it knows the hash."""

    def __init__(self, expected: str) -> None:
        super().__init__()
        self.finished = False
        self._sha256 = expected

    def finish(self) -> None:
        if sha256(self.content) != self._sha256:
            raise ImageBroken(f"other content in {len(self.content)} bytes")
        self.finished = True
