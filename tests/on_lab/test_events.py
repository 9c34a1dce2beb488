# SPDX-License-Identifier: LGPL-2.1-or-later
"""After everything that was recorded of tukit and snapper, ledger, links and store are as they should be.

Everything is done once, in one lab, and settled after each operation; the tests compare one operation each. The same
with every event lost: another ledger, which is settled now and then without any event.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour, SnapshotRow
from tests.on_lab import operations, recordings
from tests.on_lab.operations import SNAPPER
from tests.on_lab.site import OLD, STATE, Site
from tests.on_lab.test_recordings import IN_PROGRESS, PLUGINS
from tukit_sysext.ledger.ledger import DEFAULT, Ledger, LedgerSnapshot
from tukit_sysext.system.subvolume import BtrfsSubvolumes

LEDGER = f"{STATE}/ledger.db"
EVENTS = "/run/tukit-sysext/events"
EVERY = 9
"""After how many operations the ledger that gets no events is settled."""

NAMES = [
    *(recording.id for recording in recordings.load()),
    "killed",
    "killed-and-deleted",
    "deleted-beside-snapper",
    *(operation.id for operation in operations.of_snapper()),
    "all-argv-again",
]
OF_READ_ONLY_ROOTS = ("12-discard-nochange-1", "15-tukit-rollback-1")
LOST = [*NAMES[:-1][EVERY - 1 :: EVERY], "all-argv-again"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """The machine after an operation: what snapper, the disk and the ledger say. ``history`` is what the ledger gained.

    ``lost`` is the ledger that got no events, where it was settled, ``once`` the one that was settled once in the end.
    """

    snapper: Sequence[SnapshotRow]
    identities: frozenset[tuple[int, str]]
    links: Mapping[int, Mapping[str, str]]
    store: Sequence[str]
    records: Sequence[str]
    spooled: Sequence[str]
    ledger: Sequence[LedgerSnapshot]
    default: str | None
    history: Sequence[str]
    lost: Sequence[LedgerSnapshot] | None = None
    once: Sequence[LedgerSnapshot] | None = None


@dataclass(kw_only=True)
class Observer:
    """Settles and looks."""

    site: Site
    folder: Path
    events: int = 0
    seen: dict[str, Seen] = field(default_factory=dict)

    def ledger(self) -> tuple[Sequence[LedgerSnapshot], str | None, list[str]]:
        copy = shutil.copy(self.site.lab.path(LEDGER), self.folder / "copy.db")
        with Ledger(Path(copy), writable=False) as ledger:
            events = ledger.events()
            new = [f"{event.kind} {event.snapshot}" for event in events[self.events :]]
            self.events = len(events)
            return ledger.snapshots(), ledger.recall(DEFAULT), new

    def without_events(self, name: str = "other") -> Sequence[LedgerSnapshot]:
        """Settle another ledger, which no event reached, and put it away again."""
        ledger, other = self.site.lab.path(LEDGER), self.folder / f"{name}.db"
        kept = shutil.copy(ledger, self.folder / "kept.db")
        if other.exists():
            shutil.copy(other, ledger)
        assert self.site.events() == []
        self.site.command("settle")
        shutil.copy(ledger, other)
        with Ledger(other, writable=False) as opened:
            rows = opened.snapshots()
        shutil.copy(kept, ledger)
        return rows

    def look(self, name: str, *, lost: bool) -> None:
        self.site.command("settle")
        snapper = self.site.lab.snapshots()
        rows, default, history = self.ledger()
        find = BtrfsSubvolumes().find
        found = {row.number: find(self.site.lab.snapshot(row.number)) for row in snapper}
        self.seen[name] = Seen(
            snapper=snapper,
            identities=frozenset((number, each.uuid) for number, each in found.items() if each is not None),
            links={row.number: self.site.links(row.number) for row in snapper},
            store=self.site.store(),
            records=self.site.records(),
            spooled=self.site.events(),
            ledger=rows,
            default=default,
            history=history,
            lost=self.without_events() if lost else None,
        )


@pytest.fixture(
    scope="module",
    params=[Flavour.MICROOS, pytest.param(Flavour.TUMBLEWEED, marks=pytest.mark.long)],
    ids=lambda flavour: str(flavour.value),
)
def seen(
    request: pytest.FixtureRequest, start_shared_lab: StartLab, our_tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Seen]:
    """The machine after every operation, by its name."""
    install = {
        our_tree: "/",
        PLUGINS / "tukit-trace": "/usr/lib/tukit/plugins/10-trace",
        PLUGINS / "tukit-second": "/usr/lib/tukit/plugins/20-second",
        PLUGINS / "snapper-trace": "/usr/lib/snapper/plugins/10-trace",
    }
    site = Site(lab=start_shared_lab(request.param, install=install)).prepare()
    # as on a machine with systemd, whose path unit would start the settling
    site.lab.path("/run/systemd/system").mkdir(parents=True)
    site.publish("debug", "1.0", OLD)
    site.want("debug", policy="optional")
    observer = Observer(site=site, folder=tmp_path_factory.mktemp("ledger"))
    second = operations.second_snapshot(site.lab)
    observer.site.command("settle")
    observer.events = len(observer.ledger()[2])
    observer.without_events()
    for count, (name, do) in enumerate(operations.steps(site.lab, second), 1):
        do()
        observer.look(name, lost=count % EVERY == 0)
        if count == EVERY:
            # from here on to the end this one hears and sees nothing
            shutil.copy(observer.folder / "other.db", observer.folder / "once.db")
    operations.tell(site.lab, operations.all_rows())
    observer.look("all-argv-again", lost=True)
    observer.seen["all-argv-again"] = replace(observer.seen["all-argv-again"], once=observer.without_events("once"))
    return observer.seen


def rows_here(rows: Sequence[LedgerSnapshot]) -> dict[int, LedgerSnapshot]:
    found = [row for row in rows if row.gone is None]
    assert len({row.number for row in found}) == len(found), "two of one number"
    return {row.number: row for row in found}


def before(seen: Mapping[str, Seen], name: str) -> Seen | None:
    place = NAMES.index(name)
    return seen[NAMES[place - 1]] if place else None


def is_as_the_disk(rows: Sequence[LedgerSnapshot], now: Seen) -> None:
    here = rows_here(rows)
    assert {(row.number, row.uuid) for row in here.values()} == now.identities
    assert {number: (row.read_only, row.state) for number, row in here.items()} == {
        row.number: (row.read_only, "open" if row.userdata.get(IN_PROGRESS) == "yes" else "closed")
        for row in now.snapper
    }
    assert {number: dict(row.images) for number, row in here.items()} == {
        number: {name: file for name, file in links.items() if "/" not in file} for number, links in now.links.items()
    }
    keys = [(row.number, row.uuid) for row in rows]
    assert len(set(keys)) == len(keys)


def test_every_recording_is_played() -> None:
    names = {name.split("-")[0] for name in NAMES}
    assert names >= {*(f"{n:02}" for n in (*range(1, 16), 20, *range(30, 46), 48))}
    assert len(operations.all_rows()) > 500


@pytest.mark.parametrize("name", NAMES, ids=operations.slug)
class TestAfter:
    def test_the_ledger_has_what_is_there(self, seen: Mapping[str, Seen], name: str) -> None:
        is_as_the_disk(seen[name].ledger, seen[name])

    def test_what_was_seen_and_is_not_there_is_marked_as_gone(self, seen: Mapping[str, Seen], name: str) -> None:
        now, earlier = seen[name], before(seen, name)
        known = {(row.number, row.uuid) for row in earlier.ledger} if earlier is not None else set()
        gone = {(row.number, row.uuid) for row in now.ledger if row.gone is not None}
        assert known - now.identities <= gone
        assert not gone & now.identities

    def test_what_boots_next_is_known(self, seen: Mapping[str, Seen], name: str) -> None:
        default = next(row.number for row in seen[name].snapper if row.default)
        uuid = dict(seen[name].identities)[default]
        assert seen[name].default == f"{default} {uuid}"

    def test_store_and_spool(self, seen: Mapping[str, Seen], name: str) -> None:
        now = seen[name]
        assert list(now.store) == ["debug-1.0.x86-64.raw"]
        assert list(now.records) == ["debug-1.0.x86-64.raw.json"]
        assert list(now.spooled) == []
        assert {file for links in now.links.values() for file in links.values()} <= set(now.store)


@pytest.mark.parametrize("name", LOST, ids=operations.slug)
def test_without_any_event(seen: Mapping[str, Seen], name: str) -> None:
    """What exists is known as well, and what is gone as far as it was ever seen."""
    now, earlier = seen[name], LOST[: LOST.index(name)]
    assert now.lost is not None
    is_as_the_disk(now.lost, now)
    assert rows_here(now.lost) == rows_here(now.ledger)
    gone = {(row.number, row.uuid) for row in now.lost if row.gone is not None}
    assert gone <= {(row.number, row.uuid) for row in now.ledger if row.gone is not None}
    known = {(row.number, row.uuid) for row in seen[earlier[-1]].lost or ()} if earlier else set()
    assert known - now.identities <= gone


def test_one_settling_in_the_end(seen: Mapping[str, Seen]) -> None:
    """Every event was lost; what came and went meanwhile nobody knows of, the rest is as if each event had arrived."""
    now = seen["all-argv-again"]
    assert now.once is not None
    is_as_the_disk(now.once, now)
    assert rows_here(now.once) == rows_here(now.ledger)
    known_before = {(row.number, row.uuid) for row in now.once} - now.identities
    assert known_before, "snapshots that it knew went"
    assert known_before == {(row.number, row.uuid) for row in now.once if row.gone is not None}


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        (
            "01-execute-true-1",
            "snapshot created, snapshot modified, read-only changed, transaction finalized, default changed",
        ),
        ("02-execute-false-1", "transaction aborted, snapshot deleted"),
        ("03-execute-keep-false-1", "transaction aborted, snapshot created, read-only changed"),
        ("06-open-1", "snapshot created, transaction kept"),
        ("07-call-1", ""),  # kept as it was
        ("10-close-1", "snapshot modified, read-only changed, transaction finalized, default changed"),
        ("11-open-abort-2", "transaction aborted, snapshot deleted"),
        ("12-discard-nochange-1", "transaction discarded, snapshot deleted"),
        ("14-discard-open-3", "transaction discarded, snapshot deleted"),
        ("15-tukit-rollback-1", "snapshot modified, default changed, rolled back"),
        ("killed", "snapshot created"),
        ("killed-and-deleted", "transaction aborted, snapshot deleted"),
        ("30-snapper-create-single-1", "snapshot created"),
        ("34-snapper-create-command-1", "snapshot created, snapshot created"),
        ("35-snapper-modify-1", "snapshot modified"),
        ("37-snapper-modify-default-1", "default changed"),
        ("38-snapper-delete-2", "snapshot deleted, snapshot deleted"),
        ("40-rollback-transactional-num-1", "snapshot modified, default changed, rolled back"),
        (
            "42-rollback-classic-nonum-1",
            "snapshot created, snapshot created, snapshot modified, default changed, rolled back",
        ),
        (
            "43-rollback-classic-num-1",
            "snapshot created, snapshot created, snapshot modified, default changed, rolled back",
        ),
    ],
)
def test_what_is_remembered(seen: Mapping[str, Seen], request: pytest.FixtureRequest, name: str, kinds: str) -> None:
    if name in OF_READ_ONLY_ROOTS and request.node.callspec.params["seen"] is Flavour.TUMBLEWEED:
        pytest.skip("with a plain /etc, or a writable root, other things happen")
    happened = [event.rpartition(" ")[0] for event in seen[name].history]
    assert [kind for kind in happened if kind not in ("linked", "replaced")] == [
        kind for kind in kinds.split(", ") if kind
    ]


def test_all_the_argv_again_changes_nothing(seen: Mapping[str, Seen]) -> None:
    """Hundreds of events, most of snapshots that are not there: none is believed against the disk."""
    last, now = seen[NAMES[-2]], seen["all-argv-again"]
    assert rows_here(last.ledger) == rows_here(now.ledger)
    assert len(last.ledger) == len(now.ledger)
    assert (last.default, last.links, last.identities) == (now.default, now.links, now.identities)


@pytest.mark.parametrize("fault", ["no Python", "a broken module", "a full disk", "no right to write"])
def test_towards_snapper_the_end_is_always_0(site: Site, fault: str) -> None:
    """Whatever is wrong with us: a failure of ours would fail snapper's action."""
    lab = site.lab
    match fault:
        case "no Python":
            lab.path("/var/none").touch(0o644)
            lab.run(["sh", "-c", "mount --bind /var/none $(readlink -f /usr/bin/python3)"])
        case "a broken module":
            lab.path("/var/broken.py").write_text("raise SystemExit(7)\n")
            where = lab.run(["python3", "-c", "import tukit_sysext.entry as e; print(e.__file__)"]).stdout.strip()
            lab.run(["mount", "--bind", "/var/broken.py", where])
            lab.run(["sh", "-c", f"mount -t tmpfs tmpfs $(dirname {where})/__pycache__ || true"])
        case "a full disk":
            lab.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "tmpfs", "/run/tukit-sysext"])
            lab.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "tmpfs", STATE])
        case _:
            lab.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/run/tukit-sysext"])
            lab.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", STATE])
    done = lab.run(["snapper", "--no-dbus", "create", "-p"], check=False)
    assert done.returncode == 0
    for stage in ("create-snapshot", "create-snapshot-post", "set-read-only", "delete-snapshot-post", "rollback-post"):
        done = lab.run([SNAPPER, stage, "/", "btrfs", "1", "1"], check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_settled_by_the_next_command_without_systemd(site: Site) -> None:
    """Where nobody settles later the end of a transaction does, or a command; the legacy stages too."""
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    assert site.events() == []
    first = site.lab.running
    made = int(site.lab.run(["snapper", "--no-dbus", "create", "-p"]).stdout)
    site.lab.run([SNAPPER, "set-read-only", "/", "btrfs", str(made)])
    assert site.events() != []
    site.command("check")
    assert site.events() != [], "a command that changes nothing settles nothing"
    site.command("history")
    assert site.events() == []
    site.lab.run(["snapper", "--no-dbus", "delete", str(made)])
    site.lab.run(["snapper", "--no-dbus", "--ambit", "transactional", "rollback", str(first)])
    site.command("gc")
    assert site.events() == []
    assert {number: dict(images) for number, images in site.ledger_here().items()} == {
        number: site.links(number) for number in site.numbers()
    }
    assert [row.number for row in site.ledger() if row.gone is not None] == [made]
    kinds = [event["kind"] for event in site.json("history", "--all")["events"] if event["snapshot"] == made]
    assert kinds == ["snapshot created", "read-only changed", "snapshot deleted"]


def test_an_ordinary_user_can_ask_the_ledger(site: Site) -> None:
    """Who may not look into snapshots is told what was settled, and nothing is written for it."""
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    before = site.lab.path(LEDGER).read_bytes()
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "tukit-sysext"]
    assert "debug" in site.lab.run([*nobody, "history", "debug"]).stdout
    told = site.lab.run([*nobody, "diff", "1", "default"]).stdout
    assert [line.split() for line in told.splitlines() if line.startswith("debug")] == [["debug", "-", "1.0", "added"]]
    assert "from the ledger" in told
    assert site.lab.path(LEDGER).read_bytes() == before
