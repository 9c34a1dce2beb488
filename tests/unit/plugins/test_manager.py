# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every hook, and that a plugin that fails keeps nobody else from being called."""

from __future__ import annotations

import inspect
import logging
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn

import pluggy
import pytest

from tests.machine import PlainMachine
from tests.unit.requirements.grounds import PlainGround, PlainPackages
from tests.unit.update.samples import facts
from tukit_sysext.all_plugins import Root
from tukit_sysext.config.main_settings import Settings
from tukit_sysext.config.settings import Configuration
from tukit_sysext.errors import PluginFailed, TukitSysextError
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.spool import EventKind
from tukit_sysext.plugin_api import PROJECT, hookimpl
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.plugins.spec import Specifications
from tukit_sysext.requirements.capabilities import Package
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.snapshots.fitting import Question
from tukit_sysext.snapshots.snapper import scan
from tukit_sysext.sources.candidate import Candidate, Description
from tukit_sysext.sources.protocol import Sink
from tukit_sysext.update.deciding import decide
from tukit_sysext.update.outcome import Outcome
from tukit_sysext.update.transaction import Transaction

HOOKS = sorted(name for name in vars(Specifications) if name.startswith(f"{PROJECT}_"))


class PlainSource:
    """A source that has nothing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def candidates(self) -> Sequence[Candidate]:
        return []

    def describe(self, candidates: Sequence[Candidate]) -> Mapping[str, Description]:
        return {}

    def fetch(self, wanted: Sequence[tuple[Candidate, Sink]]) -> Mapping[str, TukitSysextError]:
        return {}


class UnspeakableError(Exception):
    """An error that cannot even be told."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def recording(
    hook: str,
    calls: list[tuple[str, dict[str, Any]]],
    name: str,
    *,
    fails: bool = False,
    error: BaseException = RuntimeError("injected"),  # noqa: B008  # never changed
) -> object:
    """A plugin that implements one hook."""
    arguments = list(inspect.signature(getattr(Specifications, hook)).parameters)[1:]
    code = f"def {hook}(self, {', '.join(arguments)}): return called(dict({', '.join(f'{a}={a}' for a in arguments)}))"

    def called(given: dict[str, Any]) -> object:
        calls.append((name, given))
        if fails:
            raise error
        match hook.removeprefix(f"{PROJECT}_"):
            case "sources":
                return [PlainSource(name)]
            case "check":
                return f"{name} says no"
            case "lacks" | "shadows" | "warns":
                return [f"{name} is missing"]
            case "references":
                return [Root(image=f"{name}.raw", where="")]
        return None

    scope: dict[str, Any] = {"called": called}
    exec(code, scope)  # noqa: S102  # pluggy goes by the names of arguments
    return type("Plugin", (), {hook: hookimpl(scope[hook])})()


@pytest.fixture
def plugins() -> Plugins:
    return Plugins()


def question(version: str) -> Question:
    system, image = ReleaseData({"ID": "os"}), ReleaseData({"ID": "os", "VENDOR_NAME": "Acme"})
    return Question(system=system, image=image, name="gdb", version=version)


def call(plugins: Plugins, site: PlainMachine, hook: str) -> Any:
    """Call a hook the way the package does."""
    transaction = Transaction(machine=site.machine, path=site.tree(7), number=7)
    outcome = Outcome(plan=decide(facts()), changes=())
    match hook.removeprefix(f"{PROJECT}_"):
        case "sources":
            configuration = Configuration(settings=Settings(), sources={}, problems=())
            return plugins.sources(site.machine, configuration)
        case "check":
            return plugins.objection(question("1.0"))
        case "lacks":
            return plugins.lacks(Contents(), PlainGround(), "gdb", "1.0")
        case "shadows":
            return plugins.shadows(Contents(), PlainGround(), "gdb", "1.0")
        case "warns":
            return plugins.warns(Contents(), PlainGround(), "gdb", "1.0")
        case "references":
            return plugins.references(site.machine)
        case "transaction_finalizing":
            return plugins.finalizing(transaction)
        case "transaction_judged":
            return plugins.judged(transaction, outcome)
        case _:
            return plugins.settled(hook, site.machine, scan(site.layout, site.subvolumes), 7)


@pytest.mark.parametrize("error", [RuntimeError("injected"), SystemExit(75), UnspeakableError()], ids=repr)
@pytest.mark.parametrize("hook", HOOKS)
def test_a_plugin_that_fails_is_named_and_stops_no_other(
    plugins: Plugins, snapshot_7: PlainMachine, caplog: pytest.LogCaptureFixture, hook: str, error: BaseException
) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []
    plugins.register(recording(hook, calls, "first"), name="first")
    plugins.register(recording(hook, calls, "bad", fails=True, error=error), name="bad")
    plugins.register(recording(hook, calls, "last"), name="last")
    with caplog.at_level(logging.ERROR):
        if hook == "tukit_sysext_references":
            with pytest.raises(PluginFailed, match="plugin bad failed"):
                call(plugins, snapshot_7, hook)
        else:
            call(plugins, snapshot_7, hook)
    assert [name for name, _ in calls] == ["first", "bad", "last"]
    (told,) = [record.getMessage() for record in caplog.records]
    assert "plugin bad" in told
    assert hook in told
    assert type(error).__name__ in told


@pytest.mark.parametrize("hook", HOOKS)
def test_a_plugin_that_hangs_is_broken_off(
    plugins: Plugins,
    snapshot_7: PlainMachine,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    hook: str,
) -> None:
    """Also one that goes on whatever is raised in it."""

    def hanging() -> NoReturn:
        swallowed = 0
        while True:
            try:
                signal.pause()
            except BaseException:
                swallowed += 1
                if swallowed == 2:
                    raise

    monkeypatch.setattr("tukit_sysext.plugins.manager.LIMIT", 0.05)
    monkeypatch.setattr("tukit_sysext.system.time_limit._AGAIN", 0.05)
    calls: list[tuple[str, dict[str, Any]]] = []
    plugins.register(type("Plugin", (), {hook: staticmethod(hookimpl(hanging))})(), name="bad")
    plugins.register(recording(hook, calls, "last"), name="last")
    with pytest.raises(PluginFailed) if hook == "tukit_sysext_references" else nullcontext():
        call(plugins, snapshot_7, hook)
    assert [name for name, _ in calls] == ["last"]
    (told,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert told.startswith(f"plugin bad failed in {hook}: TimeUp: it lasted longer than")


def test_a_plugin_that_lasts_too_long_is_waited_for_once(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With a limit for each image, ten of them would hold up an update, or a boot, for ten times as long."""
    asked: list[str] = []

    def hanging(version: str) -> None:
        asked.append(version)
        signal.pause()

    monkeypatch.setattr("tukit_sysext.plugins.manager.LIMIT", 0.05)
    plugins.register(type("Plugin", (), {"tukit_sysext_check": staticmethod(hookimpl(hanging))})(), name="bad")
    assert [plugins.objection(question(version)) for version in "123"] == ["", "", ""]
    assert asked == ["1"]
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_documented(hook: str) -> None:
    assert len(inspect.getdoc(getattr(Specifications, hook)) or "") > 20


def test_every_hook_has_a_test() -> None:
    missing = [hook for hook in HOOKS if f"test_hook_{hook.removeprefix(f'{PROJECT}_')}" not in globals()]
    assert HOOKS
    assert missing == []


def test_every_event_has_a_hook() -> None:
    assert [kind for kind in EventKind if f"{PROJECT}_{kind}" not in HOOKS] == []


def test_hook_sources(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    plugins.register(recording("tukit_sysext_sources", [], "a"), name="a")
    plugins.register(recording("tukit_sysext_sources", [], "b"), name="b")
    assert [source.name for source in call(plugins, snapshot_7, "tukit_sysext_sources")] == ["a", "b"]


def test_sources_that_fail_while_they_are_listed(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    class Lazy:
        @hookimpl
        def tukit_sysext_sources(self) -> Any:
            yield PlainSource("never")
            raise RuntimeError("injected")

    plugins.register(Lazy(), name="lazy")
    plugins.register(recording("tukit_sysext_sources", [], "good"), name="good")
    assert [source.name for source in call(plugins, snapshot_7, "tukit_sysext_sources")] == ["good"]


@pytest.mark.parametrize("wrong", ["local", ["local"], 7, [PlainSource("../evil")], [PlainSource("good")]])
def test_a_source_that_is_none_or_has_anothers_name_is_left_out(
    plugins: Plugins, snapshot_7: PlainMachine, caplog: pytest.LogCaptureFixture, wrong: object
) -> None:
    class Wrong:
        @hookimpl
        def tukit_sysext_sources(self) -> object:
            return wrong

    good = recording("tukit_sysext_sources", [], "good")
    plugins.register(good, name="good")
    plugins.register(Wrong(), name="wrong")
    assert [source.name for source in call(plugins, snapshot_7, "tukit_sysext_sources")] == ["good"]
    (record,) = caplog.records
    assert "plugin wrong" in record.getMessage()


def test_hook_check(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    """The first objection counts, and nobody is asked twice."""
    assert call(plugins, snapshot_7, "tukit_sysext_check") == ""
    calls: list[tuple[str, dict[str, Any]]] = []
    plugins.register(recording("tukit_sysext_check", calls, "first"), name="first")
    plugins.register(recording("tukit_sysext_check", calls, "last"), name="last")
    assert call(plugins, snapshot_7, "tukit_sysext_check") == "plugin first: first says no"
    assert call(plugins, snapshot_7, "tukit_sysext_check") == "plugin first: first says no"
    assert [name for name, _ in calls] == ["first", "last"]
    assert calls[0][1] == {
        "system": {"ID": "os"},
        "image": {"ID": "os", "VENDOR_NAME": "Acme"},
        "name": "gdb",
        "version": "1.0",
        "contents": None,
        "stated": (),
        "ground": None,
    }


def test_hook_lacks(plugins: Plugins, snapshot_7: PlainMachine, caplog: pytest.LogCaptureFixture) -> None:
    """What any plugin misses is missing; what is no need is told."""
    assert call(plugins, snapshot_7, "tukit_sysext_lacks") == frozenset()
    calls: list[tuple[str, dict[str, Any]]] = []
    plugins.register(recording("tukit_sysext_lacks", calls, "first"), name="first")
    plugins.register(recording("tukit_sysext_lacks", calls, "last"), name="last")
    assert call(plugins, snapshot_7, "tukit_sysext_lacks") == {"first is missing", "last is missing"}
    assert calls[0][1].keys() == {"contents", "ground", "name", "version"}

    class Wrong:
        @hookimpl
        def tukit_sysext_lacks(self) -> object:
            return [7]

    plugins.register(Wrong(), name="wrong")
    assert call(plugins, snapshot_7, "tukit_sysext_lacks") == {"first is missing", "last is missing"}
    assert "plugin wrong: lacks: expected text, found int" in caplog.text


@pytest.mark.parametrize("hook", ["tukit_sysext_shadows", "tukit_sysext_warns"])
def test_what_plugins_say_of_an_image(plugins: Plugins, snapshot_7: PlainMachine, hook: str) -> None:
    """All of it counts, in the order of the plugins."""
    assert call(plugins, snapshot_7, hook) == ()
    calls: list[tuple[str, dict[str, Any]]] = []
    plugins.register(recording(hook, calls, "first"), name="first")
    plugins.register(recording(hook, calls, "last"), name="last")
    assert call(plugins, snapshot_7, hook) == ("first is missing", "last is missing")
    assert calls[0][1].keys() == {"contents", "ground", "name", "version"}


def test_hook_shadows(plugins: Plugins) -> None:
    """The built-in check is behind it."""
    packages = PlainPackages(versions={"openssl": "3.2-1"})
    contents = Contents(packages=(Package("openssl", "3.1-1"),))
    assert plugins.shadows(contents, PlainGround(packages=packages), "gdb", "1.0") == (
        "its openssl-3.1-1 is older than openssl-3.2-1 of the system",
    )


def test_hook_warns(plugins: Plugins) -> None:
    """The built-in check is behind it."""
    (said,) = plugins.warns(Contents(unlabelled=2), PlainGround(selinux="targeted"), "gdb", "1.0")
    assert said.startswith("2 of its programs and libraries have no SELinux label")


@pytest.mark.parametrize(
    ("answer", "expected", "told"),
    [
        (None, "", False),
        ("", "", False),
        ("  ", "", False),
        ("no\x1b[31m\nway", "plugin mine: no\\x1b[31m way", False),
        ("x" * 5000, f"plugin mine: {'x' * 500}...", False),
        (False, "", True),
        (["no"], "", True),
        (7, "", True),
    ],
)
def test_what_a_check_may_say(
    plugins: Plugins,
    snapshot_7: PlainMachine,
    caplog: pytest.LogCaptureFixture,
    answer: object,
    expected: str,
    told: bool,
) -> None:
    class Mine:
        @hookimpl
        def tukit_sysext_check(self) -> object:
            return answer

    plugins.register(Mine(), name="mine")
    assert call(plugins, snapshot_7, "tukit_sysext_check") == expected
    assert ["expected a reason or None" in record.getMessage() for record in caplog.records] == [True] * told


def test_a_check_cannot_change_what_it_is_given(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    class Mine:
        @hookimpl
        def tukit_sysext_check(self, image: dict[str, str]) -> None:
            image["ID"] = "other"

    calls: list[tuple[str, dict[str, Any]]] = []
    plugins.register(Mine(), name="mine")
    plugins.register(recording("tukit_sysext_check", calls, "last"), name="last")
    assert call(plugins, snapshot_7, "tukit_sysext_check") == "plugin last: last says no"
    assert calls[0][1]["image"]["ID"] == "os"


def test_hook_references(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    class Lists:
        @hookimpl
        def tukit_sysext_references(self) -> Iterator[Root]:
            yield Root(image="b.raw", where="the list of\nthe site")
            yield Root(image="c.raw", where="list of plugin lists")

    assert call(plugins, snapshot_7, "tukit_sysext_references") == []
    plugins.register(recording("tukit_sysext_references", [], "a"), name="a")
    plugins.register(Lists(), name="lists")
    assert call(plugins, snapshot_7, "tukit_sysext_references") == [
        Root(image="a.raw", where="plugin a"),
        Root(image="b.raw", where="plugin lists: the list of the site"),
        Root(image="c.raw", where="list of plugin lists"),
    ]


@pytest.mark.parametrize("wrong", ["a.raw", ["a.raw"], [None], [Root(image="", where="x")], 7, {"a.raw": "me"}])
def test_references_that_are_none_are_unknown(plugins: Plugins, snapshot_7: PlainMachine, wrong: object) -> None:
    class Wrong:
        @hookimpl
        def tukit_sysext_references(self) -> object:
            return wrong

    plugins.register(Wrong(), name="wrong")
    with pytest.raises(PluginFailed, match="plugin wrong: references: expected a Root"):
        call(plugins, snapshot_7, "tukit_sysext_references")


def test_references_that_fail_midway_are_unknown(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    class Lazy:
        @hookimpl
        def tukit_sysext_references(self) -> Iterator[Root]:
            yield Root(image="a.raw", where="")
            raise RuntimeError("injected")

    plugins.register(Lazy(), name="lazy")
    with pytest.raises(PluginFailed, match="plugin lazy failed"):
        call(plugins, snapshot_7, "tukit_sysext_references")


def test_hook_transaction_finalizing(
    plugins: Plugins, snapshot_7: PlainMachine, caplog: pytest.LogCaptureFixture
) -> None:
    """The outcome is ours alone, and others are called after the main job."""
    seen: list[Path] = []

    class Mine:
        @hookimpl
        def tukit_sysext_transaction_finalizing(self, transaction: Transaction) -> str:
            seen.append(transaction.path)
            return "refused"

    plugins.register(Mine(), name="mine")
    ours = call(plugins, snapshot_7, "tukit_sysext_transaction_finalizing")
    assert isinstance(ours, Outcome)
    assert seen == [snapshot_7.tree(7)]
    (record,) = caplog.records
    assert "plugin mine: transaction_finalizing: expected None" in record.getMessage()


def test_hook_transaction_judged(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    call(plugins, snapshot_7, "tukit_sysext_transaction_judged")
    with Ledger(snapshot_7.layout.ledger) as ledger:
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


def test_hook_transaction_finalized(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    assert settled(plugins, snapshot_7, "tukit_sysext_transaction_finalized") == ["transaction finalized"]


def test_hook_transaction_discarded(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    assert settled(plugins, snapshot_7, "tukit_sysext_transaction_discarded") == ["transaction discarded"]


def test_hook_transaction_aborted(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    assert settled(plugins, snapshot_7, "tukit_sysext_transaction_aborted") == ["transaction aborted"]


def test_hook_transaction_kept(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    assert settled(plugins, snapshot_7, "tukit_sysext_transaction_kept") == ["transaction kept"]


def test_hook_snapshot_created(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    assert settled(plugins, snapshot_7, "tukit_sysext_snapshot_created") == ["snapshot created"]


def test_hook_snapshot_modified(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    assert settled(plugins, snapshot_7, "tukit_sysext_snapshot_modified") == ["snapshot modified"]


def test_hook_snapshot_deleted(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    assert settled(plugins, snapshot_7, "tukit_sysext_snapshot_deleted") == ["snapshot deleted"]


def test_hook_read_only_changed(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    assert settled(plugins, snapshot_7, "tukit_sysext_read_only_changed") == ["read-only changed"]


def test_hook_booted(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    assert settled(plugins, snapshot_7, "tukit_sysext_booted") == ["booted"]


def test_hook_default_changed(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    assert settled(plugins, snapshot_7, "tukit_sysext_default_changed") == ["default changed"]


def test_hook_rolled_back(plugins: Plugins, snapshot_7: PlainMachine) -> None:
    assert settled(plugins, snapshot_7, "tukit_sysext_rolled_back") == ["rolled back"]


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
