# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finding third-party plugins by their entry points, and importing those that the configuration names.

Imported only where one is named: looking through all distributions, and ``packaging``, take their time. The code of a
plugin runs in here for the first time, so that whatever it does is its own failure (:class:`NotLoadable`).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

from tukit_sysext.errors import in_words
from tukit_sysext.plugin_api import PROJECT
from tukit_sysext.plugins.spec import INTERFACE
from tukit_sysext.system.time_limit import time_limit

STATED = "tukit_sysext_interface"
"""The attribute in which a plugin states which versions of the interface it was written for."""


class NotLoadable(Exception):
    """A plugin that is named cannot be used; the message is the reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """A plugin, and where it comes from: distribution with its version, and the file of its module."""

    plugin: object
    distribution: str
    version: str
    file: str


def load(name: str, *, trial: pluggy.PluginManager, limit: float) -> Loaded:
    """Import the plugin ``name`` of the running system, and register it on ``trial``.

    Raises NotLoadable, whatever goes wrong, and where it lasts longer than ``limit`` seconds.
    """
    try:
        with time_limit(limit):
            loaded = _load(_find(name))
            trial.register(loaded.plugin, name=name)
            trial.check_pending()
            _refuse_wrappers(trial, loaded.plugin)
    except (NotLoadable, KeyboardInterrupt):
        raise
    except BaseException as error:
        # SystemExit too: a plugin does not end a transaction
        raise NotLoadable(in_words(error)) from error
    return loaded


def _refuse_wrappers(manager: pluggy.PluginManager, plugin: object) -> None:
    """Each plugin is called by itself, so that a wrapper would have nothing to wrap."""
    for caller in manager.get_hookcallers(plugin) or ():
        if any(each.hookwrapper or getattr(each, "wrapper", False) for each in caller.get_hookimpls()):
            raise NotLoadable(f"{caller.name}: expected a plain implementation, found a hook wrapper")


def _find(name: str) -> EntryPoint:
    points = list(entry_points(group=PROJECT, name=name))
    if not points:
        raise NotLoadable(f"no installed distribution has an entry point {name} in the group {PROJECT}")
    if len(points) > 1:
        named = ", ".join(sorted(_distribution(point.dist)[0] for point in points))
        raise NotLoadable(f"expected one distribution with this entry point, found {named}")
    return points[0]


def _load(point: EntryPoint) -> Loaded:
    loaded = point.load()
    module = sys.modules.get(point.module)
    _check_interface(_stated(loaded, module))
    plugin = loaded() if isinstance(loaded, type) else loaded
    distribution, version = _distribution(point.dist)
    file = str(getattr(module, "__file__", None) or point.value)
    return Loaded(plugin=plugin, distribution=distribution, version=version, file=file)


def _distribution(distribution: Distribution | None) -> tuple[str, str]:
    if distribution is None:
        return "?", "?"
    return str(distribution.metadata["Name"] or "?"), str(distribution.metadata["Version"] or "?")


def _stated(plugin: object, module: ModuleType | None) -> Any:
    """What the plugin states; what its object does not say its module may."""
    return getattr(plugin, STATED, None) or getattr(module, STATED, None)


def _check_interface(stated: Any) -> None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    example = 'a PEP 440 specifier such as ">=1,<2"'
    if stated is None:
        raise NotLoadable(f"it does not state {STATED}, {example}")
    if not isinstance(stated, str) or not stated.strip():
        raise NotLoadable(f"{STATED}: expected {example}, found {stated!r:.80}")
    try:
        fits = SpecifierSet(stated).contains(INTERFACE, prereleases=True)
    except InvalidSpecifier as error:
        raise NotLoadable(f"{STATED}: expected {example}, found {stated!r:.80}") from error
    if not fits:
        raise NotLoadable(f"it was written for the interface {stated}, this is {INTERFACE}")
