# SPDX-License-Identifier: LGPL-2.1-or-later
"""A source that is a directory on HTTP or HTTPS servers, which mirror each other.

One list for each run, asked for with what the server said to recognise it by; of descriptions only those that are asked
about, several at once; lists, descriptions and what a signature check said are kept by hash.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence

from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import ImageBroken, SourceUnreachable, TukitSysextError
from tukit_sysext.formats import checksums, manifest
from tukit_sysext.job.facts import Candidate, Known, Standing
from tukit_sysext.net.job import Answer, Job, NotThere, Result
from tukit_sysext.net.settings import NetworkSettings
from tukit_sysext.net.transfer import Transfers
from tukit_sysext.sources import listed
from tukit_sysext.sources.cache import Cache
from tukit_sysext.sources.protocol import Sink
from tukit_sysext.sources.trust import Trust

log = logging.getLogger(__name__)

_LISTS = "lists"


class WebSource:
    """One repository. ``urls`` of its mirrors end in a slash; the first is the strongest."""

    def __init__(
        self,
        settings: SourceSettings,
        urls: Sequence[str],
        network: NetworkSettings,
        transfers: Transfers,
        cache: Cache,
        trust: Trust,
        *,
        image_max: int,
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._urls = list(urls)
        self._network = network
        self._transfers = transfers
        self._cache = cache
        self._trust = trust
        self._image_max = image_max
        self._hashes: Mapping[str, str] = {}
        self._kinds = list(range(len(listed.description_names(""))))

    def candidates(self) -> Sequence[Candidate]:
        """See Source. The list and its signature come from one mirror; one whose list is refused is passed over."""
        urls = list(self._urls)
        failures: list[TukitSysextError] = []
        while urls:
            try:
                base, content = self._list(urls)
            except SourceUnreachable as error:
                failures.append(error)
                break
            where = f"{base}{listed.LIST}"
            try:
                signer = self._signer(content, base, where=where)
                found = checksums.parse(content, where=where)
                listed.check_freshness(found, where)
            except (ImageBroken, SourceUnreachable) as error:
                log.warning("%s", error)
                failures.append(error)
                urls.remove(base)
            else:
                return self._offer(base, found, signer)
        told = "; ".join(str(failure) for failure in failures)
        refused = next((failure for failure in failures if isinstance(failure, ImageBroken)), None)
        raise ImageBroken(told, hint=refused.hint) if refused is not None else SourceUnreachable(told)

    def _offer(self, base: str, found: checksums.Checksums, signer: str | None) -> Sequence[Candidate]:
        # what this mirror has, the others may not have yet: it goes first from now on
        self._urls.sort(key=lambda url: url != base)
        self._hashes = found.hashes
        return listed.candidates(found, self._settings, signer=signer, locations=self._locations)

    def _signer(self, content: bytes, base: str, *, where: str) -> str | None:
        """Who signed the list. A kept signature that is refused is asked for again: the list may be signed anew."""
        note = self._cache.note(_LISTS, self.name) or {}
        kept = self._cache.content(str(note.get("signature")))
        if kept is not None:
            try:
                return self._trust.signer(content, lambda: kept, where=where)
            except ImageBroken as error:
                log.info("%s", error)
        return self._trust.signer(content, lambda: self._bring_signature(base), where=where)

    def _locations(self, name: str) -> list[str]:
        return [base + name for base in self._urls]

    def _list(self, urls: Sequence[str]) -> tuple[str, bytes]:
        """The list, from the first mirror that has it: that mirror and the list.

        Raises SourceUnreachable, ImageBroken.
        """
        note = self._cache.note(_LISTS, self.name) or {}
        kept = self._cache.content(str(note.get("list"))) if note.get("url") in urls else None
        answer = self._one(
            Job(
                urls=[base + listed.LIST for base in urls],
                limit=checksums.LIMIT,
                deadline=self._network.deadline,
                etag=_text(note.get("etag")) if kept is not None else None,
                modified=_text(note.get("modified")) if kept is not None else None,
                same_origin=True,
            )
        )
        base = answer.url.removesuffix(listed.LIST)
        if answer.unchanged and kept is not None:
            return base, kept
        sha256 = self._cache.put_content(answer.body)
        fresh = {"url": base, "list": sha256, "etag": answer.etag, "modified": answer.modified}
        self._cache.put_note(_LISTS, self.name, fresh)
        return base, answer.body

    def _bring_signature(self, base: str) -> bytes | None:
        """The signature of the list at one mirror, kept as long as the list is the same; None where there is none."""
        for name in listed.SIGNATURES:
            job = Job(
                urls=[base + name], limit=listed.SIGNATURE_LIMIT, deadline=self._network.deadline, same_origin=True
            )
            try:
                answer = self._one(job)
            except NotThere:
                continue
            note = self._cache.note(_LISTS, self.name) or {}
            self._cache.put_note(_LISTS, self.name, {**note, "signature": self._cache.put_content(answer.body)})
            return answer.body
        return None

    def _one(self, job: Job) -> Answer:
        (result,) = self._transfers.run([job], at_once=1)
        if isinstance(result, Answer):
            return result
        raise result

    def describe(self, candidates: Sequence[Candidate]) -> Mapping[str, Known]:
        """See Source."""
        known: dict[str, Known] = {}
        ask: list[tuple[Candidate, str]] = []
        for candidate in candidates:
            name = candidate.description
            content = self._cache.content(self._hashes.get(name, "")) if name is not None else None
            if name is None:
                known[candidate.sha256] = self._described_without_list(candidate)
            elif content is not None:
                known[candidate.sha256] = listed.known_from(content, name, image=candidate.file_name, where=name)
            else:
                ask.append((candidate, name))
        for (candidate, name), result in zip(ask, self._bring([name for _, name in ask]), strict=True):
            known[candidate.sha256] = self._known(result, name, candidate)
        return known

    def _bring(self, names: Sequence[str]) -> Sequence[Result]:
        jobs = [
            Job(
                urls=self._locations(name),
                limit=manifest.LIMIT,
                deadline=self._network.deadline,
                accept=self._accept(name),
            )
            for name in names
        ]
        return self._transfers.run(jobs, at_once=self._network.connections) if jobs else []

    def _accept(self, name: str) -> Callable[[bytes], None]:
        def accept(body: bytes) -> None:
            listed.check_hash(self._hashes, name, body, where=name)

        return accept

    def _known(self, result: Result, name: str, candidate: Candidate) -> Known:
        if isinstance(result, Answer):
            known = listed.known_from(result.body, name, image=candidate.file_name, where=result.url)
            if known.failure is None:
                self._cache.put_content(result.body)
            return known
        if isinstance(result, ImageBroken):
            return Known(failure=Standing.BROKEN, reason=str(result))
        return Known(failure=Standing.UNREACHABLE, reason=str(result))

    def _described_without_list(self, candidate: Candidate) -> Known:
        """A description that the list does not name: the kinds are tried, the one that was there last time first."""
        note = self._cache.note("descriptions", candidate.sha256)
        if note is not None and isinstance(note.get("name"), str):
            content = self._cache.content(str(note.get("content")))
            if content is not None:
                return listed.known_from(content, note["name"], image=candidate.file_name, where=note["name"])
        names = listed.description_names(candidate.file_name)
        for kind in list(self._kinds):
            (result,) = self._bring([names[kind]])
            if isinstance(result, NotThere):
                continue
            known = self._known(result, names[kind], candidate)
            if isinstance(result, Answer) and known.failure is None:
                self._kinds.sort(key=lambda other, first=kind: other != first)  # type: ignore[misc]  # bound now
                sha256 = hashlib.sha256(result.body).hexdigest()
                self._cache.put_note("descriptions", candidate.sha256, {"name": names[kind], "content": sha256})
            return known
        return listed.NOT_DESCRIBED

    def fetch(self, wanted: Sequence[tuple[Candidate, Sink]]) -> Mapping[str, TukitSysextError]:
        """See Source."""
        jobs = [
            Job(
                urls=candidate.locations,
                limit=self._image_max,
                deadline=self._network.image_deadline,
                sink=sink,
                accept=_finish(sink),
            )
            for candidate, sink in wanted
        ]
        results = self._transfers.run(jobs, at_once=self._network.downloads)
        return {
            candidate.sha256: result
            for (candidate, _), result in zip(wanted, results, strict=True)
            if not isinstance(result, Answer)
        }


def _finish(sink: Sink) -> Callable[[bytes], None]:
    return lambda _: sink.finish()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
