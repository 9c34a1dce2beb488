# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nobody but root can lock what we wait for, and what we wait for ends (threats P1 and P2)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.on_lab.site import NEW, OLD, STATE, STORE, Site

USER = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
PATIENCE = 60
"""Seconds within which a command ends that waits for nobody; the lab's machine may be slow."""

LOCK_ALL = """
import fcntl, os, sys
held = []
def hold(path):
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held.append(descriptor)
    except OSError:
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        pass
for top in sys.argv[1:]:
    hold(top)
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            hold(os.path.join(folder, name))
print(len(held), flush=True)
sys.stdin.read()
"""
OURS = (STORE, STATE, "/var/cache/tukit-sysext", "/run/tukit-sysext", "/etc", "/.snapshots")


@pytest.fixture
def site(start_lab: StartLab, our_tree: Path) -> Site:
    """A machine that wants an image, which an update needs another version of."""
    site = Site(lab=start_lab(Flavour.MICROOS, install={our_tree: "/"})).prepare()
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    site.lab.run(["systemd-tmpfiles", "--create", "tukit-sysext.conf"])
    site.command("settle")
    site.publish("debug", "1.1", NEW)
    return site


@contextmanager
def everything_locked(site: Site) -> Iterator[int]:
    """An ordinary user has a lock on everything of ours that he can open; how much that is."""
    command = site.lab.enter_command([*USER, "python3", "-c", LOCK_ALL, *OURS])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout is not None and user.stdin is not None
        try:
            yield int(user.stdout.readline())
        finally:
            user.stdin.close()


def ended(site: Site, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command in the lab, which must end in time."""
    started = time.monotonic()
    done = site.lab.run(["timeout", "-s", "KILL", str(PATIENCE), *command], check=False)
    assert time.monotonic() - started < PATIENCE, command
    return done


def test_what_an_ordinary_user_locks_keeps_nobody_waiting(site: Site) -> None:
    site.lab.tukit("open", check=True)
    opened = max(site.numbers())
    with everything_locked(site) as held:
        assert held > 10
        for command in (["gc"], ["settle"], ["verify"], ["verify", "--repair"], ["update"], ["install", "debug"]):
            done = ended(site, ["tukit-sysext", *command])
            assert done.returncode == 0, done
        hook = ["/usr/lib/tukit/plugins/50-tukit-sysext", "finalize-pre", f"/.snapshots/{opened}/snapshot", str(opened)]
        done = ended(site, hook)
        assert (done.returncode, done.stderr) == (0, "")
        assert site.update().returncode == 0
        assert site.links(site.default()) == {"debug.raw": "debug-1.1.x86-64.raw"}, "published and linked meanwhile"
        # a refusal is written down too, and a ledger that is none is set aside
        site.lab.path(f"{STATE}/ledger.db").write_bytes(b"no ledger" * 1000)
        assert ended(site, ["tukit-sysext", "settle"]).returncode == 0
        assert site.update(release={**NEW, "VERSION_ID": "20261231", "SYSEXT_LEVEL": "glibc-9"}).returncode == 75
        assert "refused" in [event["kind"] for event in site.json("history")["events"]]


def test_an_ordinary_user_reads_what_he_did_before(site: Site) -> None:
    """Of the ledger a copy, as it is now, and as root sees it."""
    assert site.lab.path(f"{STATE}/ledger.db").stat().st_mode & 0o777 == 0o600
    history = ["tukit-sysext", "history", "--all", "--json"]
    before = site.lab.run([*USER, *history])
    assert (before.stderr, before.stdout) == ("", site.lab.run(history).stdout)
    site.lab.tukit("execute", "true", check=True)
    after = site.lab.run([*USER, *history])
    assert before.stdout != after.stdout == site.lab.run(history).stdout


@contextmanager
def stopped_collection(site: Site) -> Iterator[int]:
    """A process that has the store's lock alone, as gc does, and is stopped (Ctrl-Z); its number in the lab."""
    hold = (
        "import os, sys; from pathlib import Path; from tukit_sysext.system.lock import exclusive\n"
        "with exclusive(Path('/run/tukit-sysext/lock')):\n    print(os.getpid(), flush=True)\n    sys.stdin.read()\n"
    )
    command = site.lab.enter_command(["python3", "-c", hold])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        inside = int(holder.stdout.readline())
        site.lab.run(["sh", "-c", f"kill -STOP {inside}"])
        try:
            yield inside
        finally:
            site.lab.run(["sh", "-c", f"kill -CONT {inside}"])
            holder.send_signal(signal.SIGCONT)  # nsenter, which stops with its child
            holder.stdin.close()


def with_patience(site: Site, seconds: float) -> None:
    """Wait for locks no longer than this; what comes then is the same."""
    with site.lab.unlocked():
        path = site.lab.path("/usr/lib/python3/dist-packages/tukit_sysext/system/lock.py")
        path.write_text(path.read_text().replace("_PATIENCE = 180.0\n", f"_PATIENCE = {seconds}\n"))
        for compiled in path.parent.glob("__pycache__/lock.*"):
            compiled.unlink()


def test_a_stopped_holder_lets_the_update_pass_with_nothing_written_and_everything_named(site: Site) -> None:
    with_patience(site, 2.0)
    before = site.store()
    with stopped_collection(site) as holder:
        done = site.update()
        assert done.returncode == 0, done
        assert f"process {holder} (python3" in done.stderr and ", stopped)" in done.stderr
        assert "debug.raw does not fit" in done.stderr and "were NOT checked" in done.stderr
        assert "SYSEXT_LEVEL is glibc-2.42" in done.stderr
        assert site.links(site.default()) == {"debug.raw": "debug-1.0.x86-64.raw"}
        assert site.store() == before
        assert os.listdir(site.lab.path("/run/tukit-sysext/locks")) == []
    assert site.update().returncode == 0
    assert site.links(site.default()) == {"debug.raw": "debug-1.1.x86-64.raw"}
