# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images that are put together of what other versions of them have, and of parts that are fetched: for any source.

A source says how the whole image is fetched, and gives the index of its chunks where it has one. Nothing of that is
trusted: a chunk counts by its hash, and the hash of the whole decides. Where anything is odd (a server that gives no
parts, an index that lies, a chunk that does not match) the whole image is fetched, behind what is there already.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from tukit_sysext.errors import ImageBroken, StoreError, TukitSysextError
from tukit_sysext.formats import caibx
from tukit_sysext.formats.caibx import ChunkIndex
from tukit_sysext.net.request import ByteRange, Request, Response
from tukit_sysext.net.transfer import Transfers
from tukit_sysext.sources.assembly import Part, assemble
from tukit_sysext.sources.protocol import Sink
from tukit_sysext.store.digest import ROT
from tukit_sysext.store.seed import Seed

log = logging.getLogger(__name__)

_ONE = 1024 * 1024
"""Bytes that are asked for in one request, but for a chunk that is larger."""
_AT_A_TIME = 6 * 1024 * 1024
"""Bytes that are asked for at a time: what bounds the memory."""
_COPIED = 1024 * 1024
"""Bytes that are read at a time of a file that is here, but for a chunk that is larger."""
_WHILE_FETCHING = 32 * 1024 * 1024
"""Bytes of files that are here that may be written while servers wait to be heard."""
_WORTH = 0.9
"""The share of an image from which on to fetch it in parts is not worth its requests."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageDownload:
    """An image to be fetched into ``sink``: the request for the whole of it (with that sink), the index of its chunks
    (None: there is none), and images that have some of them.
    """

    request: Request
    sink: Sink
    index: bytes | None = None
    seeds: Sequence[Seed] = ()


def fetch_images(transfers: Transfers, downloads: Sequence[ImageDownload]) -> Sequence[TukitSysextError | None]:
    """Fetch images, in parts where that saves bytes; of each why it could not be had, None where it is in its sink."""
    failures: list[TukitSysextError | None] = [None] * len(downloads)
    whole: list[tuple[int, Request]] = []
    for number, download in enumerate(downloads):
        sink = _CountingSink(download.sink)
        request = replace(download.request, sink=sink)
        try:
            done = download.index is not None and _in_parts(transfers, download, download.index, request, sink)
        except StoreError as error:
            failures[number] = error
            continue
        if not done:
            whole.append((number, request))
    results = transfers.run([request for _, request in whole], at_once=transfers.settings.downloads)
    for (number, _), result in zip(whole, results, strict=True):
        failures[number] = None if isinstance(result, Response) else result
    return failures


def bytes_to_fetch(index: bytes, seeds: Sequence[Seed], *, where: str) -> int:
    """How many bytes of an image with this index are fetched where seeds are here. Raises IndexRefused."""
    wanted = caibx.parse(index, where=where)
    with ExitStack() as stack:
        parts = assemble(wanted, [known for known, _ in _opened(seeds, stack)])
    fetched = sum(part.size for part in parts if part.is_fetched)
    return fetched if _is_worth(fetched, wanted.size) else wanted.size


def _is_worth(fetched: int, size: int) -> bool:
    return fetched <= size * _WORTH


def _in_parts(
    transfers: Transfers, download: ImageDownload, content: bytes, request: Request, sink: _CountingSink
) -> bool:
    """Fetch an image in parts; False where the whole of it is to be fetched. Raises StoreError."""
    where = request.urls[0] if request.urls else "an image"
    with ExitStack() as stack:
        try:
            index = caibx.parse(content, where=f"the index of {where}")
            sink.keep_index(content)
            delta = _Delta(transfers, request, sink, index, _opened(download.seeds, stack))
            return delta.is_worth_it() and delta.fetch()
        except StoreError:
            raise
        except (TukitSysextError, OSError) as error:
            log.info("%s: is fetched as a whole: %s", where, error)
            return False


def _opened(seeds: Sequence[Seed], stack: ExitStack) -> Iterator[tuple[ChunkIndex, int]]:
    """The index of each image that can be used, and a descriptor of it."""
    for seed in seeds:
        if seed.index is None:
            continue
        try:
            index = caibx.parse(seed.index, where=f"the index of the image {seed.sha256[:16]}...")
            descriptor = stack.enter_context(seed.opened())
            yield index if seed.whole else index.read_again(partial(_read, descriptor)), descriptor
        except (ImageBroken, OSError) as error:
            log.info("an image that is here cannot be used: %s", error)


def _read(descriptor: int, begin: int, end: int) -> bytes:
    """What a file has there; nothing where its blocks are rotten."""
    try:
        return os.pread(descriptor, end - begin, begin)
    except OSError as error:
        if error.errno not in ROT:
            raise
        return b""


class _NotAsSaid(ImageBroken):
    """Not the bytes that the index says."""


class _Delta:
    """One image."""

    def __init__(
        self,
        transfers: Transfers,
        request: Request,
        sink: _CountingSink,
        index: ChunkIndex,
        seeds: Iterator[tuple[ChunkIndex, int]],
    ) -> None:
        self._transfers = transfers
        self._request = request
        self._sink = sink
        self._index = index
        opened = list(seeds)
        self._descriptors = [descriptor for _, descriptor in opened]
        self._indexes = [seed for seed, _ in opened]
        self._came: dict[int, bytes] = {}
        self._failed: Exception | None = None
        self._came_whole = False

    def is_worth_it(self) -> bool:
        """Whether it saves bytes. Takes what came in an earlier run."""
        have = self._sink.resume() if self._indexes else 0
        parts = assemble(self._index, self._indexes, have=have)
        self._parts = deque(part for each in parts for part in self._split(each))
        left = max(0, self._index.size - have)
        return bool(self._indexes) and _is_worth(sum(part.size for part in parts if part.is_fetched), left)

    def _split(self, part: Part) -> Iterator[Part]:
        """The same chunks in parts that can be in memory."""
        most = _ONE if part.is_fetched else _COPIED
        first, begin, end = part.first, part.begin, part.begin
        for number in range(part.first, part.behind):
            after = self._index.end(number)
            if after - begin > most and end > begin:
                offset = part.offset + begin - part.begin
                yield Part(first=first, behind=number, begin=begin, end=end, file=part.file, offset=offset)
                first, begin = number, end
            end = after
        offset = part.offset + begin - part.begin
        yield Part(first=first, behind=part.behind, begin=begin, end=end, file=part.file, offset=offset)

    def fetch(self) -> bool:
        """Put it together; False where it turns out to be another file.

        Raises StoreError, and TukitSysextError or OSError where it cannot be done in this way.
        """
        self._sink.expect(self._index.size)
        self._sink.reserve(sum(part.size for part in self._parts if not part.is_aligned))
        # the first request shows whether the server gives parts
        at_a_time = 1
        while asked := self._next_fetched(at_a_time):
            requests = [self._part_request(part, first=at_a_time == 1) for part in asked]
            begun = time.monotonic()
            results = self._transfers.run(requests, at_once=self._transfers.settings.connections)
            if time.monotonic() - begun > self._transfers.settings.silence:
                # each few parts begin with the first server: a slow one would take its share of the time each time
                first, *others = self._request.urls
                self._request = replace(self._request, urls=[*others, first])
            if self._came_whole:
                return True
            failures = [self._failed, *(result for result in results if not isinstance(result, Response))]
            for failure in failures:
                if failure is not None:
                    raise failure
            self._write()
            at_a_time = _AT_A_TIME
        self._write()
        try:
            self._sink.finish()
        except ImageBroken as error:
            log.warning("%s", error)
            self._sink.restart()
            return False
        return True

    def _next_fetched(self, size: int) -> Sequence[Part]:
        """The next parts to be fetched, of about so many bytes together, but one at least."""
        chosen: list[Part] = []
        total = 0
        for part in self._parts:
            if part.is_fetched and part.first not in self._came:
                total += part.size
                if chosen and total > size:
                    break
                chosen.append(part)
        return chosen

    def _part_request(self, part: Part, *, first: bool) -> Request:
        whole = self._request

        def accept_whole(body: bytes) -> None:
            if whole.accept is not None:
                whole.accept(body)
            self._came_whole = True

        return replace(
            whole,
            part=ByteRange(begin=part.begin, end=part.end),
            limit=part.size,
            sink=None,
            discard=True,
            accept=lambda body: self._take(part, body),
            instead=replace(whole, accept=accept_whole) if first else None,
        )

    def _take(self, part: Part, body: bytes) -> None:
        """Take what was fetched. Raises ImageBroken where it is not what was asked for."""
        self._check(part, body)
        self._came[part.first] = body
        if self._failed is None:
            try:
                self._write(_WHILE_FETCHING)
            except (TukitSysextError, OSError) as error:
                self._failed = error  # it is not the server's

    def _check(self, part: Part, content: bytes) -> None:
        view = memoryview(content)
        begin = part.begin
        for number in range(part.first, part.behind):
            end = self._index.end(number)
            if not self._index.is_chunk(number, view[begin - part.begin : end - part.begin]):
                raise _NotAsSaid(f"{self._request.urls[0]}: its chunk {number} is not what its index says")
            begin = end

    def _write(self, most: int | None = None) -> None:
        """Write everything in its order that is there, but at most so many bytes of files that are here."""
        copied = 0
        while self._parts and (most is None or copied < most):
            part = self._parts[0]
            if part.is_fetched:
                if part.first not in self._came:
                    return
                content = self._came.pop(part.first)
                self._sink.write(content[self._skipped(part) :])
            else:
                self._copy(part)
                copied += part.size
            self._parts.popleft()

    def _copy(self, part: Part) -> None:
        descriptor = self._descriptors[part.file]
        content = os.pread(descriptor, part.size, part.offset)
        self._check(part, content)
        skipped = self._skipped(part)
        self._sink.reuse(content[skipped:], descriptor, part.offset + skipped)

    def _skipped(self, part: Part) -> int:
        """How many of its bytes are there already, from an earlier run that was broken off in it."""
        return max(0, self._sink.position - part.begin)


class _CountingSink:
    """A sink that knows how many bytes it has, and goes on behind them whoever writes."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._resumed = False
        self.position = 0
        self.seeds: Callable[[], Sequence[Seed]] = sink.seeds
        self.reserve: Callable[[int], None] = sink.reserve
        self.expect: Callable[[int], None] = sink.expect
        self.keep_index: Callable[[bytes], None] = sink.keep_index
        self.finish: Callable[[], None] = sink.finish

    def write(self, data: bytes) -> None:
        """See Sink."""
        self._sink.write(data)
        self.position += len(data)

    def reuse(self, data: bytes, descriptor: int, offset: int) -> None:
        """See Sink."""
        self._sink.reuse(data, descriptor, offset)
        self.position += len(data)

    def resume(self) -> int:
        """See Sink. Asked again, what was written since counts too."""
        if not self._resumed:
            self._resumed = True
            self.position = self._sink.resume()
        return self.position

    def restart(self) -> None:
        """See Sink."""
        self._sink.restart()
        self.position = 0
