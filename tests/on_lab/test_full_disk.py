# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that is full, in each of the ways in which a btrfs can be, at every stage (threat L11).

Of each: what was there is whole, nothing temporary is left, what is full is told with the next step, and with room
again the next run does what could not be done. A collection makes room.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.lab.signing import SigningKey
from tests.on_lab.barrier import Barrier, plugin_tree
from tests.on_lab.full_disk import Disk, Full, contents, leavings
from tests.on_lab.site import NEW, OLD, STATE, STORE, Site

OLD_FILE, NEW_FILE = "debug-1.0.x86-64.raw", "debug-1.1.x86-64.raw"
TUKIT = "/usr/lib/tukit/plugins/50-tukit-sysext"
SNAPPER = "/usr/lib/snapper/plugins/60-tukit-sysext"
DAY = 86400


def some(*kinds: Full) -> pytest.MarkDecorator:
    """All kinds, of which these always; the others in a long run."""
    marks = {kind: () if kind in kinds else pytest.mark.long for kind in Full}
    return pytest.mark.parametrize("kind", [pytest.param(kind, marks=marks[kind], id=kind.value) for kind in Full])


@pytest.fixture
def disk(start_lab: StartLab, our_tree: Path, tmp_path: Path) -> Disk:
    """That of a new machine. One flavour: all of both is on one btrfs."""
    lab = start_lab(Flavour.MICROOS, install={our_tree: "/", plugin_tree(tmp_path / "plugin"): "/"})
    return Disk(Site(lab=lab))


@pytest.fixture
def site(disk: Disk) -> Site:
    """It runs with debug 1.0; for the next system there is debug 1.1."""
    site = disk.site.prepare()
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    site.publish("debug", "1.1", NEW, size_mib=8)
    return site


def open_update(site: Site) -> int:
    """A transaction with the next system in it; its number."""
    site.lab.tukit("open", check=True)
    number = max(site.numbers())
    site.lab.tukit("call", str(number), "rpm", "-U", "--nodeps", "--force", site.release_rpm(), check=True)
    return number


def hook(site: Site, number: int) -> subprocess.CompletedProcess[str]:
    """Run the hook as tukit would: tukit itself, and snapper, would fail on a full disk."""
    return site.lab.run([TUKIT, "finalize-pre", f"/.snapshots/{number}/snapshot", str(number)], check=False)


def leave_behind(site: Site) -> None:
    """A transaction that fetched debug 1.1 and was given up."""
    number = open_update(site)
    assert "debug: 1.0 -> 1.1" in hook(site, number).stdout
    site.lab.tukit("abort", str(number), check=True)
    assert site.store() == [OLD_FILE, NEW_FILE]


def fetch(site: Site, fill: Callable[[], None], number: int) -> subprocess.CompletedProcess[str]:
    fill()
    return hook(site, number)


def publish(site: Site, fill: Callable[[], None], number: int) -> subprocess.CompletedProcess[str]:
    """Full right when all bytes have come."""
    barrier = Barrier(site, "publish")
    command = site.lab.enter_command([TUKIT, "finalize-pre", f"/.snapshots/{number}/snapshot", str(number)])
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        barrier.wait()
        fill()
        barrier.let_go()
        told, loud = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, told, loud)


def nothing_more(site: Site) -> None:
    """Debug 1.1 is still to be fetched."""


def not_recorded(site: Site) -> None:
    """Another tool has put debug 1.1 into the store: only the record is missing."""
    leave_behind(site)
    site.lab.path(f"{STATE}/images/{NEW_FILE}.json").unlink()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where a transaction is when the disk is full: what is there before, and in which ways it still succeeds."""

    before: Callable[[Site], None] = nothing_more
    run: Callable[[Site, Callable[[], None], int], subprocess.CompletedProcess[str]] = fetch
    succeeds: tuple[Full, ...] = ()


STAGES = {
    "fetch": Stage(),
    "publish": Stage(run=publish),
    "record": Stage(before=not_recorded),
    # a link is so small that it needs no room for data
    "link": Stage(before=leave_behind, succeeds=(Full.DATA,)),
}
ALWAYS = {("fetch", Full.DATA), ("publish", Full.METADATA), ("record", Full.QUOTA), ("link", Full.METADATA)}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(name, kind, marks=() if (name, kind) in ALWAYS else pytest.mark.long, id=f"{name}-{kind.value}")
        for name in STAGES
        for kind in Full
    ],
)
def test_a_transaction(site: Site, disk: Disk, name: str, kind: Full) -> None:
    stage = STAGES[name]
    if stage.run is publish:
        site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Plugins]\nLoad=barrier\n")
        site.lab.path("/etc/tukit-sysext/sources.d/main.conf").unlink()
        site.write("/etc/tukit-sysext/sources.d/slow.conf", "[Source]\nVerify=no\n")
    stage.before(site)
    number = open_update(site)
    before = contents(site)

    done = stage.run(site, lambda: disk.fill(kind, f"/.snapshots/{number}/snapshot/etc"), number)

    assert done.returncode == (0 if kind in stage.succeeds else 75), "an image that is there is not taken away"
    assert contents(site) == before
    assert leavings(site, number) == []
    if kind in stage.succeeds:
        assert done.stdout == "debug: 1.0 -> 1.1, from source main\n"
        assert site.links(number) == {"debug.raw": NEW_FILE}
    else:
        assert_told(done.stderr, kind)
        assert "debug: the store cannot take it" in done.stderr
        assert site.links(number) in ({}, {"debug.raw": OLD_FILE})
    disk.make_room()
    again = hook(site, number)
    assert (again.returncode, again.stderr) == (0, "")
    assert site.links(number) == {"debug.raw": NEW_FILE}
    assert site.lab.tukit("close", str(number)).returncode == 0
    assert site.command("verify", "--all").returncode == 0
    assert dict(site.ledger_here()[number]) == {"debug.raw": NEW_FILE}


def assert_loud(told: str, kind: Full) -> None:
    """One line that names what is full, and the next step below it."""
    assert [line for line in told.splitlines()[1:] if not line.startswith("  ")] == [], told
    assert_told(told, kind)


def assert_told(told: str, kind: Full) -> None:
    assert kind.says in told or " are free" in told, told
    assert f"next step: {NEXT_STEP[kind]}" in told, told
    assert ("metadata are full" in told) is (kind is Full.METADATA), told


NEXT_STEP = {
    Full.DATA: "delete snapshots that are not needed",
    Full.METADATA: "delete snapshots that are not needed",
    Full.QUOTA: "delete snapshots that are not needed, or raise the quota:",
}


@some(Full.DATA)
def test_a_transaction_that_needs_nothing_is_only_not_written_down(site: Site, disk: Disk, kind: Full) -> None:
    site.lab.tukit("open", check=True)
    number = max(site.numbers())
    with disk.full(kind):
        done = hook(site, number)
    assert (done.returncode, done.stdout) == (0, "")
    assert_loud(done.stderr, kind)
    assert f"the ledger cannot be written: {kind.says} in {STATE}" in done.stderr
    assert site.links(number) == {"debug.raw": OLD_FILE}
    assert site.lab.tukit("close", str(number)).returncode == 0
    assert dict(site.ledger_here()[number]) == {"debug.raw": OLD_FILE}


@some(Full.DATA, Full.METADATA)
def test_a_collection_makes_room(site: Site, disk: Disk, kind: Full) -> None:
    """What has waited long enough goes although nothing can be written down."""
    site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Store]\nGrace=0s\n")
    leave_behind(site)  # which is seen at once, by the first of the two runs
    with disk.full(kind):
        done = site.command("gc", check=False)
        assert site.store() == [OLD_FILE]
        assert site.records() == [f"{OLD_FILE}.json"]
        assert leavings(site) == []
    assert "1 deleted, 8.0 MiB freed" in done.stdout
    assert (
        done.returncode == 0 or f"is not written down: {STATE}/ledger.db: the ledger cannot be written" in done.stderr
    )
    assert "0 deleted" in site.command("gc").stdout
    assert site.json("why", OLD_FILE)["images"][0]["needed_by"]


def make_old(site: Site, file_name: str) -> None:
    """An image that came a day ago."""
    record = site.lab.path(f"{STATE}/images/{file_name}.json")
    document = json.loads(record.read_text())
    then = time.time() - DAY
    document["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(then))
    record.write_text(json.dumps(document))
    os.utime(site.lab.path(f"{STORE}/{file_name}"), (then, then))


@some(Full.QUOTA)
def test_without_room_nothing_waits(site: Site, disk: Disk, kind: Full) -> None:
    """What is needed by nothing goes before its time, but what came within the hour stays."""
    leave_behind(site)
    with disk.full(kind):
        done = site.command("gc", check=False)
        assert done.returncode == 1
        assert f"ledger.db: the ledger cannot be written: {kind.says}" in done.stderr
        assert f"next step: {NEXT_STEP[kind]}" in done.stderr
        assert site.store() == [OLD_FILE, NEW_FILE]
    make_old(site, NEW_FILE)
    with disk.full(kind):
        done = site.command("gc", check=False)
        assert "1 deleted, 8.0 MiB freed" in done.stdout
        assert site.store() == [OLD_FILE]


def test_an_update_gets_the_room_that_a_collection_makes(site: Site, disk: Disk) -> None:
    """The ledger cannot be written before there is room: it does not keep the room from being made."""
    site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Store]\nKeepFree=0\n")  # of so small a disk
    site.publish("other", "1.0", NEW, size_mib=24)
    site.want("other")
    number = open_update(site)
    hook(site, number)
    site.lab.tukit("abort", str(number), check=True)
    site.lab.path("/etc/tukit-sysext/images.d/other.conf").unlink()
    for name in site.store():
        if name != OLD_FILE:
            make_old(site, name)
    number = open_update(site)
    site.lab.path(f"{STORE}/{NEW_FILE}").unlink()
    site.lab.path(f"{STATE}/images/{NEW_FILE}.json").unlink()
    with disk.full(Full.DATA):
        done = hook(site, number)
        assert (done.returncode, site.links(number)) == (0, {"debug.raw": NEW_FILE}), done
        assert site.store() == [OLD_FILE, NEW_FILE]


@some(Full.METADATA)
def test_commands(site: Site, disk: Disk, kind: Full) -> None:
    """Settling, check, repair, sources add, and the check at boot, one after the other on one full disk."""
    site.lab.path("/run/systemd/system").mkdir(parents=True)
    site.lab.tukit("execute", "true", check=True)
    assert site.events()
    SigningKey.shared().write_keyring(site.lab.path("/var/key"))
    add = ("sources", "add", "more", "https://example.invalid/", "--no-check", "--key", "/var/key")
    image = site.lab.path(f"{STORE}/{OLD_FILE}")
    image.write_bytes(image.read_bytes()[:900])
    planned = site.command("check")
    site.lab.run(["sh", "-c", "rm -rf /var/cache/tukit-sysext/*"])
    before = contents(site)

    with disk.full(kind, "/etc"):
        checked = site.command("check")
        settled = site.command("settle", check=False)
        repaired = site.command("verify", "--repair", check=False)
        added = site.command(*add, check=False)
        booted = site.command("verify", "--boot", check=False)
        assert contents(site) == before
        assert leavings(site) == []

    assert checked.stdout == planned.stdout
    for done in (settled, repaired, added, booted):
        told = done.stdout + done.stderr
        assert done.returncode == 1, done
        assert kind.says in told or " are free" in told, told
        assert NEXT_STEP[kind] in told, told
        assert "Traceback" not in told
    assert f"ledger.db: the ledger cannot be written: {kind.says} in {STATE}" in settled.stderr
    assert "debug 1.0: cannot be repaired" in repaired.stdout
    assert "debug.raw: cannot be moved" in booted.stderr

    site.command("settle")
    assert set(site.ledger_here()) == site.numbers(), "an event that is lost is no loss"
    assert "debug 1.0: repaired" in site.command("verify", "--repair").stdout
    assert "/etc/tukit-sysext/sources.d/more.conf written" in site.command(*add).stdout
    assert site.command("verify", "--boot").returncode == 0
    assert site.links() == {"debug.raw": OLD_FILE}


def test_events_on_a_full_run(site: Site) -> None:
    """/run is a tmpfs. What cannot be written down is found out from the disk, and nobody waits for us or fails."""
    site.lab.path("/run/systemd/system").mkdir(parents=True)
    site.lab.run(["mkdir", "-p", "/run/tukit-sysext"])
    site.lab.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=4", "tmpfs", "/run/tukit-sysext"])
    site.lab.run(
        ["sh", "-c", "mkdir /run/tukit-sysext/events; while : >/run/tukit-sysext/$((n+=1)); do :; done"], check=False
    )
    done = [site.lab.run([TUKIT, "finalize-post", "2"], check=False)]
    done += [site.lab.run([SNAPPER, "create-snapshot-post", "/", "btrfs", "2"], check=False)]
    assert [(each.returncode, each.stdout, each.stderr) for each in done] == [(0, "", "")] * 2
    assert site.events() == []
    site.lab.run(["umount", "/run/tukit-sysext"])
    site.command("settle")
    assert set(site.ledger_here()) == site.numbers()
