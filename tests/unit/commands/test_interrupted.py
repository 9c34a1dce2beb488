# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ctrl-C at every call by which a command changes something: nothing is half done, and it can be run again.

strace(1) counts the calls of a run that nobody disturbs, and sends SIGINT at one of them in each of the others.
tests/crash does the same with SIGKILL and power cuts for the hook and what runs unattended.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from spec.man import described
from tests.crash.calls import TRACED, Call, parse
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.trees import listing
from tests.unit.commands.busy import NEXT, TRANSFER, busy_machine, configure
from tests.unit.commands.started import Commands, Ended, commands
from tukit_sysext import cli

pytestmark = pytest.mark.root

INTERRUPTED = "tukit-sysext: interrupted\n"
GENTLE = 4
"""So many calls of each command are tried by default."""
_OPTIONS = ("-y", "-s", "16", "-e", f"trace={','.join(TRACED)}")


def unneeded(run: Commands, root: Path) -> None:
    """An image that nothing needs any more, seen so by one collection."""
    configure(root, {"tukit-sysext.conf": "[Store]\nGrace=0s\n"})
    done(run(root, "install", "strace"))
    done(run(root, "remove", "strace"))
    done(run(root, "gc"))
    with closing(sqlite3.connect(root / "var/lib/tukit-sysext/ledger.db")) as ledger, ledger:
        # not in this very second: nothing of the ledger would change then
        ledger.execute("UPDATE note SET value = '2026-01-01T00:00:00Z' WHERE key = 'collected'")


def damaged(run: Commands, root: Path) -> None:
    """An image that is not whole, and one that is missing."""
    done(run(root, "install", "strace"))
    done(run(root, "update"))
    store = root / "var/lib/sysext-store"
    (store / "gdb-1.1.x86-64.raw").unlink()
    path = store / "strace-6.1.x86-64.raw"
    path.write_bytes(path.read_bytes()[:-3] + b"rot")


def unsettled(run: Commands, root: Path) -> None:
    """A snapshot has come, one that the ledger remembers has gone."""
    done(run(root, "settle"))
    shutil.copytree(root / ".snapshots/2", root / ".snapshots/3", symlinks=True)
    found = json.loads((root / ".snapshots/3/snapshot/.subvolume").read_text())
    found |= {"identifier": found["identifier"] + 1, "uuid": "00000000-0000-0000-0000-000000000003"}
    (root / ".snapshots/3/snapshot/.subvolume").write_text(json.dumps(found))
    shutil.rmtree(root / ".snapshots/2")
    (root / ".default-subvolume").write_text(str(found["identifier"]))


def wanting_strace(run: Commands, root: Path) -> None:
    """An image is wanted that the machine has never had."""
    (root / "etc/tukit-sysext/images.d/strace.conf").write_text("[Image]\n")


def nothing(run: Commands, root: Path) -> None:
    """The machine is as it should be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """A command line, and what happens to the machine before it; ``served`` where its source is a server."""

    argv: str
    before: Callable[[Commands, Path], None] = nothing
    served: bool = False


SCENARIOS: Mapping[str, Scenario] = {
    "install": Scenario(argv="install strace"),
    "install from a server": Scenario(argv="install strace", served=True),
    "remove": Scenario(argv="remove gdb"),
    "update": Scenario(argv="update"),
    "hold": Scenario(argv="hold gdb"),
    "unhold": Scenario(argv="unhold htop"),
    "block": Scenario(argv="block gdb=1.1"),
    "unblock": Scenario(argv="unblock gdb=1.2"),
    "adopt": Scenario(argv="adopt tool"),
    "sources add": Scenario(argv="sources add new {folder} --no-check --key {folder}/key"),
    "sources import": Scenario(argv="sources import {folder}/a.transfer --no-check --no-verify"),
    "sources disable": Scenario(argv="sources disable main"),
    "sources enable": Scenario(argv="sources enable main", before=lambda run, root: _disable(run, root)),
    "sources remove": Scenario(argv="sources remove new", before=lambda run, root: _add(run, root)),
    "sources reset": Scenario(argv="sources reset main"),
    "gc": Scenario(argv="gc", before=unneeded),
    "purge": Scenario(argv="purge"),
    "provision": Scenario(argv="provision", before=wanting_strace),
    "settle": Scenario(argv="settle", before=unsettled),
    "adapt": Scenario(argv="adapt", before=wanting_strace),
    "verify": Scenario(argv="verify --repair", before=damaged),
}


def _add(run: Commands, root: Path) -> None:
    done(run(root, "sources", "add", "new", str(root.parent), "--no-check", "--key", str(root.parent / "key")))


def _disable(run: Commands, root: Path) -> None:
    done(run(root, "sources", "disable", "main"))


def done(ended: Ended) -> Ended:
    assert (ended.status, ended.err) == (0, ""), ended
    return ended


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What a machine has on its disk: ``files`` without what differs from run to run; ``known`` to the ledger."""

    files: Mapping[str, object]
    known: Sequence[Sequence[Any]] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """A machine before a command, and what the command makes of it when nobody disturbs it."""

    run: Commands
    argv: Sequence[str]
    machine: Path
    before: State
    after: State
    ended: Ended
    calls: Sequence[Call]


@pytest.fixture(scope="module")
def run() -> Iterator[Commands]:
    with commands() as found:
        yield found


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """In memory where there is such a place: none of this is about the disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="interrupted-", dir=memory if memory.is_dir() else None) as path:
        Path(path, "key").write_bytes(SigningKey.shared().public())
        Path(path, "a.transfer").write_text(TRANSFER)
        yield Path(path)


@pytest.fixture(scope="module")
def made(folder: Path, run: Commands) -> Path:
    return busy_machine(folder, run)


@pytest.fixture(scope="module")
def server(made: Path) -> Iterator[Server]:
    with Server(made.parent / "source") as started:
        yield started


@pytest.fixture(params=SCENARIOS)
def bench(request: pytest.FixtureRequest, made: Path, run: Commands, server: Server, folder: Path) -> Iterator[Bench]:
    scenario = SCENARIOS[request.param]
    machine = folder / request.param
    shutil.copytree(made, machine, symlinks=True)
    if scenario.served:
        configure(machine, {"sources.d/main.conf": f"[Source]\nURL={server.url}\nVerify=no\n"})
    scenario.before(run, machine)
    argv = scenario.argv.format(folder=folder).split()
    with copied(machine) as root:
        before = state(root)
        ended = run(root, *argv, strace=_OPTIONS)
        bench = Bench(
            run=run,
            argv=argv,
            machine=machine,
            before=before,
            after=state(root),
            ended=ended,
            calls=parse(re.sub(r"<unfinished \.\.\.>\n", "= ?\n", ended.trace)),
        )
    done(ended)
    assert bench.after != before, "it changes nothing"
    yield bench
    shutil.rmtree(machine)


@contextmanager
def copied(machine: Path) -> Iterator[Path]:
    root = machine.with_name("copy")
    shutil.copytree(machine, root, symlinks=True)
    try:
        yield root
    finally:
        shutil.rmtree(root)


def state(root: Path) -> State:
    """The machine as it is; what is said to be going on (in /run) is of no importance afterwards, nor is the cache.

    Nor is what was tried in vain of an image that is linked now, and when a source was asked.
    """
    passing = ("var/cache/", "run", "var/lib/tukit-sysext/provision.json", "var/lib/tukit-sysext/sources.json")
    found = {path: content for path, content in listing(root).items() if not path.startswith(passing)}
    files: dict[str, object] = {}
    for path, content in found.items():
        if path.endswith(".raw.json") and isinstance(content, bytes):
            content = json.dumps({**json.loads(content), "identity": None, "time": None}, sort_keys=True)
        files[re.sub(r"\d{4}-\d\d-\d\dT\d{6}Z", "TIME", path)] = None if "/ledger" in path else content
    return State(files=files, known=known(root / "var/lib/tukit-sysext/ledger.db"))


_KNOWN = (
    "SELECT file, gone IS NULL FROM image ORDER BY file",
    "SELECT number, uuid, gone IS NULL FROM snapshot ORDER BY 1, 2",
    "SELECT snapshot, link, image FROM snapshot_image ORDER BY 1, 2",
)


def known(ledger: Path) -> Sequence[Sequence[Any]] | None:
    if not ledger.exists():
        return None
    with closing(sqlite3.connect(ledger)) as connection:
        return [connection.execute(query).fetchall() for query in _KNOWN]


def gentle(calls: Sequence[Call]) -> list[Call]:
    """Some of the calls, none like another, from the first kind to the last."""
    kinds = list({call.kind: call for call in reversed(calls)}.values())[::-1]
    step = max(1, (len(kinds) - 1) / (GENTLE - 1))
    return [kinds[min(round(number * step), len(kinds) - 1)] for number in range(min(GENTLE, len(kinds)))]


def interrupt(bench: Bench, call: Call) -> None:
    """Send SIGINT at a call, look at what is left, and run the command again."""
    inject = ("-e", f"inject={call.name}:signal=SIGINT:when={call.number}")
    with copied(bench.machine) as root:
        ended = bench.run(root, *bench.argv, strace=(*_OPTIONS, *inject))
        now = state(root)
        assert "--- SIGINT" in ended.trace, "it went another way"
        finished = (ended.status, ended.err) == (bench.ended.status, bench.ended.err)
        assert finished or (ended.status, ended.err) == (130, INTERRUPTED), ended
        for path, content in now.files.items():
            one_of = [files[path] for files in (bench.before.files, bench.after.files) if path in files]
            assert one_of, f"{path} is left behind"
            assert content in one_of, f"{path} is neither the old nor the new one"
        for path in bench.before.files.keys() & bench.after.files.keys():
            assert path in now.files, f"{path} is gone"
        assert not (root / "run/tukit-sysext/progress.json").exists()
        again = bench.run(root, *bench.argv)
        # what is done already may be nothing to do any more, which is told
        done = now.files == bench.after.files
        assert again.status == bench.ended.status or (done and again.status in (0, 1, 2)), again
        assert "Traceback" not in again.told
        assert state(root) == bench.after


def test_every_command_that_changes_something_is_here() -> None:
    changing = {
        " ".join(command.words)
        for command in described.commands()
        if any("--dry-run" in option.flags for option in command.options)
    }
    # publish changes no machine: see tests/unit/publish
    assert changing - {"publish"} | {"settle"} == set(SCENARIOS) - {"install from a server"}


def test_some_calls(bench: Bench) -> None:
    for call in gentle(bench.calls):
        interrupt(bench, call)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_call(bench: Bench) -> None:
    wrong: list[str] = []
    for call in bench.calls:
        try:
            interrupt(bench, call)
        except AssertionError as error:
            wrong.append(f"{call.name}:{call.number} {call.about}: {str(error)[:600]}")
    assert not wrong, f"{len(wrong)} of {len(bench.calls)}:\n" + "\n".join(wrong)


def test_before_a_command_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(words: Sequence[str]) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "make_our_own", lambda: None)
    monkeypatch.setattr(cli, "parser", interrupted)
    monkeypatch.setattr(cli, "leave", sys.exit)
    with pytest.raises(SystemExit) as ended:
        cli.run()
    assert ended.value.code == 130


def test_two_trees_fetch_an_image_once(made: Path, run: Commands, server: Server) -> None:
    with copied(made) as root:
        configure(root, {"sources.d/main.conf": f"[Source]\nURL={server.url}\nVerify=no\n"})
        before = len(server.requests)
        done(run(root, "install", "strace"))
        asked = [request.path for request in server.requests[before:]]
        assert (asked.count("/strace-6.1.x86-64.raw"), (root / NEXT / "etc/extensions/strace.raw").is_symlink()) == (
            1,
            True,
        )
