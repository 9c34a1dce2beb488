# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext doctor``: one thing is broken at a time, and that is what it tells, with what mends it."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.machine import OLD, PlainMachine, as_nobody, with_source
from tests.trees import Link, listing, make_tree
from tests.unit.doctor.healthy import (
    ENABLED,
    SNAPPER,
    SOURCE,
    TUKIT,
    UNITS,
    healthy,
    links_of_administrator,
    vendor_links,
)
from tests.unit.integrity.verify_site import fake_look_inside
from tukit_sysext import cli
from tukit_sysext.doctor import units
from tukit_sysext.doctor.check import Severity
from tukit_sysext.doctor.folders import FoldersCheck, Place
from tukit_sysext.integrity import needs
from tukit_sysext.integrity.needs import Need
from tukit_sysext.update import refusal
from tukit_sysext.update.refusal import HeldBack, Refusal

pytestmark = pytest.mark.root

DAY = 86400
IMAGE = "gdb-1.0.x86-64.raw"
KEY = "F" * 40


@pytest.fixture
def healthy_machine(tmp_path: Path) -> PlainMachine:
    made = healthy(tmp_path)
    return made


def diagnose(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[Any]]:
    """Status, and what is not good."""
    status = cli.main(["doctor", "--json"], machine=site.machine)
    document = json.loads(capsys.readouterr().out)
    assert document["healthy"] == (status == 0)
    return status, [result for result in document["results"] if result["severity"] != "good"]


def test_nothing_is_wrong(healthy_machine: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert diagnose(healthy_machine, capsys) == (0, [])
    assert cli.main(["doctor"], machine=healthy_machine.machine) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("no problems, no warnings, ") and len(shown.splitlines()) == 1
    assert cli.main(["doctor", "--all"], machine=healthy_machine.machine) == 0
    assert "good: tukit runs " in capsys.readouterr().out


def write(path: str, text: str | Link) -> Callable[[PlainMachine], object]:
    def change(site: PlainMachine) -> None:
        (site.root / path).unlink(missing_ok=True)
        make_tree(site.root, {path: text})

    return change


def remove(path: str) -> Callable[[PlainMachine], object]:
    return lambda site: (site.root / path).unlink()


def mode(path: str, number: int) -> Callable[[PlainMachine], object]:
    return lambda site: (site.root / path).chmod(number)


def tukit(says: str) -> Callable[[PlainMachine], object]:
    def change(site: PlainMachine) -> None:
        (site.root / "usr/sbin/tukit").write_text(f"#!/bin/sh\n{says}\n")

    return change


def owner(site: PlainMachine) -> None:
    os.chown(site.layout.store, 1000, 1000)


def not_apart(site: PlainMachine) -> None:
    (site.root / "var/.subvolume").unlink()


def unmounted(site: PlainMachine) -> None:
    for path in site.layout.snapshots.iterdir():
        path.rename(site.root / f"elsewhere-{path.name}")


def refused(days: int, step: str = "") -> Callable[[PlainMachine], object]:
    def change(site: PlainMachine) -> None:
        since = int(time.time()) - days * DAY - 60
        held = HeldBack(reason="none fits", since=since, next_step=step)
        mark = Refusal(last=since, times=1, system="os 2", images={"gdb": held})
        refusal.write(site.layout.refused, mark)

    return change


def waits_for_repair(site: PlainMachine) -> None:
    keys = {
        "link": "gdb.raw",
        "file_name": IMAGE,
        "name": "gdb",
        "version": "1.0",
        "condition": "missing",
        "reason": "?",
    }
    needs.update(site.layout.repair, [1], [Need(snapshot=1, since=1, **keys)], matter=[1])


def ledger(statement: str) -> Callable[[PlainMachine], object]:
    def change(site: PlainMachine) -> None:
        with closing(sqlite3.connect(site.layout.ledger)) as connection:
            connection.execute(statement)
            connection.commit()

    return change


def signed_tomorrow(site: PlainMachine) -> None:
    times = {"keys": {KEY: int(time.time()) + 3 * DAY}}
    make_tree(site.layout.seen, {"main": json.dumps(times)})


def not_ours(site: PlainMachine) -> None:
    make_tree(site.root, {"etc/extensions/tools/usr/lib/extension-release.d/extension-release.tools": "ID=_any\n"})


def open_secret(site: PlainMachine) -> None:
    write(SOURCE, "[Source]\nURL=https://images.example.org/\nCredentials=/etc/secret\n")(site)
    make_tree(site.root, {"etc/secret": "lab:geheim\n"})
    (site.root / "etc/secret").chmod(0o644)


def blocks(site: PlainMachine) -> None:
    """A link in circles, on which systemd-sysext fails."""
    make_tree(site.root, {"etc/extensions/round.raw": Link("round.raw")})


def hidden(site: PlainMachine) -> None:
    """A snapshot whose links nobody can read."""
    site.snapshot_with(2, {"gdb": "1.0"})
    (site.tree(2) / "etc").rename(site.tree(2) / "elsewhere")


def not_switched_on(site: PlainMachine) -> None:
    """As the package leaves it where no preset says anything."""
    for link in links_of_administrator():
        (site.root / link).unlink()


def called_otherwise(*, linked: bool) -> Callable[[PlainMachine], object]:
    """An image that is not ours, and whose content has another name than it: systemd-sysext fails on that."""

    def change(site: PlainMachine) -> None:
        at = "var/lib/sysext-store/odd.raw" if linked else "etc/extensions/odd one.raw"
        make_tree(site.root, {at: "odd 1 as gdb"})
        if linked:
            make_tree(site.root, {"etc/extensions/odd.raw": Link("/var/lib/sysext-store/odd.raw")})

    return change


CASES: dict[str, tuple[Callable[[PlainMachine], object], str, str, str, str]] = {
    "no hook": (remove(TUKIT), "tukit-hook", "problem", "is missing", "pkg install --force tukit-sysext"),
    "hook not executable": (mode(TUKIT, 0o644), "tukit-hook", "problem", "not executable", "--force tukit-sysext"),
    "hook masked": (
        write("etc/tukit/plugins/50-tukit-sysext", Link("/dev/null")),
        "tukit-hook",
        "problem",
        "masks our hook",
        "rm ",
    ),
    "hook shadowed": (write("etc/tukit/plugins/50-tukit-sysext", "#!"), "tukit-hook", "problem", "in its place", "rm "),
    "no snapper hook": (remove(SNAPPER), "snapper-hook", "problem", "is missing", "--force tukit-sysext"),
    "another tool": (
        write("usr/lib/tukit/plugins/sysextmgr", "#!"),
        "other-tools",
        "problem",
        "another tool's plugin",
        "etc/tukit/plugins/sysextmgr",
    ),
    "tukit without plugins": (tukit("echo tukit 4.6.0"), "tukit-version", "problem", "runs no plugins", ">=5.1"),
    "tukit that goes on": (tukit("echo tukit 5.0.7"), "tukit-version", "problem", "goes on after a refusal", ">=5.1"),
    "tukit that says nothing": (tukit("exit 1"), "tukit-version", "unknown", "cannot be told", ""),
    "no tukit": (remove("usr/sbin/tukit"), "tukit", "hint", "not installed", ""),
    "merge not enabled": (
        remove("etc/systemd/system/sysinit.target.wants/systemd-sysext.service"),
        "unit systemd-sysext",
        "problem",
        "not enabled",
        "systemctl enable systemd-sysext.service",
    ),
    "merge masked": (
        write("etc/systemd/system/systemd-sysext.service", Link("/dev/null")),
        "unit systemd-sysext",
        "problem",
        "masked by /etc/systemd/system/systemd-sysext.service",
        "systemctl unmask systemd-sysext.service",
    ),
    "unit not started": (
        remove(f"{ENABLED}/tukit-sysext-gc.timer"),
        "unit tukit-sysext-gc",
        "problem",
        "not enabled",
        "systemctl enable --now tukit-sysext-gc.timer",
    ),
    "nothing switched on": (
        not_switched_on,
        "unit tukit-sysext",
        "problem",
        "tukit-sysext.target is not enabled",
        "systemctl enable --now tukit-sysext.target",
    ),
    "unit's link masked": (
        write(f"{ENABLED}/tukit-sysext-settle.path", Link("/dev/null")),
        "unit tukit-sysext-settle",
        "problem",
        "not enabled",
        "systemctl enable --now tukit-sysext-settle.path",
    ),
    "guard not started": (
        remove(f"{UNITS}/systemd-sysext.service.wants/tukit-sysext-boot.service"),
        "unit tukit-sysext-boot",
        "problem",
        "not enabled",
        "systemctl add-wants systemd-sysext.service tukit-sysext-boot.service",
    ),
    "unit gone": (
        remove(f"{UNITS}/tukit-sysext-repair.path"),
        "unit tukit-sysext-repair",
        "problem",
        "missing",
        "--force",
    ),
    "no gpgv": (remove("usr/bin/gpgv"), "programs", "problem", "signatures cannot be checked", "install /usr/bin/gpgv"),
    "no systemd-sysext": (
        remove("usr/bin/systemd-sysext"),
        "programs",
        "problem",
        "cannot be merged",
        "systemd-sysext",
    ),
    "no snapper": (remove("usr/bin/snapper"), "programs", "problem", "no snapshots", "install /usr/bin/snapper"),
    "no btrfs": (
        write("proc/self/mountinfo", "25 1 0:25 / / rw - ext4 /dev/vda1 rw\n"),
        "root",
        "problem",
        "expected btrfs",
        "",
    ),
    "snapshots not mounted": (unmounted, "snapshots", "warning", "is it mounted?", "mount /.snapshots"),
    "no snapper configuration": (
        remove("etc/snapper/configs/root"),
        "snapper",
        "problem",
        "no configuration for /",
        "create-config /",
    ),
    "store of another user": (owner, "store", "problem", "belongs to user 1000", "chown root:root"),
    "store open to others": (mode("var/lib/sysext-store", 0o777), "store", "problem", "mode 0777", "chmod 0755"),
    "no cache": (
        lambda site: site.layout.cache.rmdir(),
        "folders",
        "problem",
        "/var/cache/tukit-sysext is missing",
        "systemd-tmpfiles --create",
    ),
    "store in the snapshot": (not_apart, "shared", "problem", "a rollback takes it back too", "mksubvolume"),
    "store larger than allowed": (
        write("etc/tukit-sysext/tukit-sysext.conf", "[Store]\nStoreMax=1K\n"),
        "room",
        "warning",
        "more than StoreMax=",
        "gc --dry-run",
    ),
    "no keyring": (remove("etc/systemd/import-pubring.gpg"), "sources", "problem", "no keyring", "--key FILE --force"),
    "keyring without the key": (
        write(SOURCE, f"[Source]\nURL=https://images.example.org/\nFingerprint={KEY}\n"),
        "sources",
        "problem",
        f"has no key {KEY}",
        "sources add main https://images.example.org/ --key FILE --force",
    ),
    "not verified": (
        write(SOURCE, "[Source]\nPath=/srv\nVerify=no\n"),
        "sources",
        "warning",
        "Verify=no",
        "add main /srv",
    ),
    "no source": (remove(SOURCE), "sources", "hint", "no source", "sources add"),
    "open secret": (
        open_secret,
        "configuration",
        "problem",
        "expected a file of root with mode 0600",
        "etc/secret && chmod 0600",
    ),
    "a fault": (
        write("etc/tukit-sysext/tukit-sysext.conf", "[Store]\nGrace=soon\n"),
        "configuration",
        "problem",
        "tukit-sysext.conf:2: Grace=soon",
        "edit /etc/tukit-sysext/tukit-sysext.conf, line 2",
    ),
    "an unknown key": (
        write("etc/tukit-sysext/tukit-sysext.conf", "[Store]\nGarce=3d\n"),
        "configuration",
        "warning",
        "unknown key Garce=",
        "line 2",
    ),
    "no place for metrics": (
        write("etc/tukit-sysext/tukit-sysext.conf", "[Metrics]\nFile=/var/nowhere/a.prom\n"),
        "metrics",
        "warning",
        "its folder is missing",
        "mkdir -p /var/nowhere",
    ),
    "a plugin that is not there": (
        write("etc/tukit-sysext/tukit-sysext.conf", "[Plugins]\nLoad=nowhere\n"),
        "plugins",
        "problem",
        "plugin nowhere is not loaded",
        "tukit-sysext plugins",
    ),
    "a list from the future": (signed_tomorrow, "clock", "warning", "the clock is behind", "timedatectl"),
    "a memory that cannot be read": (
        write("var/lib/tukit-sysext/seen/main", "nonsense"),
        "seen",
        "problem",
        "cannot be read",
        "sources reset main",
    ),
    "no ledger any more": (
        write("var/lib/tukit-sysext/ledger.db", "x" * 4096),
        "ledger",
        "problem",
        "ledger",
        "settle",
    ),
    "a newer ledger": (ledger("CREATE TABLE more (name TEXT)"), "ledger", "warning", "a newer version", ""),
    "a newer column": (ledger("ALTER TABLE image ADD COLUMN licence TEXT"), "ledger", "warning", "image.licence", ""),
    "refused today": (refused(0), "refused", "warning", "an update to os 2 is refused, because of gdb", "preflight"),
    "refused for days": (
        refused(4, "tukit-sysext unhold gdb"),
        "refused",
        "problem",
        "for 4 days",
        "tukit-sysext unhold gdb\nor do without:\n  tukit-sysext install --optional gdb\n",
    ),
    "to be repaired": (waits_for_repair, "repair", "problem", "gdb 1.0 missing", "verify --repair"),
    "an image is gone": (
        remove(f"var/lib/sysext-store/{IMAGE}"),
        "links",
        "problem",
        "gdb.raw missing",
        "verify --repair",
    ),
    "a link that blocks": (blocks, "links", "problem", "merges nothing at all", "verify --boot"),
    "a snapshot that cannot be read": (hidden, "collection", "warning", "snapshot 2", "gc --dry-run"),
    "not ours": (not_ours, "not-ours", "hint", "tools", "adopt --dry-run"),
    "of unknown origin": (
        write("var/lib/sysext-store/other-1.raw", "x"),
        "unknown-origin",
        "hint",
        "1 image of unknown origin in the store",
        "gc --unknown-origin",
    ),
}


@pytest.mark.parametrize(("change", "check", "severity", "text", "mend"), CASES.values(), ids=CASES)
def test_one_thing_is_broken(
    healthy_machine: PlainMachine,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[PlainMachine], object],
    check: str,
    severity: str,
    text: str,
    mend: str,
) -> None:
    change(healthy_machine)
    status, results = diagnose(healthy_machine, capsys)
    first = next((result for result in results if result["check"] == check), None)
    assert first is not None, results
    assert (first["severity"], text in first["text"]) == (severity, True), first
    assert mend in (first["next_step"] or ""), first
    assert status == (1 if severity == "problem" else 0)
    # what else it tells is about the same
    related = {"links": {"not-ours", "repair"}, "plugins": {"ledger"}, "snapshots": {"collection"}}.get(check, set())
    assert {result["check"] for result in results} <= {check, *related}, results
    assert cli.main(["doctor"], machine=healthy_machine.machine) == status
    shown = capsys.readouterr().out
    assert text in shown
    assert all(line in shown for line in (first["next_step"] or "").splitlines())


def test_a_clock_that_says_1970(
    healthy_machine: PlainMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "tukit_sysext.doctor.system.time",
        SimpleNamespace(time=lambda: 60.0, strftime=time.strftime, gmtime=time.gmtime),
    )
    status, (result,) = diagnose(healthy_machine, capsys)
    assert (status, result["check"]) == (1, "clock")
    assert "1970-01-01, before tukit-sysext was built" in result["text"]


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (
            FoldersCheck(
                store=Place(path="/s", read_only=True), others=(), free=10**12, size=0, most=0, privileged=True
            ),
            "mounted read-only",
        ),
        (FoldersCheck(store=Place(path="/s"), others=(), free=1000, size=0, most=0, privileged=True), "are free"),
        (
            FoldersCheck(
                store=Place(path="/s", kind="a symbolic link"),
                others=(),
                free=None,
                size=0,
                most=0,
                privileged=True,
            ),
            "found a symbolic link",
        ),
    ],
    ids=["read-only", "full", "link"],
)
def test_the_store(check: FoldersCheck, text: str) -> None:
    (result,) = [each for each in check.judge() if each.severity is Severity.PROBLEM]
    assert text in result.text and result.next_step


@pytest.mark.parametrize("linked", [True, False], ids=["link", "file"])
def test_what_is_not_ours_and_blocks(
    healthy_machine: PlainMachine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    linked: bool,
) -> None:
    """Root looks into it; who may not look does not say that all is well."""
    fake_look_inside(monkeypatch, level=OLD)
    called_otherwise(linked=linked)(healthy_machine)
    status, results = diagnose(healthy_machine, capsys)
    (problem,) = [result for result in results if result["check"] == "links"]
    assert (status, problem["severity"]) == (1, "problem")
    assert "its content calls itself gdb; systemd-sysext merges nothing at all with it" in problem["text"]
    assert problem["next_step"] == "tukit-sysext verify --boot"
    healthy_machine.as_user()
    with as_nobody(healthy_machine.root):
        _, results = diagnose(healthy_machine, capsys)
    (doubt,) = [result for result in results if result["check"] == "links"]
    assert (doubt["severity"], doubt["next_step"]) == ("unknown", "sudo tukit-sysext doctor")
    assert "odd" in doubt["text"] and "not looked into" in doubt["text"]


def test_the_units_are_those_that_the_package_and_one_command_start() -> None:
    assert {Path(link).parts[-2:] for link in vendor_links()} == {(f"{units.MERGE}.wants", units.GUARD)}
    assert {Path(link).parts[-2:] for link in links_of_administrator()} == {
        ("multi-user.target.wants", units.TARGET),
        ("timers.target.wants", "tukit-sysext-update.timer"),
        *((f"{units.TARGET}.wants", name) for name in units.PARTS),
    }


def test_a_merge_in_the_initrd_is_told_of(healthy_machine: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of ours can look before it."""
    early = "systemd-sysext-sysroot.service"
    make_tree(healthy_machine.root, {f"usr/lib/systemd/system/{early}": "[Service]\n"})
    assert all(result["check"] != "unit systemd-sysext-sysroot" for result in diagnose(healthy_machine, capsys)[1])
    link = Link(f"/usr/lib/systemd/system/{early}")
    make_tree(healthy_machine.root, {f"etc/systemd/system/initrd.target.wants/{early}": link})
    (told,) = [each for each in diagnose(healthy_machine, capsys)[1] if each["check"] == "unit systemd-sysext-sysroot"]
    assert told["severity"] == "hint"
    assert "it merges before tukit-sysext-boot.service can look" in told["text"]


def test_a_check_that_fails_keeps_no_other_from_being_done(
    healthy_machine: PlainMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr("tukit_sysext.doctor.units.UnitsCheck.look", failing)
    remove(TUKIT)(healthy_machine)
    status, results = diagnose(healthy_machine, capsys)
    assert status == 1
    assert {result["check"]: result["severity"] for result in results} == {"units": "unknown", "tukit-hook": "problem"}


def test_a_machine_with_nothing_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = with_source(tmp_path)
    status, results = diagnose(site, capsys)
    assert status == 1
    assert all(result["text"] for result in results)


def test_it_writes_nothing(healthy_machine: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    before = listing(healthy_machine.root)
    diagnose(healthy_machine, capsys)
    assert listing(healthy_machine.root) == before


def test_an_ordinary_user_is_told_what_he_cannot_see(
    healthy_machine: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    write(SOURCE, "[Source]\nURL=https://images.example.org/\nCredentials=/etc/secret\n")(healthy_machine)
    make_tree(healthy_machine.root, {"etc/secret": "lab:geheim\n"})
    (healthy_machine.root / "etc/secret").chmod(0o600)
    (healthy_machine.root / "etc/snapper/configs/root").chmod(0o600)
    healthy_machine.as_user()
    with as_nobody(healthy_machine.root):
        status, results = diagnose(healthy_machine, capsys)
    assert status == 0
    unknown = {result["check"] for result in results if result["severity"] == "unknown"}
    assert unknown == {"snapper", "configuration"}, results
    assert {result["next_step"] for result in results if result["severity"] == "unknown"} == {
        "sudo tukit-sysext doctor"
    }


@pytest.mark.parametrize("waits", [False, True])
def test_an_image_is_told_of_once(
    healthy_machine: PlainMachine, capsys: pytest.CaptureFixture[str], waits: bool
) -> None:
    """One in quarantine that waits for repair is a problem, and no warning beside that."""
    link = healthy_machine.root / "etc/extensions/gdb.raw"
    make_tree(
        healthy_machine.root,
        {
            "etc/tukit-sysext/quarantine/gdb.raw": Link(str(link.readlink())),
            "etc/tukit-sysext/quarantine/gdb.raw.reason": '{"link": "gdb.raw", "reason": "damaged: rot"}',
        },
    )
    link.unlink()
    (healthy_machine.layout.store / IMAGE).write_bytes(b"rot")
    if waits:
        need = Need(
            snapshot=1,
            link="gdb.raw",
            file_name=IMAGE,
            name="gdb",
            version="1.0",
            condition="damaged",
            reason="rot",
            since=1,
        )
        needs.update(healthy_machine.layout.repair, [1], [need], matter=[1])
    _, results = diagnose(healthy_machine, capsys)
    told = [(each["check"], each["severity"]) for each in results if "gdb" in each["text"]]
    assert told == [("repair", "problem") if waits else ("quarantine", "warning")]
