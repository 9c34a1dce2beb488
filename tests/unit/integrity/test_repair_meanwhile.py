# SPDX-License-Identifier: LGPL-2.1-or-later
"""What changes while a repair waits for the network, or is at work: no lock is held, and what is so by then counts."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.unit.integrity.mending import Careless, mend
from tests.unit.integrity.verify_site import VerifySite, file_of
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.integrity.repair import Repair, RepairOutcome, repair
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.snapshots.entries import changing
from tukit_sysext.sources.candidate import Candidate
from tukit_sysext.sources.protocol import Sink
from tukit_sysext.store.image_store import Condition
from tukit_sysext.system.lock import exclusive
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.fetch import Fetching
from tukit_sysext.update.plan import Plan


def test_no_lock_is_held_while_the_network_is_waited_for(
    verify_site: VerifySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hold waits for no download, and a collection finds nobody in its way."""
    monkeypatch.setattr("tukit_sysext.system.lock._PATIENCE", 0.0)
    verify_site.store_image("1").unlink()
    verify_site.link("1")
    waits: list[str] = []

    class Locking(Careless):
        def candidates(self) -> Sequence[Candidate]:
            self._lock("list")
            return super().candidates()

        def fetch(self, wanted: Sequence[tuple[Candidate, Sink]]) -> dict[str, TukitSysextError]:
            self._lock("image")
            return super().fetch(wanted)

        def _lock(self, what: str) -> None:
            layout = verify_site.layout
            with exclusive(layout.lock), Tree(verify_site.root) as tree, changing(tree, layout.locks):
                waits.append(what)

    plugins = Plugins()
    plugins.register(Locking(None), name="locking")
    assert mend(verify_site, plugins=plugins).outcome is RepairOutcome.FAILED
    assert waits == ["image", "list"]


def while_fetching(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Have something happen when an image has been fetched, before its link is made."""
    bring = Fetching.bring

    def and_then(self: Fetching, plan: Plan) -> None:
        bring(self, plan)
        happens()

    monkeypatch.setattr(Fetching, "bring", and_then)


def test_what_is_held_meanwhile_is_held(verify_site: VerifySite, lost: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verify_site.offer("2")
    conf = verify_site.root / "etc/tukit-sysext/images.d/gdb.conf"
    while_fetching(monkeypatch, lambda: conf.write_text("[Image]\nHold=1\n"))
    before = os.readlink(verify_site.root / "etc/extensions/gdb.raw")
    assert mend(verify_site).outcome is RepairOutcome.FAILED
    assert os.readlink(verify_site.root / "etc/extensions/gdb.raw") == before


def test_what_is_blocked_meanwhile_is_not_linked(
    verify_site: VerifySite, lost: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify_site.offer("2")
    verify_site.offer("3")
    conf = verify_site.root / "etc/tukit-sysext/tukit-sysext.conf"
    while_fetching(monkeypatch, lambda: conf.write_text("[Block]\nImage=gdb=3\n"))
    assert mend(verify_site).text.startswith("replaced by 2 from source local")


def test_what_is_collected_meanwhile_is_fetched_again(
    verify_site: VerifySite, lost: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify_site.offer("2")
    gone: list[str] = []

    def collection() -> None:
        if not gone:
            gone.append(file_of("2"))
            verify_site.machine.store().remove(file_of("2"))

    while_fetching(monkeypatch, collection)
    assert mend(verify_site).outcome is RepairOutcome.REPLACED
    assert gone
    assert verify_site.finding().condition is Condition.WHOLE


def test_a_tree_that_changes_all_the_time_is_left_alone(
    verify_site: VerifySite, lost: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify_site.offer("2")
    looks: list[object] = []

    def state(*_: object) -> object:
        looks.append(object())
        return looks[-1]

    monkeypatch.setattr("tukit_sysext.integrity.repair._Repairer._state", state)
    before = os.readlink(verify_site.root / "etc/extensions/gdb.raw")
    done = mend(verify_site)
    assert (done.outcome, "all the time" in done.text, len(looks)) == (RepairOutcome.FAILED, True, 6)
    assert done.next_step
    assert os.readlink(verify_site.root / "etc/extensions/gdb.raw") == before


def test_two_repairs_of_one_tree_at_once(verify_site: VerifySite) -> None:
    """The second is done while the first one waits for the network, and nothing is left of either."""
    verify_site.store_image("1").unlink()
    verify_site.link("1")
    verify_site.offer("2")
    assessment = verify_site.assess()
    running, waiting = threading.Event(), threading.Event()
    plugins = Plugins()

    class Slow(Careless):
        def fetch(self, wanted: Sequence[tuple[Candidate, Sink]]) -> dict[str, TukitSysextError]:
            running.set()
            assert waiting.wait(30)
            return super().fetch(wanted)

    plugins.register(Slow(None), name="slow")
    done: list[Sequence[Repair]] = []
    first = threading.Thread(
        target=lambda: done.append(repair(verify_site.machine, plugins, assessment.subject, assessment.wrong))
    )
    first.start()
    assert running.wait(30)
    done.append(repair(verify_site.machine, Plugins(), assessment.subject, assessment.wrong))
    waiting.set()
    first.join(30)
    assert [each.outcome for repairs in done for each in repairs] == [RepairOutcome.REPLACED, RepairOutcome.REPLACED]
    assert verify_site.finding().condition is Condition.WHOLE
    assert os.listdir(verify_site.root / "etc/extensions") == ["gdb.raw"]
