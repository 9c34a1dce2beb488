# SPDX-License-Identifier: LGPL-2.1-or-later
"""Transactions against a server that answers any request with any fault: all invariants hold after each."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.evil.attack import Plan, attack
from tests.evil.machine import ATTACKED, Before, Victim
from tests.evil.world import BELIEVED, FORGED, NAMES, OLD_LEVEL, REFUSED, World, file_of, sha256
from tests.trees import make_tree
from tukit_sysext.layout import STORE
from tukit_sysext.rules.names import handle

SEED = 20261101
RUNS = 25

pytestmark = pytest.mark.root
"""Caches, and what was seen of a source, are only written by root."""


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.mark.parametrize("number", range(RUNS))
def test_nothing_gives_way(world: World, number: int) -> None:
    run = attack(world, SEED, number)
    assert not run.wrong, f"seed {SEED}, {run}"


PLAIN = Before(policies=dict.fromkeys(NAMES, "required"))


REGISTRY = pytest.mark.parametrize("registry", [False, True], ids=["directory", "registry"])


@REGISTRY
@pytest.mark.parametrize("listing", REFUSED)
def test_no_list_that_must_not_be_believed_is(world: World, listing: str, registry: bool) -> None:
    """Each of them alone, from a server that does nothing else wrong."""
    run = attack(world, 0, 0, Plan(before=PLAIN, lists=(listing,), faults=False, registry=registry))
    assert not run.wrong, run
    assert run.outcome == "gdb leave out, strace leave out"


@REGISTRY
@pytest.mark.parametrize("listing", BELIEVED)
def test_the_others_are(world: World, listing: str, registry: bool) -> None:
    """Or nothing would be shown by what is refused."""
    run = attack(world, 0, 0, Plan(before=PLAIN, lists=(listing,), faults=False, registry=registry))
    assert not run.wrong, run
    assert run.outcome == f"gdb {'leave out' if listing == 'of nothing' else 'link'}, " + (
        "strace leave out" if listing == "of nothing" else "strace link"
    )


@pytest.mark.parametrize("listing", [*BELIEVED, *REFUSED])
def test_a_weaker_source_takes_nothing_over(world: World, listing: str) -> None:
    """P8: not what is installed, and nothing fresh while the stronger one cannot be believed."""
    run = attack(world, 0, 0, Plan(before=PLAIN, lists=(listing,), faults=False, weaker=True))
    assert not run.wrong, run
    expected = {True: "strace leave out", False: "strace link"}
    assert run.outcome.endswith(expected[listing in REFUSED])


def test_an_image_that_is_built_anew_stands_beside_the_old_one(world: World) -> None:
    """P7: what the machine has of the same name and version stays as it is."""
    victim = replace(PLAIN, left="whole")
    run = attack(world, 0, 0, Plan(before=victim, lists=("rebuilt",), seen_before=True, faults=False))
    assert not run.wrong, run
    assert run.outcome == "gdb link, strace link"
    new = {f"{name}.raw": world.rebuilt[file_of(name, "2")] for name in NAMES}
    assert run.links == {
        link: f"{STORE}/{handle(file_of(link.removesuffix('.raw'), '2'), sha256(content))}"
        for link, content in new.items()
    }


def test_what_a_machine_has_is_not_fetched_again(world: World) -> None:
    """Or the indexes would show nothing."""
    sent = {}
    for listing in ("good", "indexes that lie"):
        run = attack(world, 0, 0, Plan(before=PLAIN, lists=(listing,), faults=False))
        assert not run.wrong, run
        sent[listing] = run.sent
    image = world.files[file_of("gdb", "2")]
    assert len(image) / 2 < sent["indexes that lie"] - sent["good"] < len(image) + 5000


def test_an_old_list_is_not_believed_again(world: World) -> None:
    run = attack(world, 0, 0, Plan(before=PLAIN, lists=("replayed",), seen_before=True, faults=False))
    assert not run.wrong, run


def test_what_does_not_hold_is_seen(world: World, tmp_path: Path) -> None:
    """The checks themselves: a machine on which everything is wrong once."""
    victim = Victim(tmp_path / "machine", world, replace(PLAIN, left="whole"))
    victim.open(ATTACKED, [])
    links = victim.tree(ATTACKED) / "etc/extensions"
    (links / "gdb.raw").unlink()
    before = victim.state()
    assert victim.check(ATTACKED, before, withdrawn=False) == []
    store = victim.layout.store
    forged = file_of("gdb", FORGED)
    make_tree(victim.root, {"etc/passwd": "toor\n", f"{STORE[1:]}/{forged}": b"x", f"{STORE[1:]}/.tukit-sysext.x": b""})
    (store / file_of("gdb", "1")).write_bytes(b"other content")
    (links / "gdb.raw").symlink_to(f"{STORE}/{forged}")
    (links / "strace.raw").symlink_to("/etc/passwd")
    victim.looked_into.add("0" * 64)
    found = "\n".join(victim.check(ATTACKED, before, withdrawn=False))
    for expected in (
        "written outside of what is ours: etc/passwd",
        "a temporary file is left: var/lib/sysext-store/.tukit-sysext.x",
        "in no list to be believed: gdb-66",
        "a new file without a record of its content: gdb-1",
        "content that matched was replaced or removed: gdb-1",
        "a forged image is in the store",
        "snapshot 1: gdb.raw has other content than is recorded",
        "snapshot 7: strace.raw leads to /etc/passwd",
        "looked into what nobody vouches for",
    ):
        assert expected in found, found


def test_an_image_that_does_not_fit_is_seen(world: World, tmp_path: Path) -> None:
    victim = Victim(tmp_path / "machine", world, PLAIN)
    victim.open(ATTACKED, [])
    (found,) = victim.check(ATTACKED, victim.state(), withdrawn=False)
    assert "which does not fit" in found
    assert victim.level(ATTACKED) != OLD_LEVEL


def test_the_same_number_is_the_same_run(world: World) -> None:
    first, second = attack(world, 7, 3), attack(world, 7, 3)
    ports = re.compile(r"127\.0\.0\.1:\d+")
    assert [ports.sub("", each) for each in first.servers] == [ports.sub("", each) for each in second.servers]
    assert first.outcome == second.outcome


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_five_hundred_runs() -> None:
    """The seed is in the output, as is each run in which something does not hold."""
    done = subprocess.run([sys.executable, "-m", "tests.evil"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
