# SPDX-License-Identifier: LGPL-2.1-or-later
"""A source whose signed list is on HTTP or HTTPS servers, which mirror each other: a directory.

One list for each run, asked for with what the server said to recognise it by; of descriptions only those that are asked
about, several at once; lists, descriptions and what a signature check said are kept by hash.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import ImageBroken, NotFound, NotServed, TukitSysextError
from tukit_sysext.formats import manifest
from tukit_sysext.net.allowance import Allowance
from tukit_sysext.net.redirects import Redirects
from tukit_sysext.net.request import Request, Response
from tukit_sysext.net.transfer import Transfers
from tukit_sysext.sources import repository
from tukit_sysext.sources.cache import INDEXES, Cache
from tukit_sysext.sources.candidate import Candidate, Description, Standing
from tukit_sysext.sources.described import Described
from tukit_sysext.sources.on_servers import SourceOnServers
from tukit_sysext.sources.repository import index_name
from tukit_sysext.sources.trust import Trust
from tukit_sysext.sources.web_list import ListOfMirror, WebList
from tukit_sysext.store.record import INDEX_ENDING, INDEX_LIMIT

if TYPE_CHECKING:
    from tukit_sysext.store.seed import Seed

log = logging.getLogger(__name__)

_PROBES = 10
"""How many images without a description tell that a publisher has none beside its list."""


class WebSource(SourceOnServers):
    """One repository. The URLs of its mirrors end in a slash; the first is the strongest."""

    def __init__(
        self,
        settings: SourceSettings,
        transfers: Transfers,
        cache: Cache,
        trust: Trust,
        *,
        image_max: int,
        away: MutableMapping[SourceSettings, str] | None = None,
    ) -> None:
        super().__init__(settings, transfers, image_max=image_max, away=away)
        self._cache = cache
        self._trust = trust
        self._hashes: Mapping[str, str] = {}
        self._unread: Sequence[Candidate] = ()
        self._offer = ""
        self._brought: ListOfMirror | None = None
        self._newer: ListOfMirror | None = None
        # all descriptions together have the time of one, and some more for each that comes
        self._describing = Allowance(self._network.deadline, "Deadline= of [Network]", regained=0.25)
        self._described = Described(cache, self.name)
        self._kinds = list(range(len(repository.description_names(""))))
        self._describes_some = False
        self._without: set[str] = set()

    def newer(self) -> bool:
        """See MirroredSource."""
        if self._brought is None:
            return False
        self._newer = self._list().newer_than(self._brought)
        return self._newer is not None

    def _list(self) -> WebList:
        return WebList(self._settings, self._urls, self._transfers, self._cache, self._trust, self._login)

    def _offered(self) -> Sequence[Candidate]:
        self._brought = brought = self._newer or self._list().bring()
        self._newer = None
        places = " ".join(sorted(self._settings.urls)).encode()
        self._offer = hashlib.sha256(brought.content + b"\n" + places).hexdigest()
        # what this mirror has, the others may not have yet: it goes first from now on
        self._urls.sort(key=lambda url: url != brought.base)
        self._hashes = brought.checksums.hashes
        signer = brought.verified.fingerprint if brought.verified is not None else None
        files = repository.candidates(
            brought.checksums, self._settings, signer=signer, locations=lambda name: self._locations(name, name)
        )
        candidates, self._unread = repository.parted(files)
        return candidates

    def unread(self) -> Sequence[Candidate]:
        """See FileSource."""
        return self._unread

    def _locations(self, name: str, image: str) -> list[str]:
        """Where a file is that belongs to an image."""
        return [base + name for base in self._urls]

    def describe(self, candidates: Sequence[Candidate]) -> Mapping[str, Description]:
        """See Source."""
        known: dict[str, Description] = {}
        ask: list[tuple[Candidate, str]] = []
        for candidate in candidates:
            name = candidate.description
            if name is None:
                continue
            before = self._described.recall(candidate, self._hashes.get(name, ""))
            if before is not None:
                known[candidate.sha256] = before
            else:
                ask.append((candidate, name))
        for (candidate, name), result in zip(ask, self._fetch_descriptions(ask), strict=True):
            known[candidate.sha256] = _outcome(result)
            self._described.keep(candidate, self._hashes.get(name, ""), _outcome(result))
        known |= self._describe_unnamed([candidate for candidate in candidates if candidate.description is None])
        self._described.write(set(self._hashes.values()), self._offer)
        return known

    def _fetch_descriptions(self, ask: Sequence[tuple[Candidate, str]]) -> list[Description | TukitSysextError]:
        """What descriptions say, by their names, or why they cannot be had.

        Each is parsed as it comes: of a large one (a manifest lists packages) a few keys alone stay in memory.
        """
        said: dict[int, Description] = {}

        def parse(number: int, candidate: Candidate, name: str) -> Callable[[bytes], None]:
            def accept(body: bytes) -> None:
                repository.check_hash(self._hashes, name, body, where=name)
                said[number] = repository.known_from(
                    body, image=candidate.file_name, where=name, sha256=candidate.sha256
                )

            return accept

        requests = [
            Request(
                urls=self._locations(name, candidate.file_name),
                limit=manifest.LIMIT,
                deadline=self._network.deadline,
                accept=parse(number, candidate, name),
                discard=True,
                # nothing signed vouches for a file that the list does not name
                redirects=self._redirects if name in self._hashes else Redirects.ORIGIN,
                login=self._login,
                tokens=self._tokens,
            )
            for number, (candidate, name) in enumerate(ask)
        ]
        results = self._transfers.run(requests, at_once=self._network.connections, within=self._describing)
        return [
            replace(said[number], vouched=ask[number][1] in self._hashes or result.url.startswith("https:"))
            if isinstance(result, Response)
            else result
            for number, result in enumerate(results)
        ]

    def _describe_unnamed(self, candidates: Sequence[Candidate]) -> Mapping[str, Description]:
        """Descriptions that the list does not name: each kind is tried, the one that was there last first.

        One tells what kind this publisher has. Where some have none, nobody is asked about the others: content decides.
        """
        before = {each.sha256: self._described.recall_unlisted(each, self._offer) for each in candidates}
        known = {sha256: description for sha256, description in before.items() if description is not None}
        self._count(known)
        left = [candidate for candidate in candidates if candidate.sha256 not in known]
        for many in (1, _PROBES - 1, len(left)):
            if not self._describes_some and len(self._without) >= _PROBES:
                break
            ask, left = left[:many], left[many:]
            said = self._try_kinds(ask)
            for candidate in ask:
                self._described.keep_unlisted(candidate, self._offer, said[candidate.sha256])
            self._count(said)
            known |= said
        return {**{candidate.sha256: repository.NOT_DESCRIBED for candidate in left}, **known}

    def _count(self, known: Mapping[str, Description]) -> None:
        """Take in which images have a description beside the list, and which have none."""
        self._describes_some |= any(description.release is not None for description in known.values())
        self._without |= {sha256 for sha256, each in known.items() if each.release is None and each.failure is None}

    def _try_kinds(self, candidates: Sequence[Candidate]) -> dict[str, Description]:
        known: dict[str, Description] = {}
        tried: set[tuple[Candidate, str]] = set()
        left = {candidate: repository.description_names(candidate.file_name) for candidate in candidates}
        for kind in list(self._kinds):
            ask = [
                (candidate, names[kind]) for candidate, names in left.items() if (candidate, names[kind]) not in tried
            ]
            tried |= {*ask}
            for (candidate, _), result in zip(ask, self._fetch_descriptions(ask), strict=True):
                description = known[candidate.sha256] = _outcome(result)
                if description.release is not None:
                    self._kinds.sort(key=lambda other, first=kind: other != first)  # type: ignore[misc]  # bound now
                if description.release is not None or description.failure is not None:
                    del left[candidate]
        return known

    def _chunks(
        self, wanted: Sequence[tuple[Candidate, Sequence[Seed]]]
    ) -> Sequence[tuple[bytes | None, Sequence[Seed]]]:
        """See SourceOnServers. The index of a seed that was stored without may be listed."""
        listed = {sha256: index_name(name) for name, sha256 in self._hashes.items()}
        names = [candidate.index for candidate, _ in wanted if candidate.index is not None]
        names += [listed.get(seed.sha256, "") for _, seeds in wanted for seed in seeds if seed.index is None]
        indexes = self._indexes([name for name in dict.fromkeys(names) if name in self._hashes])
        return [
            (
                indexes.get(candidate.index or ""),
                [replace(seed, index=seed.index or indexes.get(listed.get(seed.sha256, ""))) for seed in seeds],
            )
            for candidate, seeds in wanted
        ]

    def _indexes(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Indexes of chunks that the list names, by file name; one that cannot be had is missing: it is a hint."""
        known = {name: self._cache.content(self._hashes[name], INDEXES) for name in names}
        indexes = {name: content for name, content in known.items() if content is not None}
        ask = [name for name in known if name not in indexes]

        def check(name: str) -> Callable[[bytes], None]:
            return lambda body: repository.check_hash(self._hashes, name, body, where=name)

        requests = [
            Request(
                urls=self._locations(name, name.removesuffix(INDEX_ENDING)),
                limit=INDEX_LIMIT,
                deadline=self._network.deadline,
                accept=check(name),
                redirects=self._redirects,
                login=self._login,
                tokens=self._tokens,
            )
            for name in ask
        ]
        for name, result in zip(ask, self._transfers.run(requests, at_once=self._network.connections), strict=True):
            if isinstance(result, Response):
                self._cache.put_content(result.body, INDEXES)
                indexes[name] = result.body
            else:
                log.info("%s", result)
        return indexes


def _outcome(result: Description | TukitSysextError) -> Description:
    if isinstance(result, Description):
        return result
    if isinstance(result, ImageBroken | NotFound | NotServed):
        return repository.undescribed(result)
    return Description(failure=Standing.UNREACHABLE, reason=str(result))
