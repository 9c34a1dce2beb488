# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real zypper updates a snapshot, with real RPM databases: images come with it, or it does not happen."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.lab.packages import FIRST, PLACE, SECOND, THIRD, Distribution
from tests.on_lab.site import STORE
from tests.on_lab.zypper_site import ZypperSite, in_release

NDB = "%_db_backend ndb\n"
WITH_SQLITE = pytest.param((Flavour.MICROOS, False), id="microos-sqlite")
WITH_NDB = pytest.param((Flavour.TUMBLEWEED, True), id="tumbleweed-ndb")


@pytest.fixture(params=[WITH_SQLITE, WITH_NDB])
def site(request: pytest.FixtureRequest, start_lab: StartLab, our_tree: Path, tmp_path: Path) -> ZypperSite:
    """A machine of the first release, with each kind of RPM database."""
    flavour, ndb = request.param
    (tmp_path / "macros").write_text(NDB if ndb else "")
    install = {
        our_tree: "/",
        Distribution.shared().folder: PLACE,
        tmp_path / "macros": "/usr/lib/rpm/macros.d/macros.zz-lab",
    }
    site = ZypperSite(lab=start_lab(flavour, install=install))
    site.prepare()
    return site.with_packages(ndb=ndb)


def rpm(site: ZypperSite, name: str) -> str:
    """The version of a package in the running system, as rpm has it."""
    return site.lab.run(["rpm", "-q", "--queryformat", "%{VERSION}", name], check=False).stdout


def database(site: ZypperSite, snapshot: int) -> dict[str, tuple[int, ...]]:
    """The files of a snapshot's RPM database, with all that changes when they are written."""
    folder = site.lab.snapshot(snapshot) / "usr/lib/sysimage/rpm"
    states = {path.name: path.stat() for path in [folder, *folder.iterdir()]}
    return {name: (each.st_ino, each.st_size, each.st_mtime_ns, each.st_ctime_ns) for name, each in states.items()}


def test_images_come_with_the_packages(site: ZypperSite) -> None:
    """Up two releases; a rollback has the images of its packages; a required image keeps an update away."""
    site.publish("debug", "1.0", in_release(FIRST))
    site.publish("debug", "1.1", in_release(SECOND))
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    first = site.default()
    assert (rpm(site, "glibc"), site.links()) == ("2.42", {"debug.raw": "debug-1.0.x86-64.raw"})

    done = site.dup(SECOND)

    assert done.returncode == 0, done.stderr
    assert "debug: 1.0 -> 1.1, from source main" in done.stdout
    second = site.default()
    site.lab.reboot()
    assert site.lab.running == second != first
    assert (rpm(site, "glibc"), site.links()) == ("2.43", {"debug.raw": "debug-1.1.x86-64.raw"})

    numbers, before = site.numbers(), database(site, second)
    refused = site.dup(THIRD)

    assert refused.returncode == 75
    assert "Installing: glibc-2.44-1" in refused.stdout, "zypper had done its work"
    assert f"SYSEXT_LEVEL is {in_release(SECOND)['SYSEXT_LEVEL']}, the new system has glibc-2.44" in refused.stderr
    assert (site.numbers(), site.default(), rpm(site, "glibc")) == (numbers, second, "2.43")
    assert database(site, second) == before, "zypper's work has gone with the snapshot"

    site.lab.tukit("rollback", str(first), check=True)
    site.lab.reboot()
    assert (rpm(site, "glibc"), site.links()) == ("2.42", {"debug.raw": "debug-1.0.x86-64.raw"})


@pytest.mark.parametrize("site", [WITH_SQLITE], indirect=True)
def test_what_is_taken_starts_and_what_is_passed_over_does_not(site: ZypperSite) -> None:
    """An image that fits every system by its words, with the program of one release after the other."""

    def publish(version: str, release: str) -> None:
        files = {"bin/hello": Distribution.shared().program(release, "greet")}
        site.publish("hello", version, {"ID": "_any"}, files=files)

    def hello() -> tuple[int, str]:
        """Run it after a real merge."""
        site.lab.merge()
        done = site.lab.run(["/usr/bin/hello"], check=False)
        site.lab.run(["systemd-sysext", "unmerge"])
        return done.returncode, done.stderr

    def linked() -> str:
        return site.links()["hello.raw"].removeprefix("hello-").removesuffix(".x86-64.raw")

    publish("1.0", FIRST)
    site.want("hello")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    assert (linked(), hello()) == ("1.0", (0, ""))

    publish("1.1", SECOND)
    done = site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    assert (linked(), done.stderr) == ("1.0", "")
    site.lab.path(f"{STORE}/by-hand.raw").write_bytes((site.images / "hello-1.1.x86-64.raw").read_bytes())
    before = os.readlink(site.lab.path("/etc/extensions/hello.raw"))
    site.lab.run(["ln", "-sfn", f"{STORE}/by-hand.raw", "/etc/extensions/hello.raw"])
    status, said = hello()
    site.lab.run(["ln", "-sfn", before, "/etc/extensions/hello.raw"])
    assert status != 0 and "version `GREET_1.1' not found" in said
    (running,) = json.loads(site.command("inspect", f"{STORE}/by-hand.raw", "--json").stdout)["systems"]
    lacking = [rule["image"] for rule in running["rules"] if rule["rule"] == "needs" and rule["fits"] is False]
    assert lacking == ["libgreet.so.1(GREET_1.1)(64bit)"]

    assert site.dup(SECOND).returncode == 0
    site.lab.reboot()
    assert (linked(), hello()) == ("1.1", (0, ""))

    done = site.dup(THIRD)
    site.lab.reboot()
    provided = f"package libgreet1 provides it in {SECOND}, nothing does in {THIRD}"
    assert f"hello: 1.1 needs libgreet.so.1()(64bit): {provided}" in done.stderr
    status, said = hello()
    assert linked() == "1.1" and status != 0 and "libgreet.so.1: cannot open shared object file" in said

    publish("1.2", THIRD)
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    assert (linked(), hello()) == ("1.2", (0, ""))


ASKED = {
    "libgreet.so.1()(64bit)": ("libgreet1-1.0-1", "libgreet1-1.1-1", None),
    "libgreet.so.1(GREET_1.1)(64bit)": (None, "libgreet1-1.1-1", None),
    "libgreet.so.2(GREET_2.0)(64bit)": (None, None, "libgreet2-1.2-1"),
    "libseal3 >= 3.4": (None, "libseal3-3.4.0-1", "libseal3-3.4.1-1"),
    "libc.so.6(GLIBC_2.34)(64bit)": ("glibc-2.42-1", "glibc-2.43-1", "glibc-2.44-1"),
    "/bin/sh": ("glibc-2.42-1", "glibc-2.43-1", "glibc-2.44-1"),
    "/usr/bin/greet": ("greet-tools-1.0-1", "greet-tools-1.1-1", "greet-tools-1.2-1"),
    "libnobody.so.1()(64bit)": (None, None, None),
}
"""What meets a requirement in each of the three releases."""


def test_what_each_snapshot_offers(site: ZypperSite) -> None:
    """Looked at from the running system, on a snapshot that may be read-only, which stays as it is."""
    numbers = [site.default()]
    for version in (SECOND, THIRD):
        assert site.dup(version).returncode == 0
        numbers.append(site.default())
        site.lab.reboot()
    identities = set()
    for position, number in enumerate(numbers):
        before = database(site, number)
        found = site.offers(list(ASKED), root=f"/.snapshots/{number}/snapshot")
        assert found["unknown"] is None
        assert found["answers"] == {name: packages[position] for name, packages in ASKED.items()}
        assert database(site, number) == before
        identities.add(found["identity"])
    assert len(identities) == len(numbers)


@pytest.mark.parametrize("site", [WITH_NDB], indirect=True)
def test_a_cut_database_is_unknown_wherever_it_is_cut(site: ZypperSite) -> None:
    """Of some, rpm's library ends with SIGSEGV."""
    folder = site.lab.path("/usr/lib/sysimage/rpm")
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    copy = site.lab.path("/var/tmp/tree/usr/lib/sysimage/rpm")
    copy.mkdir(parents=True)
    for part in range(10):
        for name, content in whole.items():
            (copy / name).write_bytes(content[: len(content) * part // 10] if name == "Packages.db" else content)
        found = site.offers(["libnobody.so.1()(64bit)"], root="/var/tmp/tree")
        assert found["answers"]["libnobody.so.1()(64bit)"] == "unknown", (part, found)


@pytest.mark.parametrize("site", [WITH_SQLITE], indirect=True)
def test_preflight_warns_of_what_an_update_takes_away(site: ZypperSite) -> None:
    """An image with the program of a package, whose library gets another soname two releases later.

    What is required for it by the configuration is not met one release later.
    """
    program = site.lab.path("/usr/bin/greet").read_bytes()
    site.publish("hello", "1.0", in_release(FIRST), files={"bin/hello": program})
    site.want("hello", policy="optional", Requires="libseal3 < 3.4")
    site.command("update")
    changed = "the update changes libseal3, from which hello 1.0 has libseal3 < 3.4"
    taken_away = "the update takes away libgreet1, from which hello 1.0 has libgreet.so.1()(64bit)"
    for version, expected in ((SECOND, {changed}), (THIRD, {changed, taken_away})):
        site.publish_release(version)
        site.lab.run(["zypper", "--non-interactive", "--no-gpg-checks", "refresh"], check=True)
        warnings = set(site.json("preflight")["warnings"])
        # each version of a symbol is a need of its own
        assert {text for text in warnings if "libgreet.so.1(GREET" not in text} == expected, version


MARK = "/run/tukit-sysext/adapt"


@pytest.mark.parametrize("site", [WITH_NDB], indirect=True)
def test_a_writable_system_follows_its_packages(site: ZypperSite) -> None:
    """Real libzypp speaks to our plugin; what systemd starts then is started by hand, as the lab has no systemd."""
    site.publish("debug", "1.0", in_release(FIRST))
    site.publish("debug", "1.1", in_release(SECOND))
    site.publish("strace", "1.0", in_release(FIRST))
    site.want("debug")
    site.want("strace")
    site.command("update")
    assert site.links() == {"debug.raw": "debug-1.0.x86-64.raw", "strace.raw": "strace-1.0.x86-64.raw"}

    site.dup_in_place(SECOND)
    assert not site.lab.path(MARK).exists(), "without systemd nobody would see it"
    site.lab.path("/run/systemd/system").mkdir(parents=True)
    site.lab.tukit("execute", "zypper", "--non-interactive", "install", "--force", "sudo", check=True)
    assert not site.lab.path(MARK).exists(), "in a transaction tukit's plugin has done it"
    site.publish_release(THIRD)
    site.lab.run(["zypper", "--non-interactive", "dup", "--dry-run"], check=True)
    assert not site.lab.path(MARK).exists(), "nothing was changed"

    site.publish("debug", "1.2", in_release(THIRD))
    site.dup_in_place(THIRD)
    assert site.lab.path(MARK).exists()
    done = site.command("adapt", check=False)

    assert done.returncode == 1
    assert "debug: 1.0 -> 1.2" in done.stdout
    assert "strace: 1.0 left out" in done.stdout
    assert "the packages are installed already, so that nothing was refused" in done.stderr
    assert site.links() == {"debug.raw": "debug-1.2.x86-64.raw"}
    assert "WITHOUT" in site.command("status").stdout
    assert "strace" in site.lab.path("/run/motd.d/tukit-sysext").read_text()
