# SPDX-License-Identifier: LGPL-2.1-or-later
"""What sources on servers have in common: one that cannot be reached is not asked twice, and how images come."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import ImageBroken, SourceUnreachable, TukitSysextError
from tukit_sysext.net.redirects import Redirects
from tukit_sysext.net.request import Request
from tukit_sysext.net.transfer import Transfers
from tukit_sysext.sources.candidate import Candidate
from tukit_sysext.sources.protocol import Sink

if TYPE_CHECKING:
    from tukit_sysext.config.credentials import Credentials
    from tukit_sysext.net.login import Login
    from tukit_sysext.net.tokens import Tokens
    from tukit_sysext.store.seed import Seed


class SourceOnServers(ABC):
    """One source, whose servers mirror each other; the first is the strongest.

    ``away`` remembers, for all trees of a command, which sources could not be reached: none is asked twice.
    """

    def __init__(
        self,
        settings: SourceSettings,
        transfers: Transfers,
        *,
        image_max: int,
        away: MutableMapping[SourceSettings, str] | None = None,
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._urls = list(settings.servers)
        self._network = transfers.settings
        self._transfers = transfers
        self._image_max = image_max
        self._away = {} if away is None else away
        given = settings.credentials
        self._login = _login(settings.servers, given) if given is not None else None
        self._tokens = _tokens(self._login) if settings.in_registry else None
        # what somebody signed has the hash of
        self._redirects = Redirects.ANY if settings.verify else Redirects.SECURE

    def candidates(self) -> Sequence[Candidate]:
        """See Source."""
        if self._settings in self._away:
            raise SourceUnreachable(self._away[self._settings])
        try:
            return self._offered()
        except SourceUnreachable as error:
            self._away[self._settings] = str(error)
            raise

    @abstractmethod
    def _offered(self) -> Sequence[Candidate]:
        """What it offers, asked for now. Raises as Source.candidates()."""

    def fetch(self, wanted: Sequence[tuple[Candidate, Sink]]) -> Mapping[str, TukitSysextError]:
        """See Source."""
        from tukit_sysext.sources.delta import ImageDownload, fetch_images  # 3 ms, and most runs find all here already

        chunks = self._chunks([(candidate, _seeds(candidate, sink)) for candidate, sink in wanted])
        downloads = [
            ImageDownload(
                request=self._download(candidate, sink),
                sink=sink,
                index=index or _kept_index(candidate.sha256, known),
                seeds=known,
            )
            for (candidate, sink), (index, known) in zip(wanted, chunks, strict=True)
        ]
        failures = fetch_images(self._transfers, downloads)
        return {
            candidate.sha256: failure
            for (candidate, _), failure in zip(wanted, failures, strict=True)
            if failure is not None
        }

    def to_fetch(self, wanted: Sequence[tuple[Candidate, Sequence[Seed]]]) -> Mapping[str, int]:
        """See ChunkedSource."""
        from tukit_sysext.sources.delta import bytes_to_fetch

        sizes: dict[str, int] = {}
        for (candidate, _), (index, seeds) in zip(wanted, self._chunks(wanted), strict=True):
            if index is not None:
                with suppress(ImageBroken):
                    sizes[candidate.sha256] = bytes_to_fetch(index, seeds, where=candidate.file_name)
        return sizes

    @abstractmethod
    def _chunks(
        self, wanted: Sequence[tuple[Candidate, Sequence[Seed]]]
    ) -> Sequence[tuple[bytes | None, Sequence[Seed]]]:
        """The index of each image's chunks (None: there is none), and its seeds with theirs."""

    def _download(self, candidate: Candidate, sink: Sink) -> Request:
        """What brings a whole image into its sink."""
        return Request(
            urls=candidate.locations,
            limit=self._image_max,
            deadline=self._network.image_deadline,
            sink=sink,
            accept=lambda _: sink.finish(),
            redirects=self._redirects,
            login=self._login,
            tokens=self._tokens,
        )


def _seeds(candidate: Candidate, sink: Sink) -> Sequence[Seed]:
    """What is here of an image; nothing where no index of its chunks can be had."""
    seeds = sink.seeds()
    return seeds if candidate.index is not None or _kept_index(candidate.sha256, seeds) is not None else ()


def _kept_index(sha256: str, seeds: Sequence[Seed]) -> bytes | None:
    """The index of an image that is here, and to be repaired; its source need not tell it again."""
    return next((seed.index for seed in seeds if seed.sha256 == sha256), None)


def _login(servers: Sequence[str], given: Credentials) -> Login:
    from tukit_sysext.net.login import Login  # 1 ms, and most servers ask nobody who he is

    return Login.to(servers, user=given.user, password=given.password)


def _tokens(login: Login | None) -> Tokens:
    from tukit_sysext.net.tokens import Tokens  # 1 ms, of which directories need none

    return Tokens(login)
