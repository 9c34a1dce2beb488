# SPDX-License-Identifier: LGPL-2.1-or-later
"""The commands as a person meets them, and as an ordinary user does."""

from __future__ import annotations

import json

import pytest

from tests.on_lab.listing import listing
from tests.on_lab.site import NEW, OLD, Site

USER = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


@pytest.fixture
def updated(site: Site) -> Site:
    """A machine between an update and the reboot."""
    site.publish("debug", "1.0", OLD)
    site.publish("debug", "1.1", NEW)
    site.publish("strace", "1.0", OLD)
    site.want("debug")
    site.want("strace", policy="optional")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    assert site.update().returncode == 0
    return site


def test_status_tells_running_and_next(updated: Site) -> None:
    told = updated.command("status").stdout
    running, following = updated.lab.running, updated.default()
    assert f"snapshot {running} (running): openSUSE" in told
    assert f"snapshot {following} (boots next): openSUSE 20261120" in told
    systems = {system["role"]: system for system in updated.json("status")["trees"]}
    assert {row["name"]: row["version"] for row in systems["running"]["images"]} == {"debug": "1.0", "strace": "1.0"}
    rows = {row["name"]: row for row in systems["boots next"]["images"]}
    assert rows["debug"]["version"] == "1.1" and rows["debug"]["policy"] == "required"
    assert rows["strace"]["version"] is None
    assert "the new system has glibc-2.43" in rows["strace"]["state"]
    assert rows["strace"]["wanted_by"] == "/etc/tukit-sysext/images.d/strace.conf"


def test_status_tells_an_open_transaction(updated: Site) -> None:
    updated.lab.tukit("open", check=True)
    number = max(updated.numbers())
    systems = {system["role"]: system for system in updated.json("status")["trees"]}
    assert systems["open transaction"]["tree"]["snapshot"] == number


def test_snapshots(updated: Site) -> None:
    told = updated.command("snapshots").stdout.splitlines()
    assert told[0].split()[-2:] == ["debug", "strace"]
    marks = {line.split()[0]: line.split()[-2:] for line in told if line[:1].isdigit()}
    assert marks[f"{updated.lab.running}-"] == ["+1.0", "+1.0"]
    assert marks[f"{updated.default()}+"] == [">1.1", "-"]


def test_check_of_another_tree_writes_nothing(updated: Site) -> None:
    updated.publish("debug", "1.2", NEW)
    tree = f"/.snapshots/{updated.default()}/snapshot"
    var = updated.lab.path("/var/lib")
    before = listing(updated.lab.snapshot(updated.default())), listing(var), listing(updated.lab.path("/run"))
    check = updated.json("check", "--root", tree)
    assert (listing(updated.lab.snapshot(updated.default())), listing(var), listing(updated.lab.path("/run"))) == before
    image = check["images"][0]
    assert (image["name"], image["action"], image["before"], image["version"]) == ("debug", "fetch", "1.1", "1.2")
    rules = {rule["rule"]: rule for rule in image["considered"][0]["rules"]}
    assert rules["level"]["system"] == rules["level"]["image"] == "glibc-2.43"
    assert check["host"]["sysext_level"] == "glibc-2.43"


def test_check_ends_with_75_where_an_update_would_be_refused(site: Site) -> None:
    """And not where it would come without an image that this machine does not have."""
    site.publish("debug", "1.0", NEW)
    site.want("debug")
    done = site.command("check")
    assert "that was written before the image was done: its content decides" in done.stdout
    site.command("update", check=False)
    done = site.command("check")
    assert "left out, ALTHOUGH REQUIRED" in done.stdout
    assert "1.0 of source main: does not fit, SYSEXT_LEVEL is glibc-2.43, the system has glibc-2.42" in done.stdout
    site.publish("debug", "0.9", OLD)
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    site.want("debug", Block="0.9")
    done = site.command("check", check=False)
    assert done.returncode == 75
    assert "REFUSES THE UPDATE" in done.stdout


def test_an_ordinary_user(updated: Site) -> None:
    """L8: what can be read is told, nothing is written, and the rest says that it needs root."""
    before = listing(updated.lab.path("/var/lib")), listing(updated.lab.path("/var/cache")), updated.links()
    check = updated.lab.run([*USER, "tukit-sysext", "check", "--json"])
    assert [image["name"] for image in json.loads(check.stdout)["images"]] == ["debug", "strace"]
    status = updated.lab.run([*USER, "tukit-sysext", "status"])
    assert "debug" in status.stdout
    for command in ("adopt", "settle"):
        done = updated.lab.run([*USER, "tukit-sysext", command], check=False)
        assert done.returncode == 1
        assert f"tukit-sysext: {command} needs root" in done.stderr
    assert (listing(updated.lab.path("/var/lib")), listing(updated.lab.path("/var/cache")), updated.links()) == before


def test_a_closed_pipe(updated: Site) -> None:
    done = updated.lab.run(["sh", "-c", "{ tukit-sysext check --json; echo status $? >&2; } | :"])
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ([], 2, "No command was given. Often used:"),
        (["frobnicate"], 2, 'No command "frobnicate".'),
        (["check", "--root", "/nowhere"], 1, "/nowhere: expected the root directory of a tree, found none"),
        (["adopt", "nothing"], 1, 'No entry "nothing" that could be adopted'),
    ],
)
def test_wrong_usage(site: Site, arguments: list[str], status: int, told: str) -> None:
    done = site.command(*arguments, check=False)
    assert (done.returncode, told in done.stderr) == (status, True), done.stderr
