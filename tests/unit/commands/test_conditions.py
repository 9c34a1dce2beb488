# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every command as an ordinary user, with nothing there, a broken configuration, a server that is away, nobody reading.

One table: a command of the grammar without a row fails. What ``--json`` prints on such machines is in
tests/unit/documents/test_json.py, Ctrl-C at every step in test_interrupted.py.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from spec.man import described
from tests.lab.images import make_image
from tests.lab.ports import unused_url
from tests.lab.signing import SigningKey
from tests.machine import PlainMachine, PlainSubvolumes
from tests.trees import Content, listing
from tests.unit.commands.busy import ETC, TRANSFER, busy_machine, configure
from tests.unit.commands.started import NOBODY, Commands, Ended, commands
from tukit_sysext.exit_status import COMMAND_LINE

pytestmark = pytest.mark.root

BROKEN = {
    "tukit-sysext.conf": "[Store]\nGrace=soon\n[Plugins]\nLoad=nowhere\n",
    "sources.d/main.conf": "[Source]\nPath=images\n",
    "images.d/gdb.conf": "[Image]\nPolicy=perhaps\n",
    "images.d/htop.conf": "Hold=3.4\n",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A command line that does its work on :func:`good`, and the statuses with which it ends.

    ``status`` is that on a good machine, the others where it differs there. ``misspelt`` are arguments with a name that
    nobody knows, and what is to be proposed instead. ``faults`` tells that it has to do with what the configuration
    says, so that it tells what is wrong in there; ``asks`` that it asks the sources.
    """

    argv: str
    status: int = 0
    empty: int | None = None
    broken: int | None = None
    away: int | None = None
    needs_root: bool = False
    dry_run_needs_root: bool = False
    faults: bool = True
    asks: bool = False
    misspelt: Mapping[str, str] = field(default_factory=dict)

    def expected(self, machine: str) -> int:
        """The status on a machine."""
        different: int | None = getattr(self, machine, None)
        return self.status if different is None else different


ROWS: Mapping[str, Row] = {
    "list": Row(argv="list", broken=1, away=1, asks=True, misspelt={"list gbd": "gdb"}),
    "status": Row(argv="status"),
    "check": Row(argv="check", away=1, asks=True),
    "why-not": Row(
        argv="why-not gdb", empty=1, asks=True, misspelt={"why-not gbd": "gdb", "why-not gdb=1.9": "gdb=1.1"}
    ),
    "inspect": Row(argv="inspect gdb", empty=1, faults=False, misspelt={"inspect gbd": "gdb"}),
    "config": Row(argv="config"),
    "install": Row(
        argv="install strace",
        empty=1,
        broken=1,
        away=1,
        needs_root=True,
        asks=True,
        misspelt={"install sttrace": "strace", "install --source mian strace": "main"},
    ),
    "remove": Row(argv="remove gdb", empty=1, needs_root=True, faults=False, misspelt={"remove gbd": "gdb"}),
    "update": Row(argv="update", broken=1, away=1, needs_root=True, asks=True, misspelt={"update gbd": "gdb"}),
    "hold": Row(argv="hold gdb", empty=1, needs_root=True, faults=False, misspelt={"hold gbd": "gdb"}),
    "unhold": Row(argv="unhold htop", empty=1, needs_root=True, faults=False, misspelt={"unhold htpo": "htop"}),
    "block": Row(argv="block gdb=1.1", needs_root=True, faults=False, misspelt={"block gbd=1.1": "gdb"}),
    "unblock": Row(
        argv="unblock gdb=1.2", empty=1, needs_root=True, faults=False, misspelt={"unblock gbd=1.2": "gdb=1.2"}
    ),
    "adopt": Row(argv="adopt tool", empty=1, needs_root=True, faults=False, misspelt={"adopt tol": "tool"}),
    "snapshots": Row(argv="snapshots", faults=False, misspelt={"snapshots gbd": "gdb"}),
    "diff": Row(argv="diff running default", faults=False, misspelt={"diff runing default": "running"}),
    "history": Row(argv="history gdb", empty=1, faults=False, misspelt={"history gbd": "gdb"}),
    "verify": Row(argv="verify", faults=False),
    "gc": Row(argv="gc", broken=1, needs_root=True, dry_run_needs_root=True),
    "why": Row(argv="why gdb", empty=1, broken=1, needs_root=True, misspelt={"why gbd": "gdb"}),
    "sources": Row(argv="sources"),
    "sources list": Row(argv="sources list"),
    "sources refresh": Row(
        argv="sources refresh",
        broken=1,
        away=1,
        needs_root=True,
        faults=False,
        asks=True,
        misspelt={"sources refresh mian": "main"},
    ),
    "sources add": Row(argv="sources add new {folder} --no-check --key {folder}/key", needs_root=True, faults=False),
    "sources import": Row(
        argv="sources import {folder}/a.transfer --no-check --no-verify", needs_root=True, faults=False
    ),
    "sources enable": Row(
        argv="sources enable main", empty=1, needs_root=True, faults=False, misspelt={"sources enable mian": "main"}
    ),
    "sources disable": Row(
        argv="sources disable main", empty=1, needs_root=True, faults=False, misspelt={"sources disable mian": "main"}
    ),
    "sources reset": Row(
        argv="sources reset main", empty=1, needs_root=True, faults=False, misspelt={"sources reset mian": "main"}
    ),
    "sources remove": Row(
        argv="sources remove main", empty=1, needs_root=True, faults=False, misspelt={"sources remove mian": "main"}
    ),
    "publish": Row(argv="publish {folder}/images -n", needs_root=True, dry_run_needs_root=True, faults=False),
    "doctor": Row(argv="doctor", status=1),
    "preflight": Row(argv="preflight", faults=False),
    "plugins": Row(argv="plugins", broken=1),
    "purge": Row(argv="purge", needs_root=True, faults=False),
    "provision": Row(argv="provision", needs_root=True, faults=False),
    "settle": Row(argv="settle", needs_root=True, faults=False),
    "adapt": Row(argv="adapt", needs_root=True, faults=False),
}
COMMANDS = {" ".join(command.words): command for command in described.commands()}
CAN_DRY_RUN = {
    name: ROWS[name]
    for name, command in COMMANDS.items()
    if name in ROWS and any("--dry-run" in each.flags for each in command.options)
}
SILENT = ("settle",)
"""Commands that print nothing where all is well."""
rows = pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])


dry_runs = pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in CAN_DRY_RUN.items()])
misspelt = pytest.mark.parametrize(
    ("argv", "meant"), [pytest.param(*pair, id=pair[0]) for row in ROWS.values() for pair in row.misspelt.items()]
)


@pytest.fixture(scope="module")
def run() -> Iterator[Commands]:
    with commands() as found:
        yield found


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where an ordinary user can look, unlike in the folders of pytest; it has a key."""
    with tempfile.TemporaryDirectory(prefix="conditions-") as path:
        folder = Path(path)
        folder.chmod(0o755)
        (folder / "key").write_bytes(SigningKey.shared().public())
        (folder / "key").chmod(0o644)
        (folder / "a.transfer").write_text(TRANSFER)
        make_image(folder / "images", "hello", "1.0", release={"ID": "_any"}, manifest=None)
        yield folder


@pytest.fixture(scope="module")
def made(folder: Path, run: Commands) -> Path:
    return busy_machine(folder, run)


@pytest.fixture
def good(made: Path, folder: Path) -> Iterator[Path]:
    root = folder / "copy"
    shutil.copytree(made, root, symlinks=True)
    yield root
    shutil.rmtree(root)


@pytest.fixture
def empty(folder: Path) -> Iterator[Path]:
    """Nothing was ever wanted; one snapshot is there, which runs."""
    site = PlainMachine(folder / "empty")
    snapshot = site.snapshot(1)
    shutil.copy(site.tree(1) / PlainSubvolumes.FILE, site.root / PlainSubvolumes.FILE)
    site.subvolumes.set_default(snapshot.identifier)
    yield site.root
    shutil.rmtree(site.root)


def words(row: Row, folder: Path, *more: str) -> list[str]:
    return [*row.argv.format(folder=folder).split(), *more]


def sound(ended: Ended) -> Ended:
    """Whatever happens: a documented status, no fault of ours, only messages on stderr, no failure in silence."""
    assert ended.status in COMMAND_LINE, ended
    assert "Traceback" not in ended.told and "fault of tukit-sysext" not in ended.told, ended
    for line in ended.err.splitlines():
        assert line.startswith(("tukit-sysext: ", "  next step:", "  or ", "    ")), ended
    assert ended.status == 0 or ended.told, "it fails, and says nothing"
    return ended


def state(root: Path, *besides: str) -> dict[str, Content]:
    """Everything but the cache, and that an image with a record was read: by that it is only recognised faster."""
    found = {path: content for path, content in listing(root).items() if not path.startswith(("var/cache", *besides))}
    for path, content in found.items():
        if path.endswith(".raw.json") and isinstance(content, bytes):
            found[path] = json.dumps({**json.loads(content), "identity": None})
    return found


LOCK = "run"
"""Where the lock is, which is made when it is first asked for."""
NOTICE = "var/lib/tukit-sysext/sources.json"
"""That sources were asked."""


def test_every_command_has_a_row() -> None:
    assert sorted(ROWS) == sorted(COMMANDS)
    named = [
        name
        for name, command in COMMANDS.items()
        if any(each.metavar and not each.choices for each in command.positionals)
        and name not in ("sources add", "sources import", "publish")
    ]
    assert [name for name in named if not ROWS[name].misspelt] == []


@rows
def test_it_works_and_only_some_change_something(run: Commands, good: Path, folder: Path, row: Row) -> None:
    before = state(good, LOCK)
    ended = sound(run(good, *words(row, folder)))
    assert (ended.status, ended.err) == (row.status, "")
    assert ended.out or row.argv in SILENT
    # nothing is there to provision, settle or enable, why only looks, and what is published is no part of the machine
    idle = ("provision", "settle", "sources enable main", "why gdb", ROWS["publish"].argv)
    assert (state(good, LOCK) != before) is (row.needs_root and row.argv not in idle)


@rows
def test_an_ordinary_user(run: Commands, good: Path, folder: Path, row: Row) -> None:
    """What reads says the same as to root; what changes something says that it needs root, and how."""
    before = state(good)
    ended = sound(run(good, *words(row, folder), user=NOBODY))
    command = " ".join(words(row, folder)[: 2 if row.argv.startswith("sources ") else 1])
    typed = " ".join(("tukit-sysext", *words(row, folder)))
    if row.needs_root:
        assert (ended.status, ended.out) == (1, "")
        assert ended.err == f"tukit-sysext: {command} needs root\n  next step:\n    sudo {typed}\n"
    else:
        assert (ended.status, ended.err) == (row.status, "")
        assert state(good) == before
        same = run(good, *words(row, folder)).out
        # what it may not look into it says; which of the rest would be root's is asked of other tests
        assert ended.out == same or row.argv in ("doctor", "verify", "inspect gdb")


@rows
def test_nothing_is_configured(run: Commands, empty: Path, folder: Path, row: Row) -> None:
    ended = sound(run(empty, *words(row, folder)))
    assert ended.status == row.expected("empty")
    if ended.status != row.status:
        assert re.search("expected|No (image|entry|source)|no such|no source is configured", ended.err), (
            "says neither what is missing nor what is there"
        )


@rows
def test_a_broken_configuration(run: Commands, good: Path, folder: Path, row: Row) -> None:
    configure(good, BROKEN)
    ended = sound(run(good, *words(row, folder)))
    assert ended.status == row.expected("broken")
    if row.faults:
        assert "/etc/tukit-sysext/" in ended.told or "plugin nowhere is not loaded" in ended.told
    if row.argv in ("status", "check", "config"):
        for path in BROKEN:
            assert re.search(rf"/{ETC}/{path}:\d: .*(expected|stands in no section)", ended.told), path


@rows
def test_a_server_that_is_away(run: Commands, good: Path, folder: Path, row: Row) -> None:
    """It is tried once: whoever is there can do it once more. One line says so, for all trees together."""
    url = unused_url()
    configure(
        good,
        {
            "sources.d/main.conf": f"[Source]\nURL={url}\nVerify=no\n",
            "tukit-sysext.conf": "[Network]\nDeadline=5s\n",
        },
    )
    ended = sound(run(good, *words(row, folder)))
    assert ended.status == row.expected("away")
    assert (f"{url}/SHA256SUMS: connection refused" in ended.told) is row.asks
    if row.needs_root and row.asks:
        assert ended.err.count("connection refused") == 1, ended.err
    if row.asks:
        tried = sound(run(good, *words(row, folder, "-v"))).err.splitlines()
        assert tried.count(f"tukit-sysext: cannot fetch {url}/SHA256SUMS: connection refused") == 1


def connections(silent: socket.socket) -> int:
    """How often somebody has connected to a server that never took a connection."""
    silent.setblocking(False)
    count = 0
    with suppress(BlockingIOError):
        while True:
            silent.accept()[0].close()
            count += 1
    return count


@rows
def test_a_server_that_says_nothing_is_waited_for_once(run: Commands, good: Path, folder: Path, row: Row) -> None:
    """Until the deadline of one list, however many trees want something of it."""
    if not row.asks:
        return
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        configure(
            good,
            {
                "sources.d/main.conf": f"[Source]\nURL={url}\nVerify=no\n",
                "tukit-sysext.conf": "[Network]\nDeadline=1s\n",
            },
        )
        ended = sound(run(good, *words(row, folder)))
        assert connections(silent) == 1, "a second tree waited for it, too"
    assert ended.status == row.expected("away")


@dry_runs
def test_a_dry_run_changes_nothing(run: Commands, good: Path, folder: Path, row: Row) -> None:
    before = state(good)
    ended = sound(run(good, *words(row, folder, "--dry-run")))
    assert (ended.status, ended.err) == (row.status, "")
    assert state(good) == before
    user = sound(run(good, *words(row, folder, "--dry-run"), user=NOBODY))
    if row.dry_run_needs_root:
        assert (user.status, "needs root" in user.err) == (1, True)
    else:
        assert (user.status, user.err) == (row.status, "")


@dry_runs
def test_a_dry_run_does_not_wait_for_a_server_that_is_away(run: Commands, good: Path, folder: Path, row: Row) -> None:
    files = {"sources.d/main.conf": f"[Source]\nURL={unused_url()}\n", "tukit-sysext.conf": "[Network]\nDeadline=1h\n"}
    assert sound(run(configure(good, files), *words(row, folder, "--dry-run"))).status == row.expected("away")


@rows
def test_nobody_reads(run: Commands, good: Path, folder: Path, row: Row) -> None:
    """What it does is done all the same, and what was wrong is not hidden by that."""
    ended = run(good, *words(row, folder), closed=True)
    assert ended.status == (row.status if row.argv in SILENT or row.status != 0 else 141)
    assert ended.status != 141 or ended.err == ""
    if row.needs_root:
        told = sound(run(good, *words(row, folder)))
        assert told.status in (0, 1, 2)


@misspelt
def test_a_name_that_nobody_knows(run: Commands, good: Path, argv: str, meant: str) -> None:
    before = state(good, LOCK, NOTICE)
    ended = sound(run(good, *argv.split()))
    assert re.search(rf"[Dd]id you mean {re.escape(meant)}\?", ended.err), ended.err
    if argv.startswith("block "):
        return  # nobody knows yet what will be published
    assert ended.status in (1, 2)
    assert state(good, LOCK, NOTICE) == before, "it did something all the same"
