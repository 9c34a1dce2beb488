# SPDX-License-Identifier: LGPL-2.1-or-later
"""The list of a source on servers, with its signature: from a mirror where both belong together and are accepted.

Each mirror may redirect to others: where a signature is demanded, list and signature may come from any host, both from
the same one; a list that nobody signs from where an HTTPS server leads by HTTPS. A pair that is refused is asked for
once more, elsewhere first, and past caches: half of it may be of yesterday. It speaks for the host that gave it alone,
until the configured one, or another, gives the same (:class:`tukit_sysext.net.redirects.Evidence`).
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import ImageBroken, NotFound, NotServed, NoVerdict, SourceUnreachable, TukitSysextError
from tukit_sysext.formats import checksums
from tukit_sysext.net.redirects import TRIES, Evidence, Redirects, is_same_host, shown_url
from tukit_sysext.net.request import Request, Response
from tukit_sysext.net.transfer import Transfers
from tukit_sysext.sources import repository
from tukit_sysext.sources.cache import LISTS, Cache
from tukit_sysext.sources.trust import Trust, VerifiedSignature

if TYPE_CHECKING:
    from tukit_sysext.net.login import Login

log = logging.getLogger(__name__)


class ListOfMirror(NamedTuple):
    """A list that is accepted: from the mirror ``base``, with who signed it (None: nobody had to)."""

    base: str
    content: bytes
    checksums: checksums.Checksums
    verified: VerifiedSignature | None


class Apart(SourceUnreachable):
    """List and signature came from two hosts."""


class _KeptList(NamedTuple):
    """A list that a mirror gave, and what that said to recognise it by."""

    base: str
    content: bytes
    etag: str | None
    modified: str | None


class WebList:
    """The list of one source. ``urls`` are its mirrors, the strongest first."""

    def __init__(
        self,
        settings: SourceSettings,
        urls: Sequence[str],
        transfers: Transfers,
        cache: Cache,
        trust: Trust,
        login: Login | None,
    ) -> None:
        self._settings = settings
        self._urls = urls
        self._transfers = transfers
        self._cache = cache
        self._trust = trust
        self._login = login
        self._redirects = Redirects.SECURE if settings.verify else Redirects.VOUCHED
        self._signature: bytes | None = None
        self._refused: dict[str, TukitSysextError] = {}
        self._evidence = Evidence()
        self._tries: Counter[str] = Counter()

    def bring(self) -> ListOfMirror:
        """The list of the first mirror whose list is accepted. Raises SourceUnreachable, ImageBroken, NoVerdict."""
        bases = list(self._urls)
        failures: list[TukitSysextError] = []
        while bases:
            try:
                answer = self._fetch_list(bases)
            except SourceUnreachable as error:
                failures.append(error)
                break
            base = answer.url.removesuffix(repository.LIST)
            bases.remove(base)
            try:
                good = self._checked(answer, base)
            except (ImageBroken, NoVerdict, Apart) as error:
                log.warning("%s", error)
                bad = not isinstance(error, Apart) and self._convicts(answer)
                self._tries[base] += 1
                if self._tries[base] < (2 if bad else TRIES):
                    bases.append(base)
                else:
                    failures.append(error if bad else _of_one_host(error, answer))
            except SourceUnreachable as error:  # its signature
                failures.append(error)
            else:
                return self._taken_in(good, answer)
        raise _all_of(failures)

    def newer_than(self, known: ListOfMirror) -> ListOfMirror | None:
        """A newer list of another mirror, or past caches: the mirror that brought the known one may be behind."""
        if known.verified is None:
            return None  # nobody can tell which is newer
        for base in sorted(self._urls, key=lambda url: url == known.base):
            self._tries[base] += 1
            try:
                answer = self._fetch_list([base])
                good = self._checked(answer, base)
            except (ImageBroken, NoVerdict, SourceUnreachable) as error:
                log.info("%s", error)
                continue
            if good.verified is not None and good.verified.newest > known.verified.newest:
                return self._taken_in(good, answer)
        return None

    def _taken_in(self, good: ListOfMirror, answer: Response) -> ListOfMirror:
        self._keep(answer, good.base)
        self._trust.remember(good.verified)
        return good

    def _convicts(self, answer: Response) -> bool:
        return self._evidence.convicts(answer.url, answer.given_at, self._pair(answer.body, self._signature))

    def _pair(self, content: bytes, signature: bytes | None) -> str:
        return f"{hashlib.sha256(content).hexdigest()} {hashlib.sha256(signature or b'').hexdigest()}"

    def _where(self, base: str) -> str:
        """How a mirror's list is called in messages."""
        return f"{base}{repository.LIST}"

    def _checked(self, answer: Response, base: str) -> ListOfMirror:
        where = self._where(base)
        verified = self._verify(answer, base, where=where)
        checksum_list = checksums.parse(answer.body, where=where)
        repository.check_freshness(checksum_list, where)
        return ListOfMirror(base=base, content=answer.body, checksums=checksum_list, verified=verified)

    def _verify(self, answer: Response, base: str, *, where: str) -> VerifiedSignature | None:
        """Who signed the list, and when.

        A kept signature that is refused is asked for again: the list may be signed anew.
        """
        kept = self._cache.content(str(self._note().get("signature"))) if answer.unchanged else None
        if kept is not None:
            try:
                return self._trust.check(answer.body, lambda: kept, where=where)
            except (ImageBroken, NoVerdict) as error:
                log.info("%s", error)

        def detached() -> bytes | None:
            self._signature = self._fetch_signature(answer, base)
            refused = self._refused.get(base + self._pair(answer.body, self._signature))
            if refused is not None:
                raise refused  # by gpgv, which may have taken its time over it
            return self._signature

        try:
            return self._trust.check(answer.body, detached, where=where)
        except (ImageBroken, NoVerdict) as error:
            self._refused[base + self._pair(answer.body, self._signature)] = error
            raise

    def _note(self) -> Mapping[str, object]:
        return self._cache.note(LISTS, self._settings.name) or {}

    def _keep(self, answer: Response, base: str) -> None:
        """Keep a list that is verified, with what the server said to recognise it by."""
        note = dict(self._note()) if answer.unchanged else {}
        note |= {"url": base, "list": self._cache.put_content(answer.body)}
        note |= {"etag": answer.etag, "modified": answer.modified}
        if self._signature is not None:
            note["signature"] = self._cache.put_content(self._signature)
        if note != self._note():
            self._cache.put_note(LISTS, self._settings.name, note)

    def _fetch_list(self, bases: Sequence[str]) -> Response:
        """The list, from the first mirror that has it; ours too was kept. Raises SourceUnreachable."""
        kept = self._kept(bases)
        request = Request(
            urls=[base + repository.LIST for base in bases],
            limit=checksums.LIMIT,
            deadline=self._transfers.settings.deadline,
            etag=kept.etag if kept is not None else None,
            modified=kept.modified if kept is not None else None,
            asked_at=f"{kept.base}{repository.LIST}" if kept is not None else None,
            redirects=self._redirects,
            past_caches=[base + repository.LIST for base in self._tries],
            login=self._login,
        )
        self._signature = None
        answer = self._fetch_one(request)
        return replace(answer, body=kept.content) if answer.unchanged and kept is not None else answer

    def _kept(self, bases: Sequence[str]) -> _KeptList | None:
        """The list that was fetched last, where one of these mirrors gave it and was not asked in this run."""
        note = self._note()
        base, content = note.get("url"), self._cache.content(str(note.get("list")))
        if not isinstance(base, str) or base not in bases or base in self._tries or content is None:
            return None
        return _KeptList(base=base, content=content, etag=_text(note.get("etag")), modified=_text(note.get("modified")))

    def _fetch_signature(self, answer: Response, base: str) -> bytes | None:
        """The signature of the list, from the host that gave that; None where there is none.

        One that we are not given, or a page in its place, is as none: it may have another name. Raises NotServed where
        it has no other.
        """
        withheld: NotServed | None = None
        for name in repository.SIGNATURES:
            try:
                signature = self._fetch_beside(base + name, self._redirects, past_caches=base in self._tries)
                if repository.is_page(signature.body):
                    continue
                if is_same_host(answer.given_at, signature.given_at):
                    return signature.body
                return self._from_host_of(answer, name, signature)
            except NotFound:
                continue
            except NotServed as error:
                withheld = withheld or error
        if withheld is not None:
            raise withheld
        return None

    def _from_host_of(self, answer: Response, name: str, other: Response) -> bytes:
        """The signature beside the list where that was redirected to. Raises Apart where it is not there."""
        place = urlsplit(answer.given_at)
        if place.path.endswith(f"/{repository.LIST}"):
            beside = place._replace(path=place.path.removesuffix(repository.LIST) + name, query="", fragment="")
            try:
                return self._fetch_beside(beside.geturl(), Redirects.ORIGIN).body
            except SourceUnreachable as error:
                log.info("%s", error)
        there = f"{shown_url(answer.given_at)}, its signature from {shown_url(other.given_at)}"
        raise Apart(f"{answer.url}: came from {there}: they need not belong together")

    def _fetch_beside(self, url: str, redirects: Redirects, *, past_caches: bool = False) -> Response:
        request = Request(
            urls=[url],
            limit=repository.SIGNATURE_LIMIT,
            deadline=self._transfers.settings.deadline,
            redirects=redirects,
            doubts=False,
            past_caches=[url] if past_caches else (),
            login=self._login,
        )
        return self._fetch_one(request)

    def _fetch_one(self, request: Request) -> Response:
        (result,) = self._transfers.run([request], at_once=1)
        if isinstance(result, Response):
            return result
        raise result


def _of_one_host(error: TukitSysextError, answer: Response) -> SourceUnreachable:
    if isinstance(error, SourceUnreachable):
        return error
    return SourceUnreachable(f"{error} ({shown_url(answer.given_at)} alone says so)")


def _all_of(failures: Sequence[TukitSysextError]) -> TukitSysextError:
    """One error of all: one that was refused says more than one that is away."""
    why = "; ".join(str(failure) for failure in failures)
    for kind in (ImageBroken, NoVerdict):
        refused = next((failure for failure in failures if isinstance(failure, kind)), None)
        if refused is not None:
            return kind(why, next_step=refused.next_step)
    return SourceUnreachable(why)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
