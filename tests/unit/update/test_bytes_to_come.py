# SPDX-License-Identifier: LGPL-2.1-or-later
"""How many bytes an image needs is told before, and how many it needed and what was here already afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.evil.machine import ATTACKED, Before, Victim
from tests.evil.world import NAMES, World, file_of
from tests.lab.server import Server
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.metrics.measured import measured
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.quantities import size_text
from tukit_sysext.sources.repository import index_name
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.bytes_to_come import bytes_to_come
from tukit_sysext.update.deciding import decide
from tukit_sysext.update.outcome import Outcome
from tukit_sysext.update.search import Resolver
from tukit_sysext.update.transaction import Transaction

pytestmark = pytest.mark.root
"""Caches, and what was seen of a source, are only written by root."""

NEW = file_of("gdb", "2")


class Site:
    """A machine that has gdb 1 and is to get gdb 2 and strace 2, and the server that has them."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.world = World()
        self.server = server
        self.victim = Victim(folder, self.world, Before(policies=dict.fromkeys(NAMES, "required")))
        self.victim.open(ATTACKED, [server.url])

    def foreseen(self) -> dict[str, int]:
        """The bytes that would come, by image."""
        machine = self.victim.machine
        with self.victim.inspection(), Tree(self.victim.tree(ATTACKED)) as tree:
            resolver = Resolver(replace(machine, read_only=True), tree, Plugins.of(machine))
            return dict(bytes_to_come(resolver, decide(resolver.resolve())))

    def transaction(self) -> Outcome:
        """The main job."""
        transaction = Transaction(machine=self.victim.machine, path=self.victim.tree(ATTACKED), number=ATTACKED)
        with self.victim.inspection():
            outcome = Plugins().finalizing(transaction)
            assert outcome is not None
            Plugins().judged(transaction, outcome)
        return outcome


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    served = tmp_path / "served"
    with Server(served) as server:
        site = Site(tmp_path / "machine", server)
        site.world.publish(served, site.world.believed["good"])
        yield site


def came(site: Site, name: str) -> int:
    """Bytes of an image that the server has sent."""
    return sum(request.sent for request in site.server.requests if request.path == f"/{name}")


def test_it_is_foreseen_and_told(site: Site) -> None:
    foreseen = site.foreseen()
    texts = [change.text for change in site.transaction().changes]
    sent, size = came(site, NEW), len(site.world.files[NEW])
    assert 0 < sent < size // 2
    assert foreseen == {"gdb": sent, "strace": len(site.world.files[file_of("strace", "2")])}
    here = size_text(size - sent)
    assert f"gdb: 1 -> 2, from source main: {size_text(sent)} fetched, {here} were here" in texts
    assert "strace: 2 added, from source main" in texts, "nothing of it was here"
    record = site.victim.machine.store().records.read(NEW)
    assert record is not None
    assert (record.fetched, record.reused) == (sent, size - sent)
    with Ledger(site.victim.machine.layout.ledger) as ledger:
        events = {event.image: (event.fetched, event.reused) for event in ledger.events() if event.image in NAMES}
    assert events == {"gdb": (sent, size - sent), "strace": (foreseen["strace"], 0)}


def test_what_is_damaged_is_made_of_what_is_good_of_it(site: Site) -> None:
    site.transaction()
    path = site.victim.machine.layout.store / NEW
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    path.with_name(file_of("gdb", "1")).unlink()
    site.server.clear()
    foreseen = site.foreseen()
    (text,) = [change.text for change in site.transaction().changes]
    assert path.read_bytes() == site.world.files[NEW]
    assert 0 < came(site, NEW) <= 4096
    assert foreseen == {"gdb": came(site, NEW)}
    assert text.startswith(f"gdb: 2 repaired, from source main: {size_text(came(site, NEW))} fetched, ")


def test_metrics_have_both(site: Site) -> None:
    site.transaction()
    values = {metric.name: [sample.value for sample in metric.samples] for metric in measured(site.victim.machine)}
    sent, size = came(site, NEW), len(site.world.files[NEW])
    assert values["tukit_sysext_store_fetched_bytes"] == [sent + len(site.world.files[file_of("strace", "2")])]
    assert values["tukit_sysext_store_reused_bytes"] == [size - sent]


def test_an_index_is_asked_for_once(site: Site) -> None:
    site.foreseen()
    site.transaction()
    asked = [request.path for request in site.server.requests if request.path.endswith(".caibx")]
    assert sorted(asked) == sorted({f"/{index_name(file_of(name, '2'))}" for name in NAMES} | {
        f"/{index_name(file_of('gdb', '1'))}"
    })  # fmt: skip
    assert site.victim.machine.store().records.read_index(NEW) == site.world.files[index_name(NEW)]


def test_without_an_index_it_is_not_known(site: Site) -> None:
    """A list says no size; the image comes whole."""
    site.world.publish_list(site.victim.root.with_name("served"), site.world.believed["rebuilt"])
    for path in site.victim.root.with_name("served").glob("*.caibx"):
        path.unlink()
    assert site.foreseen() == {}
    site.transaction()
    (gdb,) = (path for path in site.victim.layout.store.iterdir() if path.name.startswith("gdb-2"))
    assert came(site, NEW) == gdb.stat().st_size
