# SPDX-License-Identifier: LGPL-2.1-or-later
"""What systems offer: the version in use is the measure, where it is in use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.machine import PlainMachine
from tests.unit.requirements.grounds import PlainGround, PlainPackages, offering
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.requirements.ground import Ground
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.snapshots.entries import read_entries
from tukit_sysext.store.image_store import Store
from tukit_sysext.system.tree import Tree
from tukit_sysext.update import offers as module
from tukit_sysext.update.in_use import SystemInUse
from tukit_sysext.update.offers import SystemsOffers

OLD, NEW, EXOTIC = "libunwind.so.8()(64bit)", "libunwind.so.9()(64bit)", "libexotic.so.1()(64bit)"


class Lacking(Plugins):
    """Plugins that say what packages tell alone."""

    def lacks(self, contents: Contents, ground: Ground, name: str, version: str) -> frozenset[str]:
        return frozenset(need for need in contents.needs if ground.packages.provides(Requirement(need)) is None)


class Systems:
    """A running system with gdb 1, and a new one."""

    def __init__(
        self, site: PlainMachine, monkeypatch: pytest.MonkeyPatch, contents: Contents | None, **beside: Contents
    ) -> None:
        store = Store(site.layout)
        for name, each in {"gdb": contents, **beside}.items():
            site.link_image(site.root, name, "1")
            record = store.records.read(f"{name}-1.x86-64.raw")
            assert record is not None
            store.records.write(replace(record, contents=each))
        with Tree(site.root) as tree:
            entries = read_entries(tree)
        running = SystemInUse(
            called="the running system",
            release=ReleaseData({"VERSION_ID": "20261120"}),
            systemd=None,
            entries=entries,
            path=site.root,
        )
        packages = PlainPackages(offered={Requirement(OLD): "libunwind8"}, versions={"libunwind8": "1.8-1"})
        monkeypatch.setattr(module, "open_ground", lambda *_, **__: PlainGround(packages=packages))
        systems: Sequence[SystemInUse] = (running,)
        self.offers = SystemsOffers(
            site.machine, PlainGround(packages=offering(NEW)), "20261215", store=store, systems=lambda: systems,
            plugins=Lacking(),
        )  # fmt: skip

    def worse(self, *needs: str, name: str = "gdb", others: frozenset[str] = frozenset()) -> frozenset[str]:
        return self.offers.worse(name, "2", Contents(needs=needs), others)


def test_the_version_in_use_is_the_measure(site: PlainMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    systems = Systems(site, monkeypatch, Contents(needs=(OLD, EXOTIC)))

    assert systems.worse(NEW) == frozenset()
    assert systems.worse(OLD) == {OLD}, "the running system has it, the new one has not"
    assert systems.worse(EXOTIC) == frozenset(), "the version in use does without it"
    assert systems.worse("libmore.so.1") == {"libmore.so.1"}
    assert systems.worse(OLD, others=frozenset({OLD})) == frozenset()
    assert systems.worse(EXOTIC, name="other") == {EXOTIC}, "no version of it is in use"


def test_what_the_version_in_use_has_from_another_image_it_does_not_lack(
    site: PlainMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Contents(provides=(EXOTIC,))
    systems = Systems(site, monkeypatch, Contents(needs=(EXOTIC,)), exotic=library)

    assert systems.worse(EXOTIC, others=frozenset(library.provides)) == frozenset()
    assert systems.worse(EXOTIC) == {EXOTIC}, "that image does not come along"


def test_where_the_version_in_use_is_not_known_nothing_is_worse(
    site: PlainMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Systems(site, monkeypatch, None).worse(OLD, "libmore.so.1") == frozenset()


def test_who_provided_it(site: PlainMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    offers = Systems(site, monkeypatch, Contents()).offers

    assert offers.in_words(OLD) == "package libunwind8 provides it in 20261120, nothing does in 20261215"
    assert offers.in_words(EXOTIC) == "nothing provides it in 20261215"
