# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fails in every hook that there is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from tukit_sysext.plugin_api import PROJECT, hookimpl
from tukit_sysext.plugins.spec import Specifications

tukit_sysext_interface = ">=1,<2"


def _raise() -> NoReturn:
    raise RuntimeError("injected by the twin")


def _exit() -> NoReturn:
    sys.exit(75)


def _plugin(fail: Callable[[], NoReturn]) -> object:
    hooks = [name for name in vars(Specifications) if name.startswith(f"{PROJECT}_")]
    return type("Plugin", (), {name: staticmethod(hookimpl(_failing(fail))) for name in hooks})()


def _failing(fail: Callable[[], NoReturn]) -> Callable[[], NoReturn]:
    def implementation() -> NoReturn:
        fail()

    return implementation


raising = _plugin(_raise)
exiting = _plugin(_exit)
