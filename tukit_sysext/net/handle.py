# SPDX-License-Identifier: LGPL-2.1-or-later
"""What all our requests have in common: how libcurl is set up for one, how it is run, and what its answers mean."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from tukit_sysext.net.libcurl import pycurl
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.net.redirects import origin
from tukit_sysext.rules.printable import printable

if TYPE_CHECKING:
    from tukit_sysext.net.login import Login

REDIRECTS = frozenset((301, 302, 303, 307, 308))
TRANSIENT = frozenset((408, 425, 429, 500, 502, 503, 504))
CHALLENGES = "www-authenticate"

_QUICK_EXIT = 322
"""CURLOPT_QUICK_EXIT, which pycurl has no name for: libcurl leaves a thread that resolves a name to itself, where it
would wait for it (minutes for a name server that does not answer) after its own time limit."""
_RESOLVING = 0.01
"""Seconds to wait while libcurl has nothing to wait for: a thread of its own resolves a name."""
_STATUS_DIGITS = 3
_WORDS = {
    pycurl.E_COULDNT_RESOLVE_HOST: "its name cannot be resolved",
    pycurl.E_COULDNT_RESOLVE_PROXY: "the proxy's name cannot be resolved",
    pycurl.E_COULDNT_CONNECT: "no connection",
    pycurl.E_OPERATION_TIMEDOUT: "too slow, or no answer",
    pycurl.E_PARTIAL_FILE: "the connection broke off",
    pycurl.E_RECV_ERROR: "the connection broke off",
    pycurl.E_GOT_NOTHING: "no answer",
    pycurl.E_PEER_FAILED_VERIFICATION: "its certificate is not trusted",
    pycurl.E_SSL_CACERT: "its certificate is not trusted",
    pycurl.E_SSL_CACERT_BADFILE: "the file of trusted certificates cannot be read (CAFile=)",
    pycurl.E_UNSUPPORTED_PROTOCOL: "speaks no HTTP",
}


class Head:
    """The head of an answer: its status (0: none that HTTP knows), and its headers with names in lower case."""

    def __init__(self) -> None:
        self.status = 0  # libcurl's getinfo may not be asked from a callback
        self.headers: dict[str, str] = {}

    def take(self, line: bytes) -> None:
        """libcurl's callback for a line."""
        text = line.decode("iso-8859-1").strip()
        if text.startswith("HTTP/"):
            self.headers.clear()  # of an interim answer before
            words = text.split()
            code = words[1] if len(words) > 1 else ""
            self.status = int(code) if code.isascii() and code.isdigit() and len(code) == _STATUS_DIGITS else 0
        name, colon, value = text.partition(":")
        name, value = name.strip().lower(), value.strip()
        if colon and value.isprintable():
            # who wants one of several things says so in several lines
            before = self.headers.get(name, "") if name == CHALLENGES else ""
            self.headers[name] = f"{before}, {value}" if before else value


def prepare(
    handle: pycurl.Curl,
    url: str,
    settings: NetworkSettings,
    *,
    headers: Iterable[str],
    authorization: str | None,
    login: Login | None,
    head: Head,
    silence: float,
    seconds: float | None,
) -> bool:
    """Set up a request for a URL, which ends after ``seconds`` (None: no limit), or ``silence`` seconds too slow.

    Without ``authorization`` it has the login, where the server is one that this is for; returns whether it has.
    """
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    # redirects are followed step by step: each by our rules, and each server gets only the headers meant for it
    handle.setopt(pycurl.FOLLOWLOCATION, False)
    handle.setopt(pycurl.NOSIGNAL, True)
    handle.setopt(pycurl.USERAGENT, settings.user_agent)
    handle.setopt(pycurl.CONNECTTIMEOUT_MS, round(settings.connect_timeout * 1000))
    handle.setopt(pycurl.LOW_SPEED_LIMIT, settings.least_rate)
    handle.setopt(pycurl.LOW_SPEED_TIME, round(silence))
    with suppress(pycurl.error):  # libcurl before 7.87 has it not
        handle.setopt(_QUICK_EXIT, True)
    handle.setopt(pycurl.TIMEOUT_MS, max(1, round(seconds * 1000)) if seconds is not None else 0)
    # an empty proxy keeps libcurl from looking at the environment: the configuration alone counts
    handle.setopt(pycurl.PROXY, settings.proxy_for(url))
    handle.setopt(pycurl.NOPROXY, settings.no_proxy)
    if settings.ca_file is not None:
        handle.setopt(pycurl.CAINFO, os.fsencode(settings.ca_file))
    handle.setopt(pycurl.HEADERFUNCTION, head.take)
    lines = [*headers, f"Authorization: {authorization}"] if authorization else headers
    # what a server said is given back to it byte by byte
    handle.setopt(pycurl.HTTPHEADER, [line.encode("iso-8859-1") for line in lines])
    if authorization or login is None or origin(url) not in login.origins:
        return False
    handle.setopt(pycurl.HTTPAUTH, pycurl.HTTPAUTH_BASIC)
    handle.setopt(pycurl.USERNAME, login.user.encode())
    handle.setopt(pycurl.PASSWORD, login.password.encode())
    return True


def advance(multi: pycurl.CurlMulti, pause: float) -> list[tuple[pycurl.Curl, int, str]]:
    """Let transfers go on, for ``pause`` seconds at the most; those that ended, each with libcurl's code and words."""
    # an interruption that came while libcurl calls us back would be printed, and forgotten
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        while multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
            pass
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    ended = []
    left = 1
    while left:
        left, good, bad = multi.info_read()
        ended += [(handle, pycurl.E_OK, "") for handle in good]
        ended += [(handle, code, message) for handle, code, message in bad]
    # libcurl has nothing to wait for while a thread of its own resolves a name: it says -1 then
    timeout = multi.timeout()
    pause = min(pause, timeout / 1000) if timeout >= 0 else pause
    if not ended and multi.select(pause) < 0:
        time.sleep(min(pause, _RESOLVING))
    return ended


def was_asked(handle: pycurl.Curl) -> bool:
    """Whether the server was reached: its name known, connected, and its certificate seen where it has one."""
    # newer libcurl has the first of these for what failed before that, too, older libcurl the second of a proxy
    return bool(handle.getinfo(pycurl.PRETRANSFER_TIME) and handle.getinfo(pycurl.REQUEST_SIZE))


def failure_text(handle: pycurl.Curl, code: int, message: str) -> str:
    """What went wrong; with libcurl's own words, which may have the proxy with its password in it."""
    errno = handle.getinfo(pycurl.OS_ERRNO) if code == pycurl.E_COULDNT_CONNECT else 0
    if errno:
        return os.strerror(errno).lower()
    words = _WORDS.get(code, f"libcurl's error {code}")
    message = redacted_message(message)
    return f"{words} ({message})" if message else words


def status_text(status: int) -> str:
    """A status as HTTP calls it, such as 404 Not Found."""
    from http import HTTPStatus  # 1 ms, for what a person reads

    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def redacted_message(text: str) -> str:
    """A message of libcurl in one line, its URLs without user names, passwords and queries (threat N16)."""
    return printable(re.sub(r"//[^/@\s]*@", "//", re.sub(r"(https?://[^\s?#]*)[?#]\S*", r"\1", text)))
