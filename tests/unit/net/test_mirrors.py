# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which server is asked, how often, and when it is given up (threats N5 and N15)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.faults import Delay, Fault, Garbage, Refuse, Status
from tests.lab.ports import unused_url
from tests.lab.server import Server
from tests.unit.net.samples import IMAGE, LIST, Collected, bring, request_for, run
from tukit_sysext.errors import ImageBroken, NotFound, SourceUnreachable, StoreError
from tukit_sysext.net.request import Response


def statuses(server: Server) -> list[int | None]:
    return [request.status for request in server.requests]


def test_a_file_is_brought_with_what_recognises_it(server: Server) -> None:
    answer = bring(f"{server.url}/list")
    assert (answer.url, answer.body, answer.unchanged) == (f"{server.url}/list", LIST, False)
    assert answer.etag
    assert answer.modified


def test_an_empty_file_is_a_file(server: Server) -> None:
    assert bring(f"{server.url}/empty").body == b""
    sink = Collected()
    assert bring(f"{server.url}/empty", sink=sink).url == f"{server.url}/empty"
    assert sink.content == b""


def test_the_first_server_alone_is_asked(server: Server, mirror: Server) -> None:
    assert bring(f"{server.url}/list", f"{mirror.url}/list").url == f"{server.url}/list"
    assert mirror.requests == []


@pytest.mark.parametrize(
    "fault",
    [Status(code=404), Status(code=403), Status(code=500), Status(code=503), Refuse(), Refuse(reset=True), Garbage()],
)
def test_the_next_server_is_asked_at_once(server: Server, mirror: Server, fault: Fault) -> None:
    setting = server.fail("list", fault)
    begun = time.monotonic()
    assert bring(f"{server.url}/list", f"{mirror.url}/list").url == f"{mirror.url}/list"
    assert setting.hits == 1
    assert time.monotonic() - begun < 0.2, "there was a pause before the next server was asked"


def test_a_dead_server_is_passed_over(server: Server) -> None:
    answer = bring(f"{unused_url()}/list", "http://no-such-host.invalid/list", f"{server.url}/list")
    assert answer.body == LIST


@pytest.mark.parametrize(
    "url", ["http://b\xfccher.invalid/list", "http://[::1/list", "ftp://127.0.0.1/list", "list", ""]
)
def test_a_url_that_cannot_be_asked_is_passed_over(server: Server, url: str) -> None:
    assert bring(url, f"{server.url}/list").body == LIST


def test_a_server_that_hangs_leaves_time_for_the_next_one(server: Server, mirror: Server) -> None:
    """A least rate over a window as long as the deadline is no help here."""
    server.fail("list", Delay(seconds=60))
    mirror.fail("list", Delay(seconds=0.1))
    answer = bring(f"{server.url}/list", f"{mirror.url}/list", deadline=1.0, settings={"least_rate_window": 30})
    assert answer.url == f"{mirror.url}/list"


def test_the_same_server_twice_is_one(server: Server) -> None:
    with pytest.raises(NotFound):
        bring(f"{server.url}/none", f"{server.url}/none")
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [404, 410])
def test_what_nobody_has_is_not_there_and_is_not_asked_for_again(server: Server, mirror: Server, code: int) -> None:
    server.fail("list", Status(code=code))
    mirror.fail("list", Status(code=404))
    with pytest.raises(NotFound, match=f"status {code} (Not Found|Gone)"):
        bring(f"{server.url}/list", f"{mirror.url}/list")
    assert (statuses(server), statuses(mirror)) == ([code], [404])


@pytest.mark.parametrize("code", [400, 401, 403, 501])
def test_a_refusal_is_final_but_does_not_say_that_the_file_is_not_there(server: Server, code: int) -> None:
    server.fail("list", Status(code=code))
    with pytest.raises(SourceUnreachable, match=f"{server.url}/list: the server answers with status {code}") as caught:
        bring(f"{server.url}/list")
    assert not isinstance(caught.value, NotFound)
    assert len(server.requests) == 1


def test_one_server_that_is_away_leaves_open_whether_the_file_is_there(server: Server) -> None:
    with pytest.raises(SourceUnreachable) as caught:
        bring(f"{unused_url()}/none", f"{server.url}/none", deadline=0.3)
    assert not isinstance(caught.value, NotFound)
    assert "connection refused" in str(caught.value)
    assert "status 404" in str(caught.value)


@pytest.mark.parametrize("fault", [Status(code=503, retry_after=1), Status(code=429), Status(code=500), Refuse()])
def test_a_server_with_trouble_is_asked_again(server: Server, fault: Fault) -> None:
    setting = server.fail("list", fault, times=1)
    assert bring(f"{server.url}/list").body == LIST
    assert (setting.hits, len(server.requests)) == (1, 2)


def test_all_servers_are_asked_again_in_their_order(server: Server, mirror: Server) -> None:
    server.fail("list", Status(code=503), times=1)
    mirror.fail("list", Status(code=503), times=1)
    assert bring(f"{server.url}/list", f"{mirror.url}/list").url == f"{server.url}/list"
    assert (statuses(server), statuses(mirror)) == ([503, 200], [503])


def test_only_who_may_have_it_is_asked_again(server: Server, mirror: Server) -> None:
    server.fail("list", Status(code=404))
    mirror.fail("list", Status(code=503), times=1)
    assert bring(f"{server.url}/list", f"{mirror.url}/list").url == f"{mirror.url}/list"
    assert (statuses(server), statuses(mirror)) == ([404], [503, 200])


def test_nobody_is_asked_beyond_the_deadline(server: Server) -> None:
    server.fail("list", Status(code=503))
    begun = time.monotonic()
    with pytest.raises(SourceUnreachable, match="status 503"):
        bring(f"{server.url}/list", deadline=1.0)
    assert time.monotonic() - begun <= 1.1
    times = [request.at - begun for request in server.requests]
    assert len(times) == 3, "expected pauses that double: at 0, after 0.25 and after 0.75 seconds"
    assert times[1] - times[0] < times[2] - times[1]


def test_an_answer_that_does_not_come_ends_with_the_deadline(server: Server) -> None:
    server.fail("list", Delay(seconds=60))
    begun = time.monotonic()
    with pytest.raises(SourceUnreachable, match=f"{server.url}/list: too slow, or no answer"):
        bring(f"{server.url}/list", deadline=0.3)
    assert time.monotonic() - begun < 1


def test_each_job_has_a_deadline_of_its_own(server: Server) -> None:
    server.fail("image.raw", Delay(seconds=60))
    slow, quick = run(
        request_for(f"{server.url}/image.raw", deadline=0.3), request_for(f"{server.url}/list"), at_once=2
    )
    assert isinstance(slow, SourceUnreachable)
    assert isinstance(quick, Response)


def test_results_are_in_the_order_of_the_jobs(server: Server) -> None:
    server.fail("list", Delay(seconds=0.2))
    first, second, third = run(
        request_for(f"{server.url}/list"),
        request_for(f"{server.url}/none"),
        request_for(f"{server.url}/image.raw"),
        at_once=3,
    )
    assert isinstance(first, Response)
    assert first.body == LIST
    assert isinstance(second, NotFound)
    assert isinstance(third, Response)
    assert third.body == IMAGE


def test_no_jobs_no_results() -> None:
    assert run() == []


@pytest.mark.parametrize("where", ["refused", "no-such-host.invalid", "255.255.255.255"])
def test_who_only_looks_tries_a_server_that_is_away_once(where: str, caplog: pytest.LogCaptureFixture) -> None:
    """Refused, a name that nobody has, no way there."""
    url = f"{unused_url()}/list" if where == "refused" else f"http://{where}/list"
    caplog.set_level(logging.INFO)
    with pytest.raises(SourceUnreachable, match=r"connection refused|network is unreachable|cannot be resolved"):
        bring(url, deadline=3600, settings={"patient": False})
    assert len(caplog.messages) == 1
    caplog.clear()
    with pytest.raises(SourceUnreachable):
        bring(url, deadline=0.5)
    assert len(caplog.messages) > 1, "whoever changes something waits for it"


def test_who_only_looks_still_asks_a_server_with_trouble_again(server: Server, mirror: Server) -> None:
    """It is there, and says itself that it may have the file later; so do those that are left without the one away."""
    server.fail("list", Status(code=503), times=1)
    mirror.fail("list", Refuse(), times=1)
    urls = [f"{each}/list" for each in (unused_url(), server.url, mirror.url)]
    assert bring(*urls, settings={"patient": False}).url == f"{server.url}/list"
    assert (len(server.requests), len(mirror.requests)) == (2, 1)


class _OnFirstLine(logging.Handler):
    """Does something when the first line is logged."""

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._action = action

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if len(self.lines) == 1:
            self._action()


def test_a_server_comes_back_within_the_deadline(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = Server(folder).start()
    server.stop()
    on_failure = _OnFirstLine(server.start)
    caplog.set_level(logging.INFO)
    logging.getLogger("tukit_sysext").addHandler(on_failure)
    try:
        assert bring(f"{server.url}/list").body == LIST
    finally:
        logging.getLogger("tukit_sysext").removeHandler(on_failure)
        server.stop()
    assert "connection refused" in on_failure.lines[0]


def test_the_wrong_file_of_one_server_may_be_right_at_another(server: Server, mirror: Server) -> None:
    def accept(body: bytes) -> None:
        if not mirror.requests:
            raise ImageBroken("not this one")

    assert bring(f"{server.url}/list", f"{mirror.url}/list", accept=accept).url == f"{mirror.url}/list"


def test_a_wrong_file_says_more_than_a_server_that_is_away(server: Server) -> None:
    def refuse(body: bytes) -> None:
        raise ImageBroken(f"not {body!r}")

    with pytest.raises(ImageBroken, match="not b'hello") as caught:
        bring(f"{unused_url()}/list", f"{server.url}/list", accept=refuse, deadline=0.3)
    assert "connection refused" in str(caught.value)
    assert len(server.requests) == 1, "a wrong file is not asked for again"


def test_a_fault_of_ours_is_told_as_such_whoever_was_asked_before(server: Server, mirror: Server) -> None:
    """The store is full: that is the reason, not what another server said before."""
    server.fail("list", Status(code=503), times=1)
    mirror.fail("list", Status(code=404))
    sink = Collected(fails=StoreError("no room"))
    with pytest.raises(StoreError, match="no room"):
        bring(f"{server.url}/list", f"{mirror.url}/list", sink=sink)


def test_what_is_no_http_is_not_called_a_redirect(server: Server) -> None:
    server.fail("list", Garbage())
    with pytest.raises(SourceUnreachable) as caught:
        bring(f"{server.url}/list", deadline=0.3)
    assert "redirect" not in str(caught.value)
