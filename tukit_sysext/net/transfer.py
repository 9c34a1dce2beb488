# SPDX-License-Identifier: LGPL-2.1-or-later
"""Downloads over HTTP and HTTPS: several at once over kept connections, mirrors in turn, retries within a deadline.

libcurl (pycurl) does the work, as it does for zypper: it is imported in a few milliseconds, where urllib3 and requests
take ten times as long, and it brings least rates, kept connections and the system's certificates along. One thread does
it all.

What is tried for one request, in this order: its URLs in turn; after the last one a pause that doubles, and again from
the first, until the deadline. A server that says that it does not have the file is not asked again. A transfer that
broke off after some bytes goes on where it was at the same server, if that can tell that the file is still the same.
A registry that wants a token is asked again once the token is there; who wants the same one waits for it as well.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from tukit_sysext.errors import ImageBroken, NotFound, NotServed, SourceUnreachable, TukitSysextError
from tukit_sysext.net.allowance import Allowance
from tukit_sysext.net.attempt import Attempt
from tukit_sysext.net.handle import advance, redacted_message
from tukit_sysext.net.libcurl import pycurl
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.net.redirects import TRIES, Origin, Redirects, origin
from tukit_sysext.net.request import FIRST_PAUSE, FetchResult, Next, Request, RequestState, Response

log = logging.getLogger(__name__)

_LONGEST_PAUSE = 8.0
_SELECT = 1.0
_MUCH = 1024 * 1024
_FAST = 1024 * 1024
"""Bytes a second from which on nobody cares whether the line is full."""
_MEASURED = 1.0
"""Seconds for which a line is measured."""
_AS_FAST = 0.6
"""The share of what came together that one alone must bring, where it is the line that is slow."""
_LOOK_AGAIN = 0.1
_OVER = 0.1
"""Seconds that are too few to ask anybody anything."""
_SHORTEST = 0.001


class Transfers:
    """Runs requests. Connections are kept from one run to the next; close it when done (a context manager).

    ``settings`` are those of the network that it goes through.
    """

    def __init__(self, settings: NetworkSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self._clock = clock
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, settings.connections)
        self._idle: list[pycurl.Curl] = []
        self._down: set[Origin] = set()
        self._finding_out = Allowance(settings.finding_out, "Deadline= of [Update]")
        self._downloading = Allowance(settings.image_deadline, "ImageDeadline= of [Network]")

    def __enter__(self) -> Transfers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        for handle in self._idle:
            handle.close()
        self._idle.clear()
        self._multi.close()

    def run(self, requests: Sequence[Request], *, at_once: int, within: Allowance | None = None) -> list[FetchResult]:
        """Carry out requests, ``at_once`` of them at a time; the result of each in their order.

        A result is an Answer, or why there is none: SourceUnreachable, ImageBroken, or what a sink raised (StoreError).
        All downloads (:attr:`Request.is_download`) share one time, and so do all others; with ``within`` these do, too.
        Where bytes come into a sink slowly, the next download waits until this one is done.
        """
        into_sinks = any(request.sink is not None for request in requests)
        downloading = any(request.is_download for request in requests)
        allowances = [self._downloading if downloading else self._finding_out, *((within,) if within else ())]
        begun = self._clock()
        try:
            return self._run(requests, at_once, _Shared(allowances, begun), _Line(self._clock) if into_sinks else None)
        finally:
            for allowance in allowances:
                allowance.spend(self._clock() - begun)

    def _run(self, requests: Sequence[Request], at_once: int, shared: _Shared, line: _Line | None) -> list[FetchResult]:
        results: list[FetchResult | None] = [None] * len(requests)
        now = self._clock()
        queue: list[tuple[float, int]] = [(now, number) for number in range(len(requests))]
        states = [RequestState(request=request, remaining=list(dict.fromkeys(request.urls))) for request in requests]
        active: dict[pycurl.Curl, tuple[int, Attempt]] = {}
        waiting: dict[int, list[tuple[int, str]]] = {}
        """By the number of a request for a token: who goes on with it, and at which URL."""

        def finish(number: int, result: FetchResult) -> None:
            results[number] = result
            if isinstance(result, Response | NotFound | NotServed):
                shared.answered()
            for other, url in waiting.pop(number, ()):
                if isinstance(result, Response):
                    heapq.heappush(queue, (self._clock(), other))
                else:
                    kind = NotServed if isinstance(result, NotFound | ImageBroken) else type(result)
                    failed(other, url, kind(f"{url}: no token for it: {result}"), Next.GIVE_UP)

        def failed(number: int, url: str, error: TukitSysextError, what: Next) -> None:
            again = self._after_failure(states[number], url, error, what)
            if again is None:
                finish(number, self._verdict(states[number]))
            else:
                heapq.heappush(queue, (again, number))

        def challenged(number: int, attempt: Attempt) -> None:
            try:
                request = _token_request(states[number], attempt, self.settings.deadline)
            except NotServed as error:
                failed(number, attempt.url, error, Next.GIVE_UP)
                return
            if request is None:
                heapq.heappush(queue, (self._clock(), number))
                return
            asked = next((other for other in waiting if states[other].request.urls == request.urls), len(states))
            if asked == len(states):
                states.append(RequestState(request=request, remaining=list(request.urls)))
                results.append(None)
                heapq.heappush(queue, (self._clock(), asked))
            waiting.setdefault(asked, []).append((number, attempt.url))

        try:
            while queue or active:
                received = sum(states[number].received for number, _ in active.values())
                if line is not None and len(active) > 1 and line.is_crowded(received):
                    self._leave_alone(active, states, queue)
                    received = sum(states[number].received for number, _ in active.values())
                    line.mark(received)
                full = line is not None and bool(active) and not line.has_room(received)
                while queue and len(active) < at_once and queue[0][0] <= self._clock() and not full:
                    number = heapq.heappop(queue)[1]
                    attempt = self._start(states[number], shared)
                    if isinstance(attempt, Attempt):
                        active[attempt.handle] = (number, attempt)
                        if line is not None:
                            line.mark(received)
                    else:
                        failed(number, *attempt)
                if not active and not queue:
                    break
                pause = _SELECT if len(active) >= at_once or not queue else queue[0][0] - self._clock()
                pause = _LOOK_AGAIN if full else pause
                for handle, code, message in self._finished(min(_SELECT, max(0.0, pause)), idle=not active):
                    number, attempt = active.pop(handle)
                    self._multi.remove_handle(handle)
                    outcome = attempt.outcome(code, message)
                    if code == pycurl.E_OK:
                        self._idle.append(handle)
                    else:
                        handle.close()  # libcurl may not let it be set up again; its connections are not its own
                    if line is not None:
                        line.mark(sum(states[other].received for other, _ in active.values()))
                    if isinstance(outcome, Response):
                        finish(number, outcome)
                    elif outcome[1] is Next.CHALLENGE:
                        challenged(number, attempt)
                    else:
                        failed(number, attempt.url, *outcome)
        finally:
            for handle in active:
                self._multi.remove_handle(handle)
                handle.close()
        return [result for result in results[: len(requests)] if result is not None]

    def _leave_alone(
        self,
        active: dict[pycurl.Curl, tuple[int, Attempt]],
        states: Sequence[RequestState],
        queue: list[tuple[float, int]],
    ) -> None:
        """Break off all downloads but that of which most came; they go on when it is whole."""
        first = max(active, key=lambda handle: states[active[handle][0]].received)
        for handle in [other for other in active if other is not first]:
            number, _ = active.pop(handle)
            self._multi.remove_handle(handle)
            handle.close()
            states[number].ends = 0.0
            heapq.heappush(queue, (self._clock(), number))

    def _start(self, state: RequestState, shared: _Shared) -> Attempt | tuple[str, TukitSysextError, Next]:
        """Start the next attempt; where libcurl does not take the URL: that URL, the error, and what to do."""
        handle = self._idle.pop() if self._idle else pycurl.Curl()
        handle.reset()
        if not state.ends:
            # the time in the queue is not the request's
            state.progress = self._clock()
            state.ends = state.progress + min(state.request.deadline, shared.left(state.progress))
            if state.ends - state.progress < _OVER:
                self._idle.append(handle)
                url = state.remaining[0]
                return url, SourceUnreachable(f"{url}: not asked for: the time is over ({shared.setting})"), Next.STOP
            if state.request.sink is not None and not state.received:
                state.received = state.request.sink.resume()
                state.kept = state.received > 0
        if state.recognised_by and state.source in state.remaining:
            url = state.source
        elif state.kept:
            url = state.remaining[state.turn]
        else:
            state.forget()
            url = state.remaining[state.turn]
        settings = self.settings
        if state.request.is_download and origin(url) in self._down:
            settings = replace(settings, least_rate_window=min(settings.least_rate_window, settings.connect_timeout))
        try:
            attempt = Attempt(handle, state, url, settings, max(_SHORTEST, self._seconds(state, url)))
        except (pycurl.error, UnicodeEncodeError) as error:
            handle.close()
            message = redacted_message(str(error))
            return url, SourceUnreachable(f"{url}: cannot be asked for: {message}"), Next.GIVE_UP
        self._multi.add_handle(handle)
        return attempt

    def _seconds(self, state: RequestState, url: str) -> float:
        """How long an attempt may take: one server that hangs must leave time for the others."""
        now = self._clock()
        left = state.ends - now
        others = len(state.remaining) - state.turn
        if not state.request.is_download:
            left /= max(1, others)
            return min(left, self.settings.connect_timeout) if origin(url) in self._down else left
        # of a file whose bytes come none is too long; a server that is silent is left by the least rate
        return min(left, max(self.settings.deadline, left / others)) if others > 1 else left

    def _until(self, state: RequestState) -> float:
        """Until when servers that were all asked are asked again.

        The long deadline of an image is for one that comes, not for servers that do not answer.
        """
        patience = state.progress + self.settings.silence
        return min(state.ends, patience) if state.request.is_download else state.ends

    def _finished(self, pause: float, *, idle: bool) -> list[tuple[pycurl.Curl, int, str]]:
        """Let transfers go on, for ``pause`` seconds at the most; those that ended, each with libcurl's code."""
        if not idle:
            return advance(self._multi, pause)
        time.sleep(pause)
        return []

    def _after_failure(self, state: RequestState, url: str, error: TukitSysextError, what: Next) -> float | None:
        """Note a failure; when to try again, or None where there is no more to try."""
        now = self._clock()
        if what is Next.REDIRECT:
            return now
        state.redirects.pop(url, None)  # where it leads to next time, the server says then
        state.failures.pop(url, None)  # the order is that of the last failures
        state.failures[url] = error
        log.info("%s", error)
        if what is Next.STOP:
            return None
        if what is Next.RESUME:
            state.progress = now
            return self._pause(state, now, until=state.ends, free=state.gained >= _MUCH)
        if what is Next.DOUBT:
            state.doubts[url] += 1
            what = Next.RETRY if state.doubts[url] < TRIES else Next.GIVE_UP
        if what is Next.RETRY and origin(url) in self._down:
            what = Next.GIVE_UP
        if not state.kept:
            state.forget()
        if what is Next.GIVE_UP:
            state.remaining.remove(url)
        else:
            state.turn += 1
        if not state.remaining:
            return None
        if state.turn < len(state.remaining):
            return now if now < state.ends else None
        state.turn = 0
        return self._pause(state, now, until=self._until(state), free=bool(state.doubts[url]))

    def _pause(self, state: RequestState, now: float, *, until: float, free: bool = False) -> float | None:
        """When to try again; None where that would not be before ``until``."""
        again = now if free else now + state.pause
        state.pause = state.pause if free else min(_LONGEST_PAUSE, state.pause * 2)
        return again if again < until else None

    def _verdict(self, state: RequestState) -> TukitSysextError:
        """Why a request failed: one server that had the file, but a wrong one, says more than one that is away.

        A server that used up a request's time is remembered: what is asked of it later fails after one short attempt.
        """
        away = (url for url, failure in state.failures.items() if type(failure) is SourceUnreachable)
        if self._clock() >= self._until(state) - self.settings.connect_timeout or state.pause > FIRST_PAUSE:
            self._down.update(origin(url) for url in away)
        failures = list(state.failures.values())
        message = "; ".join(dict.fromkeys(str(failure) for failure in failures))
        kinds = [type(failure) for failure in failures]
        if kinds[-1] not in (ImageBroken, SourceUnreachable, NotServed, NotFound):
            return failures[-1]  # ours: the store cannot take it
        if ImageBroken in kinds:
            return ImageBroken(message)
        return next(kind(message) for kind in (SourceUnreachable, NotServed, NotFound) if kind in kinds)


def _token_request(state: RequestState, attempt: Attempt, deadline: float) -> Request | None:
    """The request for the token that a registry wants; None where a newer one than was sent is known meanwhile.

    Raises NotServed where it is not asked for.
    """
    tokens, challenge, url = state.request.tokens, state.challenge, attempt.url
    if tokens is None or challenge is None or tokens.authorization(url) != attempt.authorization:
        return None
    place, login = tokens.place(url, challenge)
    return Request(
        urls=(place,),
        limit=tokens.limit,
        deadline=deadline,
        redirects=Redirects.ORIGIN,
        accept=lambda content: tokens.take(url, content, place),
        discard=True,
        login=login,
    )


class _Shared:
    """What requests that run together share of their time."""

    def __init__(self, allowances: Sequence[Allowance], begun: float) -> None:
        self._allowances = allowances
        self._begun = begun

    def left(self, now: float) -> float:
        """Seconds that are left for a request that starts now."""
        return min(allowance.left for allowance in self._allowances) - (now - self._begun)

    @property
    def setting(self) -> str:
        """What says so, where none are left."""
        return min(self._allowances, key=lambda allowance: allowance.left).setting

    def answered(self) -> None:
        """An answer came."""
        for allowance in self._allowances:
            allowance.answered()


class _Line:
    """Whether several downloads at once fill the line, which one alone would fill as well: it is whole sooner then.

    Seen by trying: where all together are slow, one goes on alone. If it is no faster than before, it is the server
    that is slow, and not the line.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._together = 0.0
        self._alone = False
        self._settled = False
        self.mark(0)

    def mark(self, received: int) -> None:
        """Measure from now on, with so many bytes of what is under way."""
        self._since, self._received = self._clock(), received

    def is_crowded(self, received: int) -> bool:
        """Whether of several, of which so many bytes came, one is to go on alone."""
        rate = self._rate(received)
        if self._settled or rate is None or rate <= 0:
            return False
        if rate < _FAST:
            self._together, self._alone = rate, True
        return rate < _FAST

    def has_room(self, received: int) -> bool:
        """Whether another one may begin beside what is under way, of which so many bytes came."""
        if not self._alone:
            return True
        rate = self._rate(received)
        if rate is None or rate <= 0:
            return rate is not None  # nothing comes: this does not fill the line
        self._settled = rate < self._together * _AS_FAST
        self._alone = not self._settled and rate < _FAST
        return not self._alone

    def _rate(self, received: int) -> float | None:
        """Bytes a second; None where that is not known yet."""
        seconds = self._clock() - self._since
        return (received - self._received) / seconds if seconds >= _MEASURED else None
