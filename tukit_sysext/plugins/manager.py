# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plugins: the built-in ones, the third-party ones that the configuration names, and how hooks are called.

Every plugin is called by itself: one that fails is named and logged, and the others are called all the same. Nothing
that a third-party plugin raises, SystemExit not excepted, gets beyond this module but as PluginFailed.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import fields
from sqlite3 import OperationalError
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy

from tukit_sysext.all_plugins import Root
from tukit_sysext.config.early import NamedPlugins, named_plugins
from tukit_sysext.errors import PluginFailed, TukitSysextError, WithNextStep, in_words
from tukit_sysext.plugin_api import PROJECT
from tukit_sysext.plugins.builtin import BUILT_IN, built_in
from tukit_sysext.plugins.spec import Specifications
from tukit_sysext.rules.printable import excerpt
from tukit_sysext.system.time_limit import TimeUp, time_limit
from tukit_sysext.system.tree import Tree

if TYPE_CHECKING:
    from tukit_sysext.config.settings import Configuration
    from tukit_sysext.machine import Machine
    from tukit_sysext.plugins.loading import Loaded
    from tukit_sysext.requirements.contents import Contents
    from tukit_sysext.requirements.ground import Ground
    from tukit_sysext.snapshots.fitting import Question
    from tukit_sysext.snapshots.snapper import Scan
    from tukit_sysext.sources.protocol import Source
    from tukit_sysext.update.outcome import Outcome
    from tukit_sysext.update.transaction import Transaction

log = logging.getLogger(__name__)

LIMIT = 60.0
"""Seconds for which one call of a third-party plugin may last: it is not to hold up an update."""

_MACHINE = (OSError, OperationalError, TukitSysextError)
"""What goes wrong with a machine, not with the code: a full disk, a ledger that another process holds."""

_LONGEST = 500
"""The most characters of a plugin's reason that are shown."""


class Registered(NamedTuple):
    """A plugin that is there: its name, where it comes from, and the hooks that it implements.

    ``distribution``, ``version`` and ``file`` (that of its module) are None where not known.
    """

    name: str
    built_in: bool
    hooks: tuple[str, ...]
    distribution: str | None = None
    version: str | None = None
    file: str | None = None


class Plugins:
    """A typed face of pluggy's manager: built-in plugins first, then the named ones, in the order of the configuration.

    ``failed`` has the reason by name for those that are named and could not be loaded; ``unsure`` says why it is not
    known which ones are named (empty: it is).
    """

    def __init__(self, names: Sequence[str] = (), *, unsure: str = "") -> None:
        self.unsure = unsure
        self._failed: dict[str, str] = {}
        self._loaded: dict[str, Loaded] = {}
        self._slow: set[str] = set()
        self._objections: dict[Question, str] = {}
        self._manager = _manager()
        for name, plugin in built_in(self):
            self.register(plugin, name=name)
        self._built_in: frozenset[str] = frozenset(name for name, _ in self._manager.list_name_plugin())
        for name in dict.fromkeys(names):
            self._load(name)

    @classmethod
    def of(cls, machine: Machine) -> Plugins:
        """The plugins of the running system, whose configuration names them.

        A fault in the configuration stops nothing: what could be read counts, and ``unsure`` remembers it.
        """
        try:
            with Tree(machine.layout.root) as tree:
                named = named_plugins(tree)
        except Exception as error:
            # whatever is wrong with the files, the built-in plugins do their work
            named = NamedPlugins(names=(), unsure=in_words(error))
            log.error("which plugins are named is not known: %s", named.unsure, exc_info=error)
        return cls(named.names, unsure=named.unsure)

    @property
    def failed(self) -> Mapping[str, str]:
        """Why plugins that are named could not be loaded, by name."""
        return MappingProxyType(self._failed)

    @property
    def only_built_in(self) -> bool:
        """Whether all of ours are there, and nobody else's is named."""
        there = {name for name, _ in self._manager.list_name_plugin()}
        return there == BUILT_IN and not self.failed and not self.unsure

    def _load(self, name: str) -> None:
        # looking through the installed distributions takes its time: not where no plugin is named
        try:
            from tukit_sysext.plugins import loading
        except ImportError as error:
            self._not_loaded(name, f"plugins cannot be loaded: {error}")
            return
        try:
            # first alone, so that one that is wrong leaves nothing behind
            loaded = loading.load(name, trial=_manager(), limit=LIMIT)
            self.register(loaded.plugin, name=name)
        except loading.NotLoadable as error:
            # what the plugin raised is traced; that it is not there, or too old, takes one line
            self._not_loaded(name, str(error), error.__cause__)
        except ValueError as error:
            self._not_loaded(name, in_words(error), error)
        else:
            self._loaded[name] = loaded

    def _not_loaded(self, name: str, reason: str, error: BaseException | None = None) -> None:
        self._failed[name] = reason
        log.error("plugin %s is not loaded: %s", name, reason, exc_info=error)

    def register(self, plugin: object, *, name: str) -> None:
        """Add a plugin.

        Raises ValueError where its name is taken, pluggy.PluginValidationError where a hook is wrong.
        """
        self._manager.register(plugin, name=name)
        self._manager.check_pending()
        self._objections.clear()

    def registered(self) -> Sequence[Registered]:
        """The plugins that are there, in the order in which they are called."""
        return [self._registered(name, plugin) for name, plugin in self._manager.list_name_plugin()]

    def _registered(self, name: str, plugin: object) -> Registered:
        loaded = self._loaded.get(name)
        return Registered(
            name=name,
            built_in=name in self._built_in,
            hooks=tuple(sorted(caller.name for caller in self._manager.get_hookcallers(plugin) or ())),
            distribution=loaded.distribution if loaded is not None else None,
            version=loaded.version if loaded is not None else None,
            file=loaded.file if loaded is not None else _file(plugin),
        )

    def _each(self, hook: str, **arguments: object) -> Iterator[tuple[str, Any]]:
        """What plugins return from a hook, by the plugin's name, in the order of their registration.

        A plugin that fails gives a PluginFailed in the place of its result. What returns nothing is left out. A result
        that comes piece by piece is complete here: what its making raises is still the plugin's failure.
        """
        plugins = self._manager.list_name_plugin()
        for name, plugin in plugins:
            others = [other for _, other in plugins if other is not plugin]
            caller = self._manager.subset_hook_caller(hook, others)
            if caller.get_hookimpls():
                for result in self._results(name, caller, arguments):
                    yield name, result

    def _results(self, name: str, caller: pluggy.HookCaller, arguments: Mapping[str, object]) -> list[Any]:
        """Call one plugin: this is the border that keeps whatever it raises from the others."""
        ours = name in self._built_in
        if name in self._slow:
            # one limit is waited for, not one for each image
            return [PluginFailed(f"plugin {name} is not asked in {caller.name}: it lasted too long before")]
        try:
            with nullcontext() if ours else time_limit(LIMIT):
                return [_complete(result) for result in caller(**arguments)]
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            failure = PluginFailed(f"plugin {name} failed in {caller.name}: {in_words(error)}")
            step = getattr(error, "next_step", None) if ours else None
            # of a plugin of ours, where the machine is to blame, a trace tells nothing
            log.error(
                WithNextStep(str(failure), step),
                exc_info=None if ours and isinstance(error, _MACHINE) else error,
            )
            if isinstance(error, TimeUp):
                self._slow.add(name)
            return [failure]

    def _answers(self, hook: str, **arguments: object) -> Iterator[tuple[str, Any]]:
        """What plugins return that did not fail, by the plugin's name."""
        return (
            (name, result) for name, result in self._each(hook, **arguments) if not isinstance(result, PluginFailed)
        )

    def _call(self, hook: str, **arguments: object) -> bool:
        """Call all of them; whether none failed."""
        failures = [result for _, result in self._each(hook, **arguments) if isinstance(result, PluginFailed)]
        return not failures

    def sources(self, machine: Machine, configuration: Configuration) -> list[Source]:
        """The sources of a configuration, from all plugins. One that is none, or that has a name twice, is left out."""
        sources: dict[str, Source] = {}
        for plugin, answer in self._answers("tukit_sysext_sources", machine=machine, configuration=configuration):
            for source in answer if isinstance(answer, list) else [answer]:
                try:
                    ours = source if plugin in self._built_in else _guarded(plugin, source, configuration)
                except PluginFailed as error:
                    log.error("%s", error, exc_info=error)
                    continue
                if ours.name in sources:
                    log.error("plugin %s: source %s is another plugin's already", plugin, ours.name)
                    continue
                sources[ours.name] = ours
        return list(sources.values())

    def objection(self, question: Question) -> str:
        """Why an image that fits must not be used (empty: nobody objects); each plugin is asked once for each image.

        A check that fails is logged as an error and counts as no objection.
        """
        if question not in self._objections:
            self._objections[question] = self._ask(question)
        return self._objections[question]

    def _ask(self, question: Question) -> str:
        given = {each.name: getattr(question, each.name) for each in fields(question)}
        given |= {key: MappingProxyType(dict(given[key])) for key in ("system", "image")}
        first = ""
        for plugin, reason in self._answers("tukit_sysext_check", **given):
            if not isinstance(reason, str):
                log.error("plugin %s: check: expected a reason or None, found %s", plugin, type(reason).__name__)
            elif reason.strip() and not first:
                said = _in_one_line(reason)
                first = said if plugin in self._built_in else f"plugin {plugin}: {said}"
        return first

    def lacks(self, contents: Contents, ground: Ground, name: str, version: str) -> frozenset[str]:
        """What an image needs and a system has not, by all plugins. One that fails says nothing."""
        return frozenset(self._said("lacks", contents, ground, name, version))

    def shadows(self, contents: Contents, ground: Ground, name: str, version: str) -> tuple[str, ...]:
        """What an image replaces with something older, by all plugins. One that fails says nothing."""
        return tuple(self._said("shadows", contents, ground, name, version))

    def warns(self, contents: Contents, ground: Ground, name: str, version: str) -> tuple[str, ...]:
        """What people have to know of an image, by all plugins. One that fails says nothing."""
        return tuple(self._said("warns", contents, ground, name, version))

    def _said(self, hook: str, contents: Contents, ground: Ground, name: str, version: str) -> Iterator[str]:
        given = {"contents": contents, "ground": ground, "name": name, "version": version}
        for plugin, answer in self._answers(f"{PROJECT}_{hook}", **given):
            for text in answer if isinstance(answer, list) else [answer]:
                if isinstance(text, str):
                    yield _in_one_line(text)
                else:
                    log.error("plugin %s: %s: expected text, found %s", plugin, hook, type(text).__name__)

    def references(self, machine: Machine) -> list[Root]:
        """What plugins keep in the store. Raises PluginFailed where one cannot tell: unknown is not none."""
        problems = [f"plugin {name} is not loaded: {reason}" for name, reason in self._failed.items()]
        problems += [f"which plugins are named is not known: {self.unsure}"] if self.unsure else []
        roots: list[Root] = []
        for plugin, answer in self._each("tukit_sysext_references", machine=machine):
            if isinstance(answer, PluginFailed):
                problems.append(str(answer))
                continue
            for root in answer if isinstance(answer, list) else [answer]:
                image: object = root.image if isinstance(root, Root) else None
                if isinstance(image, str) and image:
                    roots.append(Root(image=image, where=_place(plugin, str(root.where))))
                else:
                    problems.append(f"plugin {plugin}: references: expected a Root, found {type(root).__name__}")
        if problems:
            raise PluginFailed(
                f"what plugins need of the store is not known: {'; '.join(problems)}",
                next_step="correct it, or take it out of [Plugins] Load=:\ntukit-sysext plugins",
            )
        return roots

    def free_space(self, machine: Machine, needed: frozenset[str]) -> bool:
        """Collect what nothing needs, but for these files of the store; whether anything went."""
        from tukit_sysext.collect.free_space import free_space

        return free_space(machine, self, needed)

    def finalizing(self, transaction: Transaction) -> Outcome | None:
        """Have a transaction finalized; what came of the main job, None where that failed.

        No other plugin refuses an update here.
        """
        done: Outcome | None = None
        for plugin, outcome in self._answers("tukit_sysext_transaction_finalizing", transaction=transaction):
            if plugin in self._built_in:
                done = outcome
            else:
                log.error("plugin %s: transaction_finalizing: expected None, found %s", plugin, type(outcome).__name__)
        return done

    def judged(self, transaction: Transaction, outcome: Outcome) -> None:
        """Tell what came of a transaction."""
        self._call("tukit_sysext_transaction_judged", transaction=transaction, outcome=outcome)

    def settled(self, hook: str, machine: Machine, scan: Scan, number: int) -> bool:
        """Tell a settled event, by the name of its hook; whether no plugin failed."""
        return self._call(hook, machine=machine, scan=scan, number=number)


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Specifications)
    return manager


def _file(plugin: object) -> str | None:
    """The file of the module that an object's class comes from."""
    return getattr(sys.modules.get(type(plugin).__module__), "__file__", None)


def _guarded(plugin: str, source: Source, configuration: Configuration) -> Source:
    from tukit_sysext.sources.guarded import GuardedSource

    return GuardedSource(plugin, source, limit=LIMIT, image_limit=configuration.settings.network.image_deadline)


def _complete(result: Any) -> Any:
    """A result that comes piece by piece, as a whole."""
    return list(result) if isinstance(result, Iterable) and not isinstance(result, str) else result


def _place(plugin: str, where: str) -> str:
    """Who needs an image, in the words of a plugin, which are to name it."""
    said = _in_one_line(where)
    return said if plugin in said else f"plugin {plugin}: {said}".removesuffix(": ")


def _in_one_line(text: str) -> str:
    return excerpt(" ".join(text.split()), longest=_LONGEST)
