# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two real processes at once, in every pair of transaction, collection, settling and repair (threats C1 and C2).

The first one is held where it has its lock and is in the middle of its work, the second one starts then. Neither waits
for ever, and afterwards every link leads to a whole image, and the ledger says what the disk has.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.on_lab.barrier import Barrier, plugin_tree
from tests.on_lab.site import IMAGES, NEW, OLD, STORE, Site

_PATIENCE = 60


@dataclass(frozen=True, kw_only=True)
class Work:
    """One of the four: how it is started, and where it is held."""

    start: Callable[[Site, int], list[str]]
    point: str


def _transaction(site: Site, which: int) -> list[str]:
    """Close a transaction that needs a new image. Each process has its own."""
    site.lab.tukit("open", check=True)
    number = max(site.numbers())
    site.lab.tukit("call", str(number), "rpm", "-U", "--nodeps", "--force", site.release_rpm(), check=True)
    wanted = site.lab.snapshot(number) / "etc/tukit-sysext/images.d"
    for other in ("one", "two"):
        if other != ("one", "two")[which]:
            (wanted / f"{other}.conf").unlink(missing_ok=True)
    if which == 0:
        return ["tukit", "close", str(number)]
    # a second tukit would not begin; its hook may be called by another program
    return ["/usr/lib/tukit/plugins/50-tukit-sysext", "finalize-pre", f"/.snapshots/{number}/snapshot", str(number)]


def _collection(site: Site, which: int) -> list[str]:
    return ["tukit-sysext", "gc"]


def _settling(site: Site, which: int) -> list[str]:
    event = site.lab.path(f"/run/tukit-sysext/events/snapper-modify-snapshot-post-{which}")
    event.parent.mkdir(parents=True, exist_ok=True)
    event.write_text("snapper\nmodify-snapshot-post\n/\nbtrfs\n1\n")
    return ["tukit-sysext", "settle"]


def _repair(site: Site, which: int) -> list[str]:
    site.lab.path(f"{STORE}/debug-1.0.x86-64.raw").write_bytes(b"rot")
    return ["tukit-sysext", "verify", "--repair"]


WORKS = {
    "transaction": Work(start=_transaction, point="fetch"),
    "collection": Work(start=_collection, point="references"),
    "settling": Work(start=_settling, point="settling"),
    "repair": Work(start=_repair, point="fetch"),
}


@pytest.fixture
def site(start_lab: StartLab, our_tree: Path, tmp_path: Path) -> Site:
    """A machine with one image in use, one that nothing needs, and images that fit the next system."""
    lab = start_lab(Flavour.MICROOS, install={our_tree: "/", plugin_tree(tmp_path / "plugin"): "/"})
    site = Site(lab=lab).prepare()
    site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Plugins]\nLoad=barrier\n[Store]\nGrace=0s\n")
    site.lab.path("/etc/tukit-sysext/sources.d/main.conf").unlink()
    site.write("/etc/tukit-sysext/sources.d/slow.conf", "[Source]\nVerify=no\n")
    for name in ("debug", "gone"):
        site.publish(name, "1.0", OLD)
        site.want(name)
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    # what only the first snapshot has is needed by nothing after it: gone is
    site.lab.path("/etc/tukit-sysext/images.d/gone.conf").unlink()
    site.lab.path("/etc/extensions/gone.raw").unlink()
    site.command("gc")
    for name in ("one", "two"):
        site.publish(name, "1.0", NEW)
        site.want(name)
    site.want("debug", policy="optional")
    return site


@pytest.mark.parametrize("names", list(combinations_with_replacement(WORKS, 2)), ids=lambda names: "-".join(names))
def test_both_come_to_an_end_and_nothing_is_lost(site: Site, names: tuple[str, str]) -> None:
    first, second = (WORKS[name] for name in names)
    commands = [work.start(site, which) for which, work in enumerate((first, second))]
    barrier = Barrier(site, first.point)
    with started(site, commands[0]) as one:
        barrier.wait()
        with started(site, commands[1]) as two:
            # it ends while the first one is held: a repair holds nothing while it fetches, a collection leaves at once
            two.wait(_PATIENCE)
            barrier.let_go()
            told = [process.communicate(timeout=_PATIENCE) for process in (one, two)]
    assert one.returncode == 0, told[0]
    if names[1] == "collection" and names[0] != "settling":
        assert (two.returncode, "held by" in told[1][1]) == (1, True), told[1]
    else:
        assert two.returncode == 0, told[1]
    assert_nothing_is_lost(site)
    # and what could not be done then is done now
    site.command("settle")
    site.command("verify", "--repair")
    site.command("gc")
    assert_nothing_is_lost(site)
    assert site.ledger_here() == {number: tuple(sorted(site.links(number).items())) for number in site.numbers()}


@contextmanager
def started(site: Site, command: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        site.lab.enter_command(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/usr/sbin:/bin:/sbin", "LANG": "C.UTF-8"},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def assert_nothing_is_lost(site: Site) -> None:
    """Every link of every snapshot leads to an image with its recorded hash, or what is there is known as damaged."""
    for number in site.numbers():
        for link, image in site.links(number).items():
            content = site.lab.path(f"{STORE}/{image}").read_bytes()
            recorded = site.record(image)["sha256"]
            assert hashlib.sha256(content).hexdigest() == recorded or content == b"rot", (number, link)
    assert [name for name in site.store() if name.startswith(".")] == []
    assert IMAGES
