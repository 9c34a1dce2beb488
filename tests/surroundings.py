# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests do not depend on who starts them: what a process has from its parent is made what it always is."""

from __future__ import annotations

import locale
import os
import signal
import time

_KEPT = {"PATH", "HOME", "TMPDIR", "USER", "LOGNAME"}
_KEPT_OF = ("PYTEST_", "HYPOTHESIS_", "TESTS_", "PIP_")
_PROXIES = {"http_proxy", "https_proxy", "no_proxy"}
"""The base of the labs is downloaded by them."""


def make_usual() -> None:
    """Environment, umask and signals of this process, and so of its children."""
    for name in list(os.environ):
        if name not in _KEPT and not name.startswith(_KEPT_OF) and name.lower() not in _PROXIES:
            del os.environ[name]
    os.environ["LC_ALL"] = "C.UTF-8"
    os.environ["TZ"] = "UTC"
    time.tzset()
    locale.setlocale(locale.LC_ALL, "")
    os.umask(0o022)
    for number in signal.valid_signals():
        # Python itself ignores SIGPIPE, and gives its children the default back
        if number != signal.SIGPIPE and signal.getsignal(number) is signal.SIG_IGN:
            # still ignored, for a shell in the background has its reasons; but, unlike SIG_IGN, not by what is started
            signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
