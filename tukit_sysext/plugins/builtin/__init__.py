# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plugins that come with tukit-sysext. They register through the same hook specifications as anybody's.

Each is made by itself: one that cannot be (a module that is missing or has a fault) is logged, and costs only what it
does. That is why each is imported where it is made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tukit_sysext.all_plugins import AllPlugins

log = logging.getLogger(__name__)


def built_in(plugins: AllPlugins) -> Iterator[tuple[str, object]]:
    """The built-in plugins with their names, in the order in which they are called."""
    for name, make in _MAKERS.items():
        try:
            yield name, make(plugins)
        except Exception as error:
            # whatever is wrong with one, the others do their work
            log.error("%s is not there: %s: %s", name, type(error).__name__, error, exc_info=error)


def _sources(plugins: AllPlugins) -> object:
    from tukit_sysext.plugins.builtin.sources import Sources

    return Sources()


def _fetcher(plugins: AllPlugins) -> object:
    from tukit_sysext.plugins.builtin.fetcher import Fetcher

    return Fetcher(plugins)


def _recorder(plugins: AllPlugins) -> object:
    from tukit_sysext.plugins.builtin.recorder import Recorder

    return Recorder()


def _guard(plugins: AllPlugins) -> object:
    from tukit_sysext.plugins.builtin.guard import Guard

    return Guard(plugins)


def _collector(plugins: AllPlugins) -> object:
    from tukit_sysext.plugins.builtin.collector import Collector

    return Collector(plugins)


def _requirements(plugins: AllPlugins) -> object:
    from tukit_sysext.plugins.builtin.requirements import Requirements

    return Requirements()


_MAKERS: Mapping[str, Callable[[AllPlugins], object]] = {
    f"tukit_sysext.{make.__name__.removeprefix('_')}": make
    for make in (_sources, _requirements, _fetcher, _recorder, _guard, _collector)
}
BUILT_IN = frozenset(_MAKERS)
"""The names of the built-in plugins."""
