# SPDX-License-Identifier: LGPL-2.1-or-later
"""The file of metrics: what is in it, when it is written, and that it fails nothing."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from spec.man import described
from tests.machine import NEW, PlainMachine, with_source
from tests.trees import Link, listing, make_tree
from tests.unit.metrics.exposition import check
from tukit_sysext import cli
from tukit_sysext.grammar import parser
from tukit_sysext.ledger.ledger import Ledger, LedgerEvent
from tukit_sysext.metrics import metrics
from tukit_sysext.metrics.measured import measured
from tukit_sysext.metrics.table import METRICS, PREFIX
from tukit_sysext.preflight import last_answer
from tukit_sysext.preflight.decide import Answer, Verdict
from tukit_sysext.system.lock import alone
from tukit_sysext.update import refusal
from tukit_sysext.update.refusal import HeldBack, Refusal

pytestmark = pytest.mark.root

FILE = "var/metrics/tukit-sysext.prom"
NOON = 1_793_534_400


@pytest.fixture
def two_systems(tmp_path: Path) -> PlainMachine:
    """gdb fits in both systems, htop in the running one alone, strace is not there."""
    site = with_source(tmp_path)
    for name in ("gdb", "htop", "strace"):
        site.want(name)
    site.snapshot_with(1, {"gdb": "1.0", "htop": "3.4"})
    site.boot(1)
    site.snapshot_with(2, {"gdb": "1.1"}, level=NEW, default=True)
    site.link_image(site.tree(2), "htop", "3.4")
    for name in ("gdb", "htop", "strace"):
        make_tree(site.tree(2), {f"etc/tukit-sysext/images.d/{name}.conf": "[Image]\n"})
    make_tree(site.root, {"var/metrics": None})
    return site


def configure(site: PlainMachine, path: str = f"/{FILE}") -> None:
    make_tree(site.root, {"etc/tukit-sysext/tukit-sysext.conf": f"[Metrics]\nFile={path}\n"})


def samples(site: PlainMachine) -> dict[tuple[str, str], float]:
    exposed = check((site.root / FILE).read_text())
    return {(name.removeprefix("tukit_sysext_"), labels): value for (name, labels), value in exposed.items()}


def test_nothing_is_written_unless_it_is_asked_for(two_systems: PlainMachine) -> None:
    before = listing(two_systems.root)
    metrics.update(two_systems.machine)
    assert listing(two_systems.root) == before


def test_what_is_measured(two_systems: PlainMachine) -> None:
    configure(two_systems)
    mark = Refusal(last=NOON + 60, times=2, system="os 2", images={"gdb": HeldBack(reason="none", since=NOON)})
    refusal.write(two_systems.layout.refused, mark)
    with Ledger(two_systems.layout.ledger) as ledger:
        for time in ("2026-11-01T10:00:00Z", "2026-11-02T10:00:00Z"):
            ledger.add([LedgerEvent(time=time, kind="transaction finalized", snapshot=2, image=None, detail="")])
    metrics.update(two_systems.machine)
    values = samples(two_systems)
    assert (values["update_refused", ""], values["update_refusals", ""]) == (1, 2)
    assert values["update_refused_since_timestamp_seconds", ""] == NOON
    assert values["last_success_timestamp_seconds", ""] == 1_793_613_600
    names = ("images_wanted", "images_good", "images_absent", "images_not_fitting", "images_lost", "links_blocking")
    assert [values[name, 'tree="running"'] for name in names] == [3, 2, 1, 0, 0, 0]
    assert [values[name, 'tree="next"'] for name in names] == [3, 1, 1, 1, 0, 0]
    assert values["image_refuses_since_timestamp_seconds", 'image="gdb"'] == NOON
    assert values["next_update_refused", ""] == 1
    sizes = [path.stat().st_blocks * 512 for path in two_systems.layout.store.iterdir()]
    assert (values["store_bytes", ""], values["store_files", ""]) == (sum(sizes), 3)
    assert (two_systems.root / FILE).stat().st_mode & 0o777 == 0o644


def test_images_are_named(two_systems: PlainMachine) -> None:
    """A version for each image that a tree has linked, and for each that it wants whether it is good."""
    configure(two_systems)
    metrics.update(two_systems.machine)
    values = samples(two_systems)
    versions = {labels for name, labels in values if name == "image_info"}
    assert versions == {
        f'tree="{tree}",image="{image}",version="{version}",policy="required"'
        for tree, image, version in [
            ("running", "gdb", "1.0"),
            ("running", "htop", "3.4"),
            ("next", "gdb", "1.1"),
            ("next", "htop", "3.4"),
        ]
    }
    good = {labels: value for (name, labels), value in values.items() if name == "image_good"}
    assert good == {
        'tree="running",image="gdb"': 1,
        'tree="running",image="htop"': 1,
        'tree="running",image="strace"': 0,
        'tree="next",image="gdb"': 1,
        'tree="next",image="htop"': 0,
        'tree="next",image="strace"': 0,
    }


def test_names_and_labels_are_those_of_the_table(two_systems: PlainMachine) -> None:
    """Also of those that have no sample now."""
    held = {"gdb": HeldBack(reason="none", since=NOON)}
    refusal.write(two_systems.layout.refused, Refusal(last=NOON, times=1, system="os 2", images=held, missed=held))
    found = measured(two_systems.machine)
    assert [metric.name.removeprefix(PREFIX) for metric in found] == list(METRICS)
    for metric in found:
        labels = METRICS[metric.name.removeprefix(PREFIX)].labels
        assert all(tuple(sample.labels) == labels for sample in metric.samples), metric.name


def test_an_image_that_is_missed_is_named(two_systems: PlainMachine) -> None:
    configure(two_systems)
    missed = {"strace": HeldBack(reason="none", since=NOON)}
    mark = Refusal(last=NOON, times=0, system="os 2", images={}, missed=missed)
    refusal.write(two_systems.layout.refused, mark)
    metrics.update(two_systems.machine)
    values = samples(two_systems)
    assert values["image_missed_since_timestamp_seconds", 'image="strace"'] == NOON
    assert (values["update_refused", ""], values["update_images_missed", ""]) == (0, 1)


def test_the_last_collection(two_systems: PlainMachine) -> None:
    """What it freed is what it said that it freed."""
    configure(two_systems)
    two_systems.link_image(two_systems.root.parent / "nowhere", "unused", "1.0")
    make_tree(two_systems.root, {"etc/tukit-sysext/tukit-sysext.conf.d/grace.conf": "[Store]\nGrace=0\n"})
    size = (two_systems.layout.store / "unused-1.0.x86-64.raw").stat().st_blocks * 512
    assert [cli.main(["gc"], machine=two_systems.machine) for _ in range(2)] == [0, 0]
    values = samples(two_systems)
    assert values["last_collection_freed_bytes", ""] == size
    assert values["last_collection_timestamp_seconds", ""] == pytest.approx(time.time(), abs=60)
    assert cli.main(["gc"], machine=two_systems.machine) == 0
    assert samples(two_systems)["last_collection_freed_bytes", ""] == 0


@pytest.mark.parametrize(
    ("verdict", "refused"), [(Verdict.REFUSED, 1), (Verdict.PASSES, 0), (Verdict.NO_UPDATE, 0), (Verdict.UNKNOWN, None)]
)
def test_the_last_preflight(two_systems: PlainMachine, verdict: Verdict, refused: int | None) -> None:
    configure(two_systems)
    last_answer.remember(two_systems.machine, Answer(verdict=verdict, reason=""))
    metrics.update(two_systems.machine)
    values = samples(two_systems)
    assert values.get(("preflight_refused", "")) == refused
    assert (("preflight_timestamp_seconds", "") in values) == (refused is not None)


def test_preflight_remembers_its_answer(two_systems: PlainMachine) -> None:
    assert cli.main(["preflight"], machine=two_systems.machine) == 0
    answer = last_answer.recall(two_systems.machine)
    assert answer is not None and answer.verdict is Verdict.UNKNOWN
    two_systems.layout.preflight.write_text('{"time": 1, "verdict": "perhaps"}')
    assert last_answer.recall(two_systems.machine) is None


def test_what_is_not_known_has_no_sample(two_systems: PlainMachine) -> None:
    configure(two_systems)
    metrics.update(two_systems.machine)
    values = samples(two_systems)
    assert values["update_refused", ""] == 0
    assert {name for name, _ in values} & {
        "update_refused_since_timestamp_seconds",
        "last_success_timestamp_seconds",
    } == set()


def test_lost_images_and_links_that_block(two_systems: PlainMachine) -> None:
    configure(two_systems)
    (two_systems.layout.store / "htop-3.4.x86-64.raw").unlink()
    make_tree(two_systems.root, {"etc/extensions/round.raw": Link("round.raw")})
    metrics.update(two_systems.machine)
    values = samples(two_systems)
    assert values["images_lost", 'tree="running"'] == values["links_blocking", 'tree="running"'] == 1


def test_it_is_written_only_when_something_changed(two_systems: PlainMachine) -> None:
    configure(two_systems)
    metrics.update(two_systems.machine)
    before = os.stat(two_systems.root / FILE)
    metrics.update(two_systems.machine)
    after = os.stat(two_systems.root / FILE)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    (two_systems.layout.store / "gdb-1.1.x86-64.raw").unlink()
    metrics.update(two_systems.machine)
    assert os.stat(two_systems.root / FILE).st_ino != before.st_ino, "readers see one file or the other"


LOOKING = "check config diff doctor history inspect list plugins snapshots status why why-not"


def test_which_commands_are_followed_by_it() -> None:
    """All but those that only look; what the grammar says, as the command line reads it."""
    commands = {" ".join(command.words) for command in described.commands()}
    assert {words for words in commands if not _marked(words)} == {*LOOKING.split(), "sources", "sources list"}


def _marked(words: str) -> bool:
    """Whether a command is one that the metrics follow."""
    needs = {
        "why": ["gdb"],
        "inspect": ["gdb"],
        "why-not": ["gdb"],
        "diff": ["1", "2"],
        "install": ["gdb"],
        "remove": ["gdb"],
        "hold": ["gdb"],
        "unhold": ["gdb"],
        "block": ["gdb=1"],
        "unblock": ["gdb=1"],
        "publish": ["/srv", "--key", "me"],
        "sources add": ["main", "/srv"],
        "sources import": ["/srv"],
        "sources remove": ["main"],
        "sources reset": ["main"],
        "sources enable": ["main"],
        "sources disable": ["main"],
    }
    argv = [*words.split(), *needs.get(words, [])]
    marked = parser(argv).parse_args(argv).changes
    assert isinstance(marked, bool)
    return marked


@pytest.mark.parametrize(
    "argv",
    [
        ["settle"],
        ["gc"],
        ["verify"],
        ["verify", "--boot"],
        ["install", "gdb"],
        ["remove", "gdb"],
        ["update"],
        ["hold", "gdb"],
        ["unhold", "gdb"],
        ["block", "gdb=0.1"],
        ["sources", "refresh"],
        ["sources", "disable", "main"],
        ["provision"],
        ["preflight"],
        ["install", "nobody-has-this"],
    ],
    ids=" ".join,
)
def test_after_what(two_systems: PlainMachine, argv: list[str]) -> None:
    """Also where the command fails: it may have changed something before."""
    configure(two_systems)
    cli.main(argv, machine=two_systems.machine)
    assert samples(two_systems)["images_wanted", 'tree="running"'] == (2 if "remove" in argv else 3)


@pytest.mark.parametrize("argv", [["status"], ["list"], ["check"]], ids=" ".join)
def test_who_only_looks_writes_nothing(two_systems: PlainMachine, argv: list[str]) -> None:
    configure(two_systems)
    cli.main(argv, machine=two_systems.machine)
    assert not (two_systems.root / FILE).exists()


def test_who_measures_first_does_not_write_last(two_systems: PlainMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time measures; where that takes too long there are no metrics for now."""
    monkeypatch.setattr(metrics, "PATIENCE", 0.2)
    configure(two_systems)
    with alone(two_systems.layout.locks / "metrics"):
        metrics.update(two_systems.machine)
    assert not (two_systems.root / FILE).exists()
    metrics.update(two_systems.machine)
    assert (two_systems.root / FILE).exists()


def test_a_dry_run_writes_nothing(two_systems: PlainMachine) -> None:
    configure(two_systems)
    cli.main(["gc", "--dry-run"], machine=two_systems.machine)
    assert not (two_systems.root / FILE).exists()


@pytest.mark.parametrize("path", ["/var/nowhere/a.prom", "/etc/os-release/a.prom", "/var/metrics/folder.prom"])
def test_a_place_that_cannot_be_written_fails_nothing(
    two_systems: PlainMachine, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    make_tree(two_systems.root, {"var/metrics/folder.prom": None})
    configure(two_systems, path)
    metrics.update(two_systems.machine)
    assert "the metrics are not written" in caplog.text
    assert all(record.levelno < logging.ERROR for record in caplog.records), "an error would be a fault of the update"


def test_a_fault_in_measuring_fails_nothing(
    two_systems: PlainMachine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr("tukit_sysext.metrics.measured.measured", failing)
    configure(two_systems)
    metrics.update(two_systems.machine)
    assert "RuntimeError: injected" in caplog.text
