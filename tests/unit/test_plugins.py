# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every hook, and that a plugin that fails keeps nobody else from being called."""

from __future__ import annotations

import inspect
import logging
from pathlib import Path
from typing import Any

import pluggy
import pytest

from tests.unit.job.samples import facts
from tests.unit.support import PlainMachine
from tukit_sysext.config.settings import Configuration, Settings
from tukit_sysext.events import Kind
from tukit_sysext.hookspecs import PROJECT, Specifications, hookimpl
from tukit_sysext.job.plan import decide
from tukit_sysext.job.transaction import Outcome, Transaction
from tukit_sysext.plugins import Plugins
from tukit_sysext.state.ledger import Ledger
from tukit_sysext.state.snapshots import scan

HOOKS = sorted(name for name in vars(Specifications) if name.startswith(f"{PROJECT}_"))


def recording(hook: str, calls: list[tuple[str, dict[str, Any]]], name: str, *, fails: bool = False) -> object:
    """A plugin that implements one hook."""
    arguments = list(inspect.signature(getattr(Specifications, hook)).parameters)[1:]
    code = f"def {hook}(self, {', '.join(arguments)}): return called(dict({', '.join(f'{a}={a}' for a in arguments)}))"

    def called(given: dict[str, Any]) -> list[str] | None:
        calls.append((name, given))
        if fails:
            raise RuntimeError("injected")
        return [name] if hook.endswith(("sources", "finalizing")) else None

    scope: dict[str, Any] = {"called": called}
    exec(code, scope)  # noqa: S102  # pluggy goes by the names of arguments
    return type("Plugin", (), {hook: hookimpl(scope[hook])})()


@pytest.fixture
def site(tmp_path: Path) -> PlainMachine:
    site = PlainMachine(tmp_path)
    site.snapshot(7)
    return site


@pytest.fixture
def plugins() -> Plugins:
    return Plugins()


def call(plugins: Plugins, site: PlainMachine, hook: str) -> Any:
    """Call a hook the way the package does."""
    transaction = Transaction(machine=site.machine, path=site.tree(7), number=7)
    outcome = Outcome(plan=decide(facts()), changes=())
    match hook.removeprefix(f"{PROJECT}_"):
        case "sources":
            configuration = Configuration(settings=Settings(), sources={}, problems=())
            return plugins.sources(site.machine, configuration)
        case "transaction_finalizing":
            return plugins.finalizing(transaction)
        case "transaction_judged":
            return plugins.judged(transaction, outcome)
        case _:
            return plugins.settled(hook, site.machine, scan(site.layout, site.subvolumes), 7)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_plugin_that_fails_is_named_and_stops_no_other(
    plugins: Plugins, site: PlainMachine, caplog: pytest.LogCaptureFixture, hook: str
) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []
    plugins.register(recording(hook, calls, "first"), name="first")
    plugins.register(recording(hook, calls, "bad", fails=True), name="bad")
    plugins.register(recording(hook, calls, "last"), name="last")
    with caplog.at_level(logging.ERROR):
        call(plugins, site, hook)
    assert [name for name, _ in calls] == ["first", "bad", "last"]
    (told,) = [record.getMessage() for record in caplog.records]
    assert "plugin bad" in told
    assert hook in told
    assert "injected" in told


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_documented(hook: str) -> None:
    assert len(inspect.getdoc(getattr(Specifications, hook)) or "") > 20


def test_every_hook_has_a_test() -> None:
    missing = [hook for hook in HOOKS if f"test_hook_{hook.removeprefix(f'{PROJECT}_')}" not in globals()]
    assert HOOKS
    assert missing == []


def test_every_event_has_a_hook() -> None:
    assert [kind for kind in Kind if f"{PROJECT}_{kind}" not in HOOKS] == []


def test_hook_sources(plugins: Plugins, site: PlainMachine) -> None:
    plugins.register(recording("tukit_sysext_sources", [], "a"), name="a")
    plugins.register(recording("tukit_sysext_sources", [], "b"), name="b")
    assert call(plugins, site, "tukit_sysext_sources") == ["a", "b"]


def test_sources_that_fail_while_they_are_listed(plugins: Plugins, site: PlainMachine) -> None:
    class Lazy:
        @hookimpl
        def tukit_sysext_sources(self) -> Any:
            yield "never"
            raise RuntimeError("injected")

    plugins.register(Lazy(), name="lazy")
    plugins.register(recording("tukit_sysext_sources", [], "good"), name="good")
    assert call(plugins, site, "tukit_sysext_sources") == ["good"]


def test_hook_transaction_finalizing(plugins: Plugins, site: PlainMachine) -> None:
    plugins.register(recording("tukit_sysext_transaction_finalizing", [], "mine"), name="mine")
    ours, mine = call(plugins, site, "tukit_sysext_transaction_finalizing")
    assert isinstance(ours, Outcome)
    assert mine == "mine"


def test_hook_transaction_judged(plugins: Plugins, site: PlainMachine) -> None:
    call(plugins, site, "tukit_sysext_transaction_judged")
    with Ledger(site.layout.ledger) as ledger:
        assert [row.number for row in ledger.snapshots()] == [7]


def settled(plugins: Plugins, site: PlainMachine, hook: str) -> list[str]:
    """What the ledger remembers of a settled event, after a plugin of ours was called with all it is promised."""
    calls: list[tuple[str, dict[str, Any]]] = []
    plugins.register(recording(hook, calls, "mine"), name="mine")
    call(plugins, site, hook)
    ((_, given),) = calls
    assert (given["machine"], given["number"]) == (site.machine, 7)
    assert [snapshot.number for snapshot in given["scan"].snapshots] == [7]
    if not site.layout.ledger.exists():
        return []
    with Ledger(site.layout.ledger) as ledger:
        return [event.kind for event in ledger.events()]


def test_hook_transaction_finalized(plugins: Plugins, site: PlainMachine) -> None:
    assert settled(plugins, site, "tukit_sysext_transaction_finalized") == ["transaction finalized"]


def test_hook_transaction_discarded(plugins: Plugins, site: PlainMachine) -> None:
    assert settled(plugins, site, "tukit_sysext_transaction_discarded") == ["transaction discarded"]


def test_hook_transaction_aborted(plugins: Plugins, site: PlainMachine) -> None:
    assert settled(plugins, site, "tukit_sysext_transaction_aborted") == ["transaction aborted"]


def test_hook_transaction_kept(plugins: Plugins, site: PlainMachine) -> None:
    assert settled(plugins, site, "tukit_sysext_transaction_kept") == []


def test_hook_snapshot_created(plugins: Plugins, site: PlainMachine) -> None:
    assert settled(plugins, site, "tukit_sysext_snapshot_created") == []


def test_hook_snapshot_modified(plugins: Plugins, site: PlainMachine) -> None:
    assert settled(plugins, site, "tukit_sysext_snapshot_modified") == []


def test_hook_snapshot_deleted(plugins: Plugins, site: PlainMachine) -> None:
    assert settled(plugins, site, "tukit_sysext_snapshot_deleted") == []


def test_hook_default_changed(plugins: Plugins, site: PlainMachine) -> None:
    assert settled(plugins, site, "tukit_sysext_default_changed") == ["default changed"]


def test_hook_rolled_back(plugins: Plugins, site: PlainMachine) -> None:
    assert settled(plugins, site, "tukit_sysext_rolled_back") == ["rolled back"]


def test_a_hook_that_does_not_exist_is_refused(plugins: Plugins) -> None:
    class Wrong:
        @hookimpl
        def tukit_sysext_unheard_of(self) -> None: ...

    with pytest.raises(pluggy.PluginValidationError):
        plugins.register(Wrong(), name="wrong")


def test_a_name_that_is_taken_is_refused(plugins: Plugins) -> None:
    plugins.register(object(), name="mine")
    with pytest.raises(ValueError, match="mine"):
        plugins.register(object(), name="mine")
