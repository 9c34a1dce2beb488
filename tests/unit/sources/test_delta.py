# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images that are put together of what is here and of parts that a server has."""

from __future__ import annotations

import hashlib
import os
import random
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.faults import Corrupt, Cut, Delay, NoRanges, Redirect, Status, Truncated, WrongRange
from tests.lab.server import Server
from tests.unit.net.samples import QUICK, Collected, request_for
from tukit_sysext.errors import ImageBroken, NoSpace, SourceUnreachable, StoreError, TukitSysextError
from tukit_sysext.formats.caibx import MOST_CHUNKS, ChunkSizes, compose, parse
from tukit_sysext.net.transfer import Transfers
from tukit_sysext.sources.assembly import assemble
from tukit_sysext.sources.delta import ImageDownload, fetch_images
from tukit_sysext.store.seed import Seed

CHUNK = 8192
SIZES = ChunkSizes(least=1, average=CHUNK, most=CHUNK * 4)
_RANDOM = random.Random(7)
OLD = [_RANDOM.randbytes(CHUNK) for _ in range(60)]
FRESH = [_RANDOM.randbytes(CHUNK) for _ in range(60)]
NEW = [*OLD[:20], *FRESH[:2], *OLD[22:30], FRESH[3], OLD[31], FRESH[4], *OLD[33:50], b"end"]
IMAGE = b"".join(NEW)


def index_of(chunks: Sequence[bytes]) -> bytes:
    """The index of a file that has these chunks."""
    ends = [sum(map(len, chunks[: number + 1])) for number in range(len(chunks))]
    return compose(SIZES, [(end, hashlib.sha256(chunk).digest()) for end, chunk in zip(ends, chunks, strict=True)])


class Image(Collected):
    """A sink that knows what it should get."""

    def __init__(self, fails: Exception | None = None) -> None:
        super().__init__(fails)
        self.room: int | None = None
        self.at_first_bytes: Callable[[], object] = lambda: None

    def write(self, data: bytes) -> None:
        super().write(data)
        self.at_first_bytes()
        self.at_first_bytes = lambda: None

    def reserve(self, size: int) -> None:
        super().reserve(size)
        if self.room is not None and size > self.room:
            raise NoSpace("no room")

    def finish(self) -> None:
        if self.content != IMAGE:
            raise ImageBroken(f"other content in {len(self.content)} bytes")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    served = tmp_path / "served"
    served.mkdir()
    (served / "image.raw").write_bytes(IMAGE)
    return served


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with Server(folder) as started:
        yield started


@pytest.fixture
def sink() -> Image:
    return Image()


@pytest.fixture
def seed(tmp_path: Path) -> Callable[..., Seed]:
    """Makes an image that is here."""

    def make(chunks: Sequence[bytes] = OLD, *, index: bytes | None = None, content: bytes | None = None) -> Seed:
        path = tmp_path / f"seed-{len(os.listdir(tmp_path))}"
        path.write_bytes(content if content is not None else b"".join(chunks))

        @contextmanager
        def opened() -> Iterator[int]:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                yield descriptor
            finally:
                os.close(descriptor)

        return Seed(sha256="", index=index_of(chunks) if index is None else index, opened=opened)

    return make


def fetch(
    sink: Image, *servers: Server, seeds: Sequence[Seed] = (), index: bytes | None = None, deadline: float = 10.0
) -> TukitSysextError | None:
    """Fetch the image; why it could not be had."""
    urls = [f"{server.url}/image.raw" for server in servers]
    request = request_for(*urls, sink=sink, accept=lambda _: sink.finish(), deadline=deadline)
    download = ImageDownload(request=request, sink=sink, index=index_of(NEW) if index is None else index, seeds=seeds)
    with Transfers(QUICK) as transfers:
        (failure,) = fetch_images(transfers, [download])
    return failure


def sent(server: Server) -> int:
    return sum(request.sent for request in server.requests)


def asked(server: Server) -> list[tuple[str | None, int | None]]:
    """Range and status of every request."""
    return [(request.headers.get("range"), request.status) for request in server.requests]


def test_only_what_is_not_here_is_fetched(server: Server, sink: Image, seed: Callable[..., Seed]) -> None:
    assert fetch(sink, server, seeds=[seed()]) is None
    assert sink.content == IMAGE
    ranges = [(20 * CHUNK, 22 * CHUNK), (30 * CHUNK, 33 * CHUNK), (50 * CHUNK, 50 * CHUNK + 3)]
    assert sorted(asked(server)) == [(f"bytes={begin}-{end - 1}", 206) for begin, end in ranges]
    assert sent(server) == sum(end - begin for begin, end in ranges)
    assert sink.reused == len(IMAGE) - sent(server), "a small gap is fetched with what is around it"
    assert sink.index == index_of(NEW), "the next version is made of this one"


def test_several_images_that_are_here_are_used(server: Server, sink: Image, seed: Callable[..., Seed]) -> None:
    assert fetch(sink, server, seeds=[seed(), seed(FRESH)]) is None
    assert sink.content == IMAGE
    assert asked(server) == [(f"bytes={50 * CHUNK}-{50 * CHUNK + 2}", 206)]


def test_nothing_is_fetched_where_everything_is_here(server: Server, sink: Image, seed: Callable[..., Seed]) -> None:
    assert fetch(sink, server, seeds=[seed(), seed(FRESH), seed([b"end"])]) is None
    assert sink.content == IMAGE
    assert asked(server) == []


def test_the_whole_is_fetched_where_nothing_is_here(server: Server, sink: Image, seed: Callable[..., Seed]) -> None:
    assert fetch(sink, server) is None
    assert fetch(Image(), server, seeds=[seed(FRESH[40:])]) is None
    assert sink.content == IMAGE
    assert asked(server) == [(None, 200)] * 2
    assert sink.index == index_of(NEW)


def test_a_server_without_ranges_is_asked_once(server: Server, sink: Image, seed: Callable[..., Seed]) -> None:
    """What it sends instead is taken: some caches would fetch the whole file for each part."""
    server.fail("*", NoRanges())
    assert fetch(sink, server, seeds=[seed()]) is None
    assert sink.content == IMAGE
    assert [status for _, status in asked(server)] == [200]
    assert sink.reused == 0


def test_its_file_goes_on_where_it_broke_off(server: Server, sink: Image, seed: Callable[..., Seed]) -> None:
    server.fail("*", NoRanges(), times=1)
    server.fail("*", Cut(after=100_000), times=1)
    assert fetch(sink, server, seeds=[seed()]) is None
    assert sink.content == IMAGE
    assert [status for _, status in asked(server)] == [200, 206]
    assert asked(server)[1][0] == "bytes=100000-"


@pytest.mark.parametrize(
    "fault", [NoRanges(), Status(code=403), Status(code=404), Status(code=416), WrongRange(), Truncated(size=9)]
)
def test_a_server_that_gives_no_more_parts(
    server: Server, sink: Image, seed: Callable[..., Seed], fault: NoRanges | Status | WrongRange | Truncated
) -> None:
    """The whole goes on behind what is there."""
    sink.at_first_bytes = lambda: server.fail("*", fault, times=2)
    assert fetch(sink, server, seeds=[seed()]) is None
    assert sink.content == IMAGE
    assert sink.restarts == 0
    assert asked(server)[-1] == (f"bytes={30 * CHUNK}-", 206)


def test_a_mirror_is_asked_for_parts_that_are_wrong(
    folder: Path, server: Server, sink: Image, seed: Callable[..., Seed]
) -> None:
    server.fail("*", Corrupt(offset=21 * CHUNK))
    with Server(folder) as mirror:
        assert fetch(sink, server, mirror, seeds=[seed()]) is None
        assert asked(mirror) == [(f"bytes={20 * CHUNK}-{22 * CHUNK - 1}", 206)]
    assert sink.content == IMAGE


def test_a_slow_mirror_is_not_asked_first_for_each_few_parts(
    folder: Path, server: Server, sink: Image, seed: Callable[..., Seed]
) -> None:
    server.fail("*", Delay(seconds=60))
    with Server(folder) as mirror, Transfers(replace(QUICK, deadline=1)) as transfers:
        urls = [f"{each.url}/image.raw" for each in (server, mirror)]
        request = request_for(*urls, sink=sink, accept=lambda _: sink.finish(), deadline=20.0)
        download = ImageDownload(request=request, sink=sink, index=index_of(NEW), seeds=[seed()])
        assert fetch_images(transfers, [download]) == [None]
        assert len(asked(mirror)) == 3
    assert len(asked(server)) == 1
    assert sink.content == IMAGE


def test_a_part_that_breaks_off_is_asked_for_again(server: Server, sink: Image, seed: Callable[..., Seed]) -> None:
    server.fail("*", Cut(after=100), times=2)
    assert fetch(sink, server, seeds=[seed()]) is None
    assert sink.content == IMAGE
    assert len(asked(server)) == 5


def test_parts_are_redirected_as_the_whole_is(
    folder: Path, server: Server, sink: Image, seed: Callable[..., Seed]
) -> None:
    with Server(folder) as other:
        server.fail("*", Redirect(url=f"{other.url}/{{path}}"))
        assert fetch(sink, server, seeds=[seed()]) is None
        assert [status for _, status in asked(other)] == [206, 206, 206]
    assert sink.content == IMAGE


LIES = {
    "of no index": b"x" * 5000,
    "of nothing": b"",
    "of no chunk": index_of([]),
    "of another image": index_of(OLD),
    "of a shorter one": index_of(NEW[:-9]),
    "of a longer one": index_of([*NEW, *OLD]),
    "of a chunk that is not there": index_of([*NEW[:25], OLD[55], *NEW[26:]]),
    "of a chunk of another size": compose(SIZES, [(CHUNK + 5, hashlib.sha256(OLD[0]).digest())]),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_an_index_that_lies_costs_bytes_and_no_more(
    server: Server, sink: Image, seed: Callable[..., Seed], lie: bytes
) -> None:
    assert fetch(sink, server, seeds=[seed()], index=lie) is None
    assert sink.content == IMAGE


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_so_does_the_index_of_what_is_here(server: Server, sink: Image, seed: Callable[..., Seed], lie: bytes) -> None:
    assert fetch(sink, server, seeds=[seed(FRESH, index=lie)]) is None
    assert sink.content == IMAGE


def test_what_is_here_may_be_damaged(server: Server, sink: Image, seed: Callable[..., Seed]) -> None:
    content = bytearray(b"".join(OLD))
    content[25 * CHUNK + 3] ^= 1
    assert fetch(sink, server, seeds=[seed(content=bytes(content))]) is None
    assert sink.content == IMAGE
    assert asked(server)[-1] == (f"bytes={22 * CHUNK}-", 206), "what was right is not fetched again"


def test_what_is_here_may_be_gone(server: Server, sink: Image, seed: Callable[..., Seed], tmp_path: Path) -> None:
    gone, short = seed(), seed(FRESH, content=b"")
    next(tmp_path.glob("seed-*")).unlink()
    assert fetch(sink, server, seeds=[gone, short]) is None
    assert sink.content == IMAGE


@pytest.mark.parametrize("kept", [1, 5 * CHUNK + 9, 20 * CHUNK, 21 * CHUNK + 1, 45 * CHUNK, len(IMAGE)])
def test_it_goes_on_where_an_earlier_run_was(server: Server, sink: Image, seed: Callable[..., Seed], kept: int) -> None:
    sink.content = IMAGE[:kept]
    assert fetch(sink, server, seeds=[seed()]) is None
    assert sink.content == IMAGE
    assert sink.restarts == 0
    assert not any(int((given or "=0-").split("=")[1].split("-")[0]) + CHUNK <= kept for given, _ in asked(server))


def test_what_an_earlier_run_left_may_be_wrong(server: Server, sink: Image, seed: Callable[..., Seed]) -> None:
    sink.content = b"x" * 25 * CHUNK
    assert fetch(sink, server, seeds=[seed()]) is None
    assert sink.content == IMAGE
    assert sink.restarts == 1
    assert asked(server)[-1] == (None, 200)


def test_the_room_is_looked_at_first(server: Server, sink: Image, seed: Callable[..., Seed]) -> None:
    """Blocks that stand at the same place in both need none."""
    sink.room = 1000
    assert isinstance(fetch(sink, server, seeds=[seed()]), NoSpace)
    assert asked(server) == []
    sink.room = 5 * CHUNK + 3
    assert fetch(sink, server, seeds=[seed()]) is None


def test_a_store_that_cannot_take_it_ends_it(server: Server, seed: Callable[..., Seed]) -> None:
    sink = Image(StoreError("a bad disk"))
    assert isinstance(fetch(sink, server, seeds=[seed()]), StoreError)
    assert len(asked(server)) == 1


def test_everything_has_one_deadline(server: Server, sink: Image, seed: Callable[..., Seed]) -> None:
    """A server that does not answer is not waited for twice, once for its parts and once for the whole."""
    server.fail("*", Delay(seconds=60))
    with Transfers(replace(QUICK, image_deadline=1)) as transfers:
        request = request_for(f"{server.url}/image.raw", sink=sink, deadline=5.0)
        download = ImageDownload(request=request, sink=sink, index=index_of(NEW), seeds=[seed()])
        (failure,) = fetch_images(transfers, [download])
    assert isinstance(failure, SourceUnreachable)
    assert "the time is over (ImageDeadline=" in str(failure)


def test_the_largest_index_needs_little_memory(server: Server) -> None:
    """As many chunks as an index may have."""
    chunks = [(16384 * (number + 1), _RANDOM.randbytes(32)) for number in range(MOST_CHUNKS)]
    others = [(end, _RANDOM.randbytes(32) if number % 2 else chunk) for number, (end, chunk) in enumerate(chunks)]
    sizes = ChunkSizes.around(16384)
    wanted = parse(compose(sizes, chunks), where="wanted")
    old = parse(compose(sizes, others), where="old")
    tracemalloc.start()
    parts = assemble(wanted, [old])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(part.is_fetched for part in parts) <= 1024
    assert most < 40 * 1024 * 1024
