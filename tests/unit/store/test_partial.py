# SPDX-License-Identifier: LGPL-2.1-or-later
"""What came of an image is kept by its hash, and the next run goes on there: a slow line gets there in the end (P5)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.lab.faults import Endless, Fault, NoRanges, Refuse, Status, Trickle
from tests.lab.server import Server
from tests.records import record, sha256
from tests.states import code
from tests.states.state import COMMITS
from tests.unit.ledger.samples import StoreFolder
from tests.unit.net.samples import QUICK, request_for
from tukit_sysext.collect.decision import Disposition, Rules, decide
from tukit_sysext.errors import ImageBroken, StoreError
from tukit_sysext.net.request import Response
from tukit_sysext.net.transfer import Transfers
from tukit_sysext.quantities import KEEP_FREE
from tukit_sysext.store.image_store import Condition, Store

IMAGE = random.Random(5).randbytes(400_000)
NAME = f".tukit-sysext.partial.{sha256(IMAGE)}"


@pytest.fixture
def made_folder(store_folder: StoreFolder) -> StoreFolder:
    store_folder.folder.mkdir(parents=True)
    return store_folder


@pytest.fixture
def server(tmp_path: Path) -> Server:
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "image.raw").write_bytes(IMAGE)
    return Server(folder).start()


def keep(site: StoreFolder, content: bytes, *, of: bytes = IMAGE, limit: int = 1_000_000) -> None:
    """A run in which so much came."""
    with site.store.receive(sha256=sha256(of), limit=limit, where="SOURCE", keep_free=KEEP_FREE) as incoming:
        incoming.resume()
        incoming.write(content)


def run(site: StoreFolder, *servers: Server, seconds: int = 10) -> tuple[bool, int]:
    """One run against servers: whether the image is whole, and with how many bytes it began."""
    begun = 0
    with (
        Transfers(replace(QUICK, image_deadline=seconds, deadline=seconds)) as transfers,
        site.store.receive(sha256=sha256(IMAGE), limit=1_000_000, where="SOURCE", keep_free=KEEP_FREE) as incoming,
    ):
        resume = incoming.resume

        def noted() -> int:
            nonlocal begun
            begun = resume()
            return begun

        incoming.resume = noted  # type: ignore[method-assign]
        request = request_for(
            *(f"{server.url}/image.raw" for server in servers),
            sink=incoming,
            deadline=seconds,
            accept=lambda _: incoming.finish(),
        )
        (result,) = transfers.run([request], at_once=1)
        whole = os.pread(incoming.descriptor, len(IMAGE), 0) == IMAGE
    assert whole == isinstance(result, Response)
    return whole, begun


def test_a_slow_line_gets_there_in_the_end(made_folder: StoreFolder, server: Server) -> None:
    server.fail("image.raw", Trickle(bytes_per_second=150_000))
    begun = []
    for _ in range(8):
        whole, size = run(made_folder, server, seconds=1)
        begun.append(size)
        if whole:
            break
    assert whole
    assert begun[0] == 0
    assert begun == sorted(set(begun))
    assert made_folder.names() == []


def test_what_a_source_that_is_asked_from_the_beginning_brings_is_not_kept(made_folder: StoreFolder) -> None:
    with made_folder.store.receive(
        sha256=sha256(IMAGE), limit=1_000_000, where="SOURCE", keep_free=KEEP_FREE
    ) as incoming:
        incoming.write(IMAGE[:200_000])
    assert made_folder.names() == []


@pytest.mark.parametrize("bad", [IMAGE[:99_999] + b"?", bytes(100_000), bytes(900_000)])
def test_what_is_no_part_of_the_image_costs_one_more_download(
    made_folder: StoreFolder, server: Server, bad: bytes
) -> None:
    """It may have come from a hostile server: the hash of the whole decides (threats L2, N14)."""
    keep(made_folder, bad)
    assert made_folder.names() == [NAME]
    assert run(made_folder, server) == (True, len(bad))
    assert made_folder.names() == []


@pytest.mark.parametrize("fault", [NoRanges(), Status(code=404), Refuse()])
def test_a_server_that_cannot_go_on(made_folder: StoreFolder, tmp_path: Path, server: Server, fault: Fault) -> None:
    """The next one goes on where it was, or it comes again from its beginning."""
    with Server(tmp_path / "server") as first:
        first.fail("image.raw", fault)
        keep(made_folder, IMAGE[:200_000])
        assert run(made_folder, first, server) == (True, 200_000)


def test_one_that_was_whole_when_the_process_was_killed_costs_no_download(
    made_folder: StoreFolder, server: Server
) -> None:
    """What looks into an image may take a minute: then it is whole, and has the mode of one that is published."""
    keep(made_folder, IMAGE)
    (made_folder.folder / NAME).chmod(0o644)
    assert run(made_folder, server) == (True, len(IMAGE))
    assert [request.status for request in server.requests] == [416]


def test_one_that_is_longer_than_the_image_keeps_no_later_run_from_going_on(
    made_folder: StoreFolder, server: Server
) -> None:
    """It came from a hostile server, once: what the others bring is shorter, and kept all the same."""
    keep(made_folder, bytes(900_000))
    server.fail("image.raw", Trickle(bytes_per_second=150_000))
    assert run(made_folder, server, seconds=1) == (False, 900_000)
    assert made_folder.names() == [NAME]
    assert 0 < run(made_folder, server, seconds=1)[1] < len(IMAGE)


def test_a_whole_one_that_has_another_hash_is_not_kept(made_folder: StoreFolder) -> None:
    with (
        pytest.raises(ImageBroken),
        made_folder.store.receive(
            sha256=sha256(b"other"), limit=1_000_000, where="SOURCE", keep_free=KEEP_FREE
        ) as incoming,
    ):
        incoming.resume()
        incoming.write(IMAGE)
        incoming.finish()
    assert made_folder.names() == []


def test_one_that_is_larger_than_the_limit_is_not_kept(made_folder: StoreFolder) -> None:
    with pytest.raises(ImageBroken, match="larger than the limit"):
        keep(made_folder, IMAGE, limit=300_000)
    assert made_folder.names() == []


def test_one_that_is_larger_than_a_limit_that_was_lowered_does_not_stay(made_folder: StoreFolder) -> None:
    keep(made_folder, IMAGE)
    with made_folder.store.receive(
        sha256=sha256(IMAGE), limit=300_000, where="SOURCE", keep_free=KEEP_FREE
    ) as incoming:
        assert incoming.resume() == 0
        assert made_folder.names() == []


def test_of_a_file_that_does_not_end_nothing_is_kept(made_folder: StoreFolder, server: Server) -> None:
    """The limit of the request is that of the store: whichever sees it first, no next run begins at it."""
    server.fail("image.raw", Endless())
    with (
        Transfers(replace(QUICK, deadline=5)) as transfers,
        made_folder.store.receive(
            sha256=sha256(IMAGE), limit=1_000_000, where="SOURCE", keep_free=KEEP_FREE
        ) as incoming,
    ):
        request = request_for(f"{server.url}/image.raw", sink=incoming, limit=1_000_000)
        (result,) = transfers.run([request], at_once=1)
    assert isinstance(result, ImageBroken)
    assert made_folder.names() == []


LARGE = random.Random(6).randbytes(5 << 20)
LARGE_NAME = f".tukit-sysext.partial.{sha256(LARGE)}"
_KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.unit.store.test_partial import LARGE, sha256
from tukit_sysext.layout import Layout
from tukit_sysext.quantities import KEEP_FREE
from tukit_sysext.store.image_store import Store
limits = {"limit": 8 << 20, "keep_free": KEEP_FREE}
with Store(Layout(root=Path(sys.argv[2]))).receive(sha256=sha256(LARGE), where="SOURCE", **limits) as incoming:
    begun = incoming.resume()
    for start in range(begun, begun + (2 << 20), 100_000):
        incoming.write(LARGE[start : start + 100_000])
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run_and_kill(site: StoreFolder) -> int:
    """A run that is killed when two MiB more have come; how many bytes stay."""
    script = [sys.executable, "-c", _KILLED, str(Path(__file__).parents[3]), str(site.layout.root)]
    assert subprocess.run(script, check=False).returncode == -signal.SIGKILL
    assert site.names() == [LARGE_NAME]
    status = (site.folder / LARGE_NAME).stat()
    assert (status.st_mode & 0o777, status.st_nlink) == (0o600, 1)
    return status.st_size


def test_what_came_outlives_a_process_that_is_killed(made_folder: StoreFolder) -> None:
    sizes = [run_and_kill(made_folder), run_and_kill(made_folder)]
    assert 1 << 20 <= sizes[0] < sizes[1]
    publish_large(made_folder)


def publish_large(site: StoreFolder, *, replaceable: bool = False) -> None:
    """A run that brings the rest, and publishes it under its name."""
    wanted = record(LARGE)
    with site.store.receive(sha256=wanted.sha256, limit=8 << 20, where="SOURCE", keep_free=KEEP_FREE) as incoming:
        incoming.write(LARGE[incoming.resume() :])
        assert incoming.name == LARGE_NAME
        incoming.finish()
        site.store.publish(incoming, wanted, replaceable=lambda _: replaceable)
    assert site.names() == [wanted.file_name]
    assert site.path.read_bytes() == LARGE
    status = site.path.stat()
    assert (status.st_mode & 0o777, status.st_nlink) == (0o644, 1)
    assert site.store.look(wanted.file_name).condition is Condition.WHOLE


def test_one_that_has_a_name_while_it_comes_replaces_what_is_good_for_nothing(made_folder: StoreFolder) -> None:
    made_folder.path.write_bytes(b"half a download of another tool")
    publish_large(made_folder, replaceable=True)


def test_one_that_has_a_name_while_it_comes_replaces_nothing_else(
    made_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another tool is quicker by a moment, and has other content."""
    name = Store._name

    def late(self: Store, *given: Any, **named: Any) -> None:
        made_folder.path.write_bytes(b"other content")
        name(self, *given, **named)

    monkeypatch.setattr(Store, "_name", late)
    with pytest.raises(StoreError, match="in the way"):
        publish_large(made_folder)
    assert made_folder.path.read_bytes() == b"other content"
    assert made_folder.names() == [made_folder.path.name]


def test_two_processes_at_once_do_not_disturb_each_other(made_folder: StoreFolder) -> None:
    wanted = record(LARGE)

    def receive() -> Any:
        return made_folder.store.receive(sha256=wanted.sha256, limit=8 << 20, where="SOURCE", keep_free=KEEP_FREE)

    with receive() as first, receive() as second:
        for incoming, size in ((first, 2 << 20), (second, 3 << 20)):
            incoming.resume()
            incoming.write(LARGE[incoming.size : size])
        assert (first.name, second.name) == (LARGE_NAME, None)
        for incoming in (second, first):
            incoming.write(LARGE[incoming.size :])
            incoming.finish()
            made_folder.store.publish(incoming, wanted, replaceable=lambda _: False)
    assert made_folder.names() == [wanted.file_name]
    assert made_folder.path.stat().st_nlink == 1


def test_one_that_does_not_fit_leaves_nothing(made_folder: StoreFolder) -> None:
    with made_folder.store.receive(
        sha256=sha256(LARGE), limit=8 << 20, where="SOURCE", keep_free=KEEP_FREE
    ) as incoming:
        incoming.resume()
        incoming.write(LARGE)
        incoming.finish()
    assert made_folder.names() == []


def test_of_many_the_newest_are_kept(made_folder: StoreFolder) -> None:
    for number in range(12):
        keep(made_folder, IMAGE[:100_000], of=bytes([number]))
        os.utime(made_folder.folder / f".tukit-sysext.partial.{sha256(bytes([number]))}", (number, number))
    kept = {f".tukit-sysext.partial.{sha256(bytes([number]))}" for number in range(4, 12)}
    assert set(made_folder.names()) == kept
    keep(made_folder, IMAGE[:100_000], of=b"one more", limit=250_000)
    assert len(made_folder.names()) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.chmod(0o622),
        lambda path: os.link(path, path.with_name("second")),
        lambda path: (path.rename(path.with_name("second")), path.symlink_to("second")),
        lambda path: (path.unlink(), os.mkfifo(path, 0o600)),  # type: ignore[func-returns-value]
    ],
)
def test_what_was_not_kept_here_is_not_taken(made_folder: StoreFolder, change: Callable[[Path], object]) -> None:
    keep(made_folder, IMAGE[:200_000])
    change(made_folder.folder / NAME)
    with made_folder.store.receive(
        sha256=sha256(IMAGE), limit=1_000_000, where="SOURCE", keep_free=KEEP_FREE
    ) as incoming:
        assert incoming.resume() == 0


def test_no_reader_takes_it_for_an_image_and_it_goes_by_its_age(made_folder: StoreFolder) -> None:
    keep(made_folder, IMAGE[:200_000])
    assert made_folder.store.names() == []
    (file,) = made_folder.store.inventory()
    assert (made_folder.folder / NAME).stat().st_mode & 0o777 == 0o600
    now = file.born
    first = decide([file], {}, {}, Rules(now=now, grace=100))
    assert first[0].disposition is Disposition.WAITS
    later = decide([file], {}, {NAME: (now, 1)}, Rules(now=now + 101, grace=100))
    assert later[0].disposition is Disposition.GOES


_FORMER = """
import sys
from pathlib import Path
from tukit_sysext.layout import Layout
try:
    from tukit_sysext.store.image_store import Store
except ImportError:
    from tukit_sysext.state.store import Store
print(Store(Layout(root=Path(sys.argv[1]))).names())
"""


@pytest.mark.history
@pytest.mark.parametrize("commit", COMMITS)
def test_former_code_does_not_take_it_for_an_image(made_folder: StoreFolder, tmp_path: Path, commit: str) -> None:
    keep(made_folder, IMAGE[:200_000])
    former = code.take(commit, tmp_path / "code")
    done = subprocess.run(
        [sys.executable, "-c", _FORMER, made_folder.layout.root],
        env={"PYTHONPATH": str(former), "PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "[]\n"
