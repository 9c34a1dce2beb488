# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looking at a real machine: what can be had for each tree, the matrix of snapshots, and a hook that runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.lab.faults import Delay
from tests.on_lab.listing import listing
from tests.on_lab.site import NEW, OLD, Site, Web
from tests.terminal import on_terminal

HOOK = "/usr/lib/tukit/plugins/50-tukit-sysext"
SYSTEMD_STATUS = ["systemd-sysext", "status", "--json=short"]
USER = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


@pytest.fixture
def site(start_lab: StartLab, our_tree: Path, web: Web) -> Site:
    return Site(lab=start_lab(Flavour.MICROOS, install={our_tree: "/"}), web=web).prepare()


def test_between_an_update_and_the_reboot(site: Site) -> None:
    for version, release in (("1.0", OLD), ("1.1", NEW), ("1.2", NEW)):
        site.publish("debug", version, release)
    site.publish("strace", "6.1", NEW)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    assert numbers_with_marks(site) == numbers_of_snapper(site)
    before = listing(site.lab.path("/var/lib")), listing(site.lab.path("/var/cache"))
    listed = json.loads(site.lab.run([*USER, "tukit-sysext", "list", "--json"]).stdout)["images"]
    assert [(row["name"], row["installed"], row["newest"], row["update"]) for row in listed] == [
        ("debug", "1.0", "1.0", None),
        ("strace", None, None, None),
    ]
    why_not = site.lab.run([*USER, "tukit-sysext", "why-not", "debug=1.2"], check=False)
    assert why_not.returncode == 1 and "glibc-2.43" in why_not.stdout
    assert (listing(site.lab.path("/var/lib")), listing(site.lab.path("/var/cache"))) == before
    for columns in range(50, 62):  # words end in another column of each: with the rich of a distribution
        _, screen = on_terminal(site.lab, ["list", "--all"], columns=columns, environment={"NO_COLOR": "1"})
        assert "SYSEXT_LEVEL" in screen and max(map(len, screen.splitlines())) <= columns, screen
    assert site.update().returncode == 0
    of_next = site.json("list", "--snapshot", str(site.default()))["images"]
    assert [(row["name"], row["installed"], row["newest"]) for row in of_next] == [
        ("debug", "1.2", "1.2"),
        ("strace", None, "6.1"),
    ]
    assert site.command("why-not", "debug=1.1", "--snapshot", str(site.default())).returncode == 0
    rows = [line.split() for line in site.command("snapshots").stdout.splitlines()]
    assert rows[0][-1] == "debug"
    user_is_told(site)
    marks = {row[0]: row[-1] for row in rows if row and row[0][:1].isdigit()}
    assert marks[f"{site.lab.running}-"] == "+1.0" and marks[f"{site.default()}+"] == ">1.2"
    assert marks.keys() == numbers_with_marks(site) == numbers_of_snapper(site)
    merged_is_what_systemd_says(site)
    another_usr_is_named(site)
    site.command("purge")
    assert "!" not in site.command("snapshots").stdout, "without a record an image is not damaged"


def merged_is_what_systemd_says(site: Site) -> None:
    """A cell is held against `systemd-sysext status`, the version beside it against the link."""

    def cells() -> list[str]:
        lines = site.command("status").stdout.splitlines()
        cells = next(line.split() for line in lines if line.split()[:1] == ["debug"])
        extensions = [row["extensions"] for row in json.loads(site.lab.run(SYSTEMD_STATUS).stdout)]
        assert (cells[3] != "no") == (["debug"] in extensions)
        assert site.links()["debug.raw"].startswith(f"debug-{cells[1]}.x86-64")
        return cells

    assert cells() == ["debug", "1.0", "required", "no", "ok"]
    site.lab.run(["systemd-sysext", "merge"])
    assert cells() == ["debug", "1.0", "required", "yes", "ok"]
    site.publish("debug", "1.0.1", OLD)
    site.command("update", "debug")
    assert cells() == ["debug", "1.0.1", "required", "1.0", "ok"]
    site.command("remove", "debug")
    assert "merged, but not linked any more: debug" in site.command("status").stdout
    site.lab.run(["systemd-sysext", "unmerge"])
    assert "debug" not in site.command("status").stdout


def another_usr_is_named(site: Site) -> None:
    """`transactional-update apply` mounts the /usr of what boots next: what runs is still what snapper says."""
    site.lab.run(["mount", "--bind", f"/.snapshots/{site.default()}/snapshot/usr", "/usr"])
    (head, *_) = site.command("status").stdout.splitlines()
    assert head == f"snapshot {site.lab.running} (running, with /usr of snapshot {site.default()}): openSUSE 20261120"
    site.lab.run(["umount", "-l", "/usr"])


def numbers_with_marks(site: Site) -> set[str]:
    """Those of `tukit-sysext snapshots`."""
    lines = site.command("snapshots").stdout.splitlines()
    return {line.split()[0] for line in lines if line[:1].isdigit()}


def numbers_of_snapper(site: Site) -> set[str]:
    """Those of `snapper list`, whose marks are in the same column: running, boots next, both."""
    lines = site.lab.run(["snapper", "--no-dbus", "list", "--columns", "number"]).stdout.splitlines()
    return {line.strip() for line in lines if line.strip()[:1].isdigit()} - {"0"}


def user_is_told(site: Site) -> None:
    """Who cannot look into snapshots sees the running system, what is remembered, and that the rest is not known."""
    changes = site.lab.run([*USER, "tukit-sysext", "diff", "running", "default"]).stdout
    assert ["debug", "1.0", "1.2", "changed"] in [line.split() for line in changes.splitlines()]
    for command in ("list", "verify"):
        told = site.lab.run([*USER, "tukit-sysext", command, "--snapshot", "1"], check=False)
        assert told.returncode == 1 and "Permission denied" in told.stderr
        assert f"next step:\n    sudo tukit-sysext {command} --snapshot 1" in told.stderr
    told = site.lab.run([*USER, "tukit-sysext", "snapshots"], check=False)
    assert (told.returncode, told.stdout) == (1, "") and "next step:\n    sudo tukit-sysext snapshots" in told.stderr


def test_a_hook_that_fetches_can_be_watched(site: Site) -> None:
    assert site.web is not None
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("open", check=True)
    number = max(site.numbers())
    hang = site.web.server.fail("*.raw", Delay(seconds=600))
    hook = site.lab.enter_command([HOOK, "finalize-pre", f"/.snapshots/{number}/snapshot", str(number)])
    follow = site.lab.enter_command([*USER, "tukit-sysext", "status", "--follow"])
    with subprocess.Popen(hook, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while not hang.hits:
            assert process.poll() is None
        told = json.loads(site.lab.run([*USER, "tukit-sysext", "status", "--json"]).stdout)["running_job"]
        assert (told["job"], told["snapshot"], told["stage"]) == ("finalize-pre", number, "fetching")
        assert [part["file"] for part in told["files"]] == ["debug-1.0.x86-64.raw"]
        with subprocess.Popen(follow, stdout=subprocess.PIPE, text=True) as watching:
            assert watching.stdout is not None
            assert f"(snapshot {number})" in watching.stdout.readline()
            assert watching.stdout.readline().startswith("fetching")
            for pid in site.hook_processes():
                os.kill(pid, signal.SIGKILL)
            assert watching.stdout.read() == "Finished.\n"
            assert watching.wait(30) == 0
        process.wait(30)
    assert site.json("status")["running_job"] is None, "what a killed process left is no running job"
    hang.remove()
    assert site.lab.tukit("close", str(number)).returncode == 0
    assert not site.lab.path("/run/tukit-sysext/progress.json").exists()
