# SPDX-License-Identifier: LGPL-2.1-or-later
"""What former code left (tests/data/state) is opened by the code that is here: it says the same, and loses nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Set
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.rpm import TOP
from tests.states import code, facts
from tests.states.state import COMMITS, LeftMachine

pytestmark = pytest.mark.root  # images are looked into

_NEXT = "ID=opensuse-microos\nVERSION_ID=20261215\nSYSEXT_LEVEL=glibc-2.44\n"
"""The os-release of the update that was refused."""
_WEEK = 7 * 24 * 3600
_SHELL = "shell-1.0.x86-64.raw"
"""The image that was damaged; its link is in quarantine."""


@pytest.fixture(params=COMMITS)
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LeftMachine]:
    """A machine as the code of a commit left it, while its source is there."""
    with LeftMachine(request.param, tmp_path).served() as left:
        yield left


@pytest.fixture(scope="module", params=COMMITS)
def looked_at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeftMachine]:
    """The same for tests that only look."""
    with LeftMachine(request.param, tmp_path_factory.mktemp("left")).served() as left:
        yield left


def test_there_is_a_state() -> None:
    assert "a447a06" in COMMITS


@pytest.mark.parametrize("command", facts.COMMANDS)
def test_a_command_says_what_the_former_code_said(looked_at: LeftMachine, command: str) -> None:
    assert facts.of(command, looked_at.json) == looked_at.facts[command]


def files(left: LeftMachine) -> Mapping[str, bytes]:
    """Images, records and what was seen, by path: what may never change without a reason."""
    folders = (left.plain.layout.store, left.plain.layout.records, left.plain.layout.seen)
    paths = [path for folder in folders for path in folder.iterdir()]
    return {str(path.relative_to(left.root)): path.read_bytes() for path in paths}


def links(left: LeftMachine) -> Mapping[str, str]:
    """Every link of every tree, those in quarantine too."""
    return {
        str(path.relative_to(left.root)): os.readlink(path)
        for folder in ("etc/extensions", "etc/tukit-sysext/quarantine")
        for tree in (left.root, *(left.plain.tree(int(number)) for number in left.machine["subvolumes"]))
        for path in (tree / folder).glob("*.raw")
    }


def known(record: bytes, keys: Set[str]) -> Any:
    """What a record says under the keys of the former one, but not what stat(2) said: unpacking made another inode."""
    document = json.loads(record)
    return {key: document[key] for key in keys - {"identity"}}


def test_nothing_is_lost(left: LeftMachine) -> None:
    """A settling, a boot, a collection and a transaction: images, links, records, memory and history are all there."""
    before, links_before = files(left), links(left)
    damaged = [path for path in before if path.endswith((_SHELL, f"{_SHELL}.json"))]
    assert left.command("settle").returncode == 0
    assert left.command("verify", "--boot").returncode in (0, 1)
    assert left.command("gc").returncode == 0
    assert left.command("verify", "--all").returncode == 1
    tree = left.plain.tree(5)
    assert left.command("tukit", "finalize-pre", str(tree), "5", hook=True).returncode == 0
    after = files(left)
    assert before.keys() <= after.keys()
    for path in before.keys() - damaged:  # that one is fetched anew
        if path.endswith(".json"):
            keys = json.loads(before[path]).keys()
            assert known(after[path], keys) == known(before[path], keys), path
        else:
            assert after[path] == before[path], path
    assert {path: target for path, target in links(left).items() if path in links_before} == links_before
    assert [path for path in left.plain.layout.state.iterdir() if ".broken" in path.name] == []
    history = facts.of("history", left.json)
    assert history[: len(left.facts["history"])] == left.facts["history"]


def test_a_spooled_event_is_settled(left: LeftMachine) -> None:
    """It was written down by the former hook, for a snapshot that the ledger does not know yet."""
    assert len(list(left.plain.layout.events.iterdir())) == 2
    assert left.command("settle").returncode == 0
    assert list(left.plain.layout.events.iterdir()) == []
    (added,) = facts.of("history", left.json)[len(left.facts["history"]) :]
    assert added[1:4] == ["snapshot created", 6, left.machine["subvolumes"]["6"]["uuid"]]


def test_quarantine_comes_back(left: LeftMachine) -> None:
    shutil.copy(left.repository / _SHELL, left.plain.layout.store)
    assert left.plain.layout.repair.exists()
    done = left.command("verify", "--boot")
    assert "put back" in done.stdout + done.stderr, done
    assert os.readlink(left.root / "etc/extensions/shell.raw").endswith(_SHELL)
    assert list((left.root / "etc/tukit-sysext/quarantine").iterdir()) == []
    assert not left.plain.layout.repair.exists()


def refused_again(left: LeftMachine) -> Any:
    """The update that was refused is tried once more, in the open transaction; what is said of it then."""
    release = left.plain.tree(5) / "usr/lib/os-release"
    release.write_text(_NEXT)
    done = left.command("tukit", "finalize-pre", str(left.plain.tree(5)), "5", hook=True)
    assert done.returncode == 75, done
    return facts.of("status", left.json)["refused"]


def test_the_age_of_a_refusal_is_kept(left: LeftMachine) -> None:
    before = left.facts["status"]["refused"]
    refusal = refused_again(left)
    assert refusal["images"] == before["images"] and refusal["since"] == before["since"]
    assert (refusal["times"], refusal["system"]) == (before["times"] + 1, before["system"])
    assert refusal["last"] > before["last"]


def test_the_age_of_a_refusal_is_kept_across_a_boot(left: LeftMachine) -> None:
    """The mark in /run is gone then, and the ledger knows."""
    left.plain.layout.refused.unlink()
    refused, before = refused_again(left)["images"], left.facts["status"]["refused"]["images"]
    assert refused.keys() == before.keys()
    for image, since in refused.items():  # the ledger has it a moment after the mark
        assert 0 <= (datetime.fromisoformat(since) - datetime.fromisoformat(before[image])).total_seconds() <= 5


def test_an_older_list_is_not_believed(left: LeftMachine) -> None:
    """The former code saw a newer one; neither does its cache help an attacker."""
    shutil.rmtree(left.plain.layout.cache)
    for path in left.earlier.iterdir():
        shutil.copy(path, left.repository)
    document = left.json("check")
    assert "older than" in json.dumps(document["unreachable"]), document["unreachable"]
    assert facts.of("sources", left.json) == left.facts["sources"]


def test_the_wait_of_an_image_goes_on(left: LeftMachine) -> None:
    """It began with the former code: the time of grace is over a week after that, not later."""
    begun = left.plain.layout.store / "editor-1.0.x86-64.raw"
    before = set(files(left))
    left.now = left.machine["left"] + _WEEK - 60
    assert left.command("gc").returncode == 0
    assert begun.exists()
    left.now += 120
    assert left.command("gc").returncode == 0
    assert not begun.exists()
    gone = {Path(path).name for path in before - set(files(left))}
    assert gone == {path.name for path in map(Path, before) if path.name.startswith(begun.name)}


@pytest.mark.parametrize(
    ("clone", "message"),
    [
        (("--depth=1", f"file://{TOP}"), "a shallow clone, without commit a447a06; next step: git fetch --unshallow"),
        ((), "is no git repository"),
    ],
    ids=["shallow", "none"],
)
def test_history_that_is_not_there_is_said(tmp_path: Path, clone: tuple[str, ...], message: str) -> None:
    repository = tmp_path / "clone"
    repository.mkdir()
    (tmp_path / ".gitconfig").write_text("[safe]\ndirectory = *\n")  # root may test what somebody else has cloned
    if clone:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        subprocess.run(["git", "clone", "--quiet", "--bare", *clone, str(repository)], check=True, env=environment)
    with pytest.raises(code.NoHistory, match=re.escape(message)):
        code.take("a447a06", tmp_path / "code", repository=repository)
