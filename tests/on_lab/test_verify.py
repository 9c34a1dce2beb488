# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rollback to a snapshot whose image is lost, and bad links before the merge, with real systemd-sysext."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.lab.images import MARKS
from tests.on_lab.site import NEW, OLD, STATE, STORE, Site, Web
from tukit_sysext.ledger.ledger import Ledger

OLD_FILE, NEW_FILE = "debug-1.0.x86-64.raw", "debug-1.1.x86-64.raw"
USER = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def merged(site: Site) -> dict[str, str]:
    """What real systemd-sysext merges in the running system: the mark of each image."""
    site.lab.merge()
    marks = site.lab.path(f"/usr/{MARKS}")
    found = {path.name: path.read_text() for path in marks.iterdir()} if marks.is_dir() else {}
    site.lab.run(["systemd-sysext", "unmerge"])
    return found


def updated(site: Site) -> int:
    """Two generations: returns the snapshot of the old one, while the new one runs."""
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    first = site.default()
    site.lab.reboot()
    site.publish("debug", "1.1", NEW)
    assert site.update().returncode == 0
    site.lab.reboot()
    return first


def damage(site: Site, kind: str) -> None:
    """Spoil the image of the old generation, as a disk or a hand does."""
    path = site.lab.path(f"{STORE}/{OLD_FILE}")
    if kind == "deleted":
        path.unlink()
        return
    content = bytearray(path.read_bytes())
    status = path.stat()
    if kind == "truncated":
        path.write_bytes(content[:900])
        return
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    if kind == "rot":
        # what stat(2) says is as recorded
        record = site.lab.path(f"{STATE}/images/{OLD_FILE}.json")
        document = json.loads(record.read_text())
        document["identity"]["ctime_ns"] = path.stat().st_ctime_ns
        record.write_text(json.dumps(document))


def roll_back(site: Site, number: int, how: str) -> int:
    """Make another snapshot boot next; which one it is in the end."""
    if how == "classic":
        site.lab.run(["snapper", "--no-dbus", "--ambit", "classic", "rollback", str(number)])
    elif how == "transactional":
        site.lab.run(["snapper", "--no-dbus", "--ambit", "transactional", "rollback", str(number)])
    else:
        site.lab.run(["snapper", "--no-dbus", "modify", "--default", str(number)])
    return site.default()


def needs(site: Site) -> list[Any]:
    found = site.json("status")["repair"]
    assert isinstance(found, list)
    return found


def ledger_kinds(site: Site) -> list[str]:
    """Kinds of the events in the ledger."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(site.lab.path(f"{STATE}/ledger.db"), folder))
        with Ledger(copy, writable=False) as ledger:
            return [event.kind for event in ledger.events()]


@pytest.mark.parametrize(
    ("kind", "how"),
    [("deleted", "classic"), ("truncated", "transactional"), ("a bit", "default"), ("rot", "transactional")],
)
def test_a_rollback_to_a_lost_image_is_told_and_repaired(site: Site, kind: str, how: str) -> None:
    """L9, C13."""
    first = updated(site)
    good = (site.images / OLD_FILE).read_bytes()
    # the source lists newer ones only, but still has the file
    (site.images / "SHA256SUMS").write_text(
        "".join(
            line
            for line in (site.images / "SHA256SUMS").read_text().splitlines(keepends=True)
            if "debug-1.0" not in line
        )
    )
    damage(site, kind)
    target = roll_back(site, first, how)
    told = site.command("settle", check=False).stderr.splitlines()
    condition = "missing" if kind == "deleted" else "damaged"
    assert any(f"snapshot {target}" in line and f"is {condition}" in line for line in told), told
    assert any(line.strip() == f"tukit-sysext verify --snapshot {target} --repair" for line in told), told
    assert f"image {condition}" in ledger_kinds(site)
    assert [(item["snapshot"], item["name"], item["condition"]) for item in needs(site)] == [
        (target, "debug", condition)
    ]
    assert "IMAGES HAVE TO BE REPAIRED" in site.command("status").stdout
    verified = site.command("verify", check=False)
    assert (verified.returncode, condition in verified.stdout) == (1, True), verified.stdout
    if condition == "damaged":
        assert site.lab.path(f"{STORE}/{OLD_FILE}").exists()

    done = site.command("verify", "--repair", check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"debug 1.0: repaired from /var/images/{OLD_FILE}" in done.stdout
    assert site.lab.path(f"{STORE}/{OLD_FILE}").read_bytes() == good
    assert needs(site) == []
    assert not site.lab.path("/run/tukit-sysext/repair").exists()
    assert site.links(target) == {"debug.raw": OLD_FILE}
    assert ledger_kinds(site)[-1] == "repaired"
    site.lab.reboot()
    assert site.lab.running == target
    assert site.command("verify").returncode == 0
    assert merged(site) == {"debug": "1.0"}


def test_a_server_gives_it_again_without_its_list(start_lab: StartLab, our_tree: Path, web: Web) -> None:
    """N7: by its hash, from whichever mirror has the file still; the list is not asked for at all."""
    site = Site(lab=start_lab(Flavour.MICROOS, install={our_tree: "/"}), web=web).prepare()
    first = updated(site)
    good = (site.images / OLD_FILE).read_bytes()
    for name in ("SHA256SUMS", "SHA256SUMS.gpg"):
        (site.images / name).unlink(missing_ok=True)
    damage(site, "a bit")
    target = roll_back(site, first, "default")
    web.server.clear()
    # the mirror that the record names first is gone
    record = site.lab.path(f"{STATE}/images/{OLD_FILE}.json")
    document = json.loads(record.read_text())
    document["url"] = f"http://127.0.0.1:9/{OLD_FILE}"
    record.write_text(json.dumps(document))

    done = site.command("verify", "--repair", check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "debug 1.0: repaired from source main" in done.stdout
    assert site.lab.path(f"{STORE}/{OLD_FILE}").read_bytes() == good
    assert {request.path for request in web.server.requests} == {f"/{OLD_FILE}"}
    site.lab.reboot()
    assert (site.lab.running, merged(site)) == (target, {"debug": "1.0"})


def test_without_the_old_file_the_newest_that_fits_comes(site: Site) -> None:
    first = updated(site)
    for version in ("1.0.1", "1.0.2"):
        site.publish("debug", version, OLD)
    (site.images / OLD_FILE).unlink()
    site.list_images()
    damage(site, "deleted")
    target = roll_back(site, first, "transactional")
    done = site.command("verify", "--repair", check=False)
    if site.lab.flavour is Flavour.TUMBLEWEED and site.lab.run(
        ["btrfs", "property", "get", "-ts", f"/.snapshots/{target}/snapshot", "ro"]
    ).stdout.strip().endswith("true"):
        assert done.returncode == 1
        assert "is read-only, so that its link cannot be changed" in done.stdout
        assert needs(site)
        return
    assert done.returncode == 0, done.stdout + done.stderr
    assert "debug 1.0: replaced by 1.0.2 from source main: recorded content cannot be had any more" in done.stdout
    assert site.links(target) == {"debug.raw": "debug-1.0.2.x86-64.raw"}
    site.lab.reboot()
    assert merged(site) == {"debug": "1.0.2"}


def test_a_read_only_tree_is_said(site: Site) -> None:
    first = updated(site)
    site.publish("debug", "1.0.1", OLD)
    (site.images / OLD_FILE).unlink()
    site.list_images()
    damage(site, "deleted")
    tree = f"/.snapshots/{first}/snapshot"
    if site.lab.flavour is Flavour.MICROOS:
        tree += "/etc"
    site.lab.run(["btrfs", "property", "set", "-ts", tree, "ro", "true"])
    done = site.command("verify", "--snapshot", str(first), "--repair", check=False)
    assert done.returncode == 1
    assert "debug 1.0.1 would fit, but snapshot" in done.stdout
    assert "read-only" in done.stdout
    assert site.links(first) == {"debug.raw": OLD_FILE}
    # the same content needs no link to be changed
    site.publish("debug", "1.0", OLD)
    assert site.command("verify", "--snapshot", str(first), "--repair", check=False).returncode == 0


def bad_link(site: Site, case: str) -> None:
    """Spoil the image "bad" of the running system, or its link."""
    path = site.lab.path(f"{STORE}/bad-1.0.x86-64.raw")
    record = site.lab.path(f"{STATE}/images/{path.name}.json")
    links = site.lab.path("/etc/extensions")
    if case == "truncated":
        path.write_bytes(path.read_bytes()[:900])
    elif case == "error page":
        path.write_bytes(b"<html>404 Not Found</html>\n")
        record.unlink()
    elif case == "wrong name":
        (links / "bad.raw").rename(links / "other.raw")
    elif case == "gone":
        path.unlink()
    else:
        site.publish("bad", "1.0", NEW)
        path.write_bytes((site.images / path.name).read_bytes())
        record.unlink()


@pytest.mark.parametrize("case", ["truncated", "error page", "wrong name", "gone", "does not fit"])
def test_before_the_merge_what_is_bad_is_taken_out(site: Site, case: str) -> None:
    """C14."""
    for name in ("good", "bad"):
        site.publish(name, "1.0", OLD)
        site.want(name)
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    assert merged(site) == {"good": "1.0", "bad": "1.0"}
    bad_link(site, case)
    site.lab.reboot()
    fails = site.lab.run(["systemd-sysext", "merge"], check=False)
    assert (fails.returncode != 0) == (case in ("truncated", "error page", "wrong name")), fails
    site.lab.run(["systemd-sysext", "unmerge"])
    link = "other.raw" if case == "wrong name" else "bad.raw"

    done = site.command("verify", "--boot")

    assert f"{link}: quarantined: " in done.stdout
    assert site.links() == {"good.raw": "good-1.0.x86-64.raw"}
    assert merged(site) == {"good": "1.0"}
    status = site.json("status")["trees"][0]
    assert [item["link"] for item in status["quarantined"]] == [link]
    assert f"quarantined: {link}, " in site.command("status").stdout
    # nothing moves any more
    assert site.command("verify", "--boot").stdout == ""

    version = "1.0"
    if case == "does not fit":
        # a good image is not replaced for its name
        site.publish("bad", version := "1.1", OLD)
    repaired = site.command("verify", "--repair", check=False)
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert site.links() == {"bad.raw": f"bad-{version}.x86-64.raw", "good.raw": "good-1.0.x86-64.raw"}
    assert merged(site) == {"good": "1.0", "bad": version}
    assert site.json("status")["trees"][0]["quarantined"] == []


def test_boot_tells_that_it_happened_and_shows_a_refusal_again(site: Site) -> None:
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    assert site.update().returncode == 75
    damage(site, "deleted")
    site.lab.reboot()
    assert not site.lab.path("/run/tukit-sysext/refused.json").exists()
    done = site.command("verify", "--boot")
    assert "debug.raw: quarantined: missing" in done.stdout
    assert site.command("status", "--refused", check=False).returncode == 1
    assert site.lab.path("/run/tukit-sysext/refused.json").exists()
    assert ledger_kinds(site)[-2:] == ["booted", "image missing"]
    assert [item["snapshot"] for item in needs(site)] == [site.lab.running]


def test_an_ordinary_user(site: Site) -> None:
    """L8."""
    first = updated(site)
    damage(site, "truncated")
    told = site.lab.run([*USER, "tukit-sysext", "verify", "--all", "--json"], check=False)
    assert told.returncode == 1
    trees = {tree["tree"]["snapshot"]: tree for tree in json.loads(told.stdout)["trees"]}
    if trees:
        assert [image["condition"] for image in trees[first]["images"]] == ["damaged"]
    for option in ("--repair", "--boot"):
        done = site.lab.run([*USER, "tukit-sysext", "verify", option], check=False)
        assert (done.returncode, f"verify {option} needs root" in done.stderr) == (1, True)


def test_all_snapshots(site: Site) -> None:
    first = updated(site)
    damage(site, "a bit")
    trees = {tree["tree"]["snapshot"]: tree for tree in site.json("verify", "--all")["trees"]}
    assert set(trees) == site.numbers()
    assert [image["condition"] for image in trees[first]["images"]] == ["damaged"]
    assert [image["condition"] for image in trees[site.lab.running]["images"]] == ["whole"]
    assert site.command("verify", check=False).returncode == 0, "the old snapshot is neither running nor next"
    assert site.command("verify", "--all", "--repair", check=False).returncode == 0
    assert site.lab.path(f"{STORE}/{OLD_FILE}").read_bytes() == (site.images / OLD_FILE).read_bytes()
    missing = site.command("verify", "--snapshot", "99", check=False)
    assert (missing.returncode, "snapshot 99: expected one that is there" in missing.stderr) == (1, True)
