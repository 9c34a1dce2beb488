# SPDX-License-Identifier: LGPL-2.1-or-later
"""Between an update and the reboot two trees live: commands act on both, and the copying of /etc spoils neither."""

from __future__ import annotations

import pytest

from tests.documents import faults
from tests.lab import Flavour
from tests.lab.images import make_image, write_checksums
from tests.lab.repository import Repository
from tests.lab.signing import SigningKey
from tests.on_lab.site import NEW, OLD, Site

ANY = {"ID": "_any"}


@pytest.fixture
def between(site: Site) -> Site:
    """A machine that was updated and not rebooted: debug 1.0 runs, 1.1 boots next; tools 1.0 is in both."""
    site.publish("debug", "1.0", OLD)
    site.publish("debug", "1.1", NEW)
    site.publish("tools", "1.0", ANY)
    site.command("install", "debug", "tools")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    assert site.update().returncode == 0
    assert site.links() == {"debug.raw": "debug-1.0.x86-64.raw", "tools.raw": "tools-1.0.x86-64.raw"}
    assert site.links(site.default()) == {"debug.raw": "debug-1.1.x86-64.raw", "tools.raw": "tools-1.0.x86-64.raw"}
    return site


def wanted(site: Site, name: str, snapshot: int | None = None) -> str | None:
    """What images.d says of an image; None where it has no file."""
    root = site.lab.path("/") if snapshot is None else site.lab.snapshot(snapshot)
    path = root / f"etc/tukit-sysext/images.d/{name}.conf"
    return path.read_text() if path.exists() else None


def test_install_brings_each_tree_what_fits_it(between: Site) -> None:
    between.publish("strace", "1.0", OLD)
    between.publish("strace", "1.1", NEW)
    told = between.command("install", "strace").stdout
    assert "The running system:\n  strace: 1.0 added" in told
    assert f"Snapshot {between.default()} (boots next):\n  strace: 1.1 added" in told
    assert between.links()["strace.raw"] == "strace-1.0.x86-64.raw"
    assert between.links(between.default())["strace.raw"] == "strace-1.1.x86-64.raw"

    between.lab.reboot()

    assert between.links()["strace.raw"] == "strace-1.1.x86-64.raw"
    assert between.command("verify").returncode == 0


def test_install_changes_nothing_where_it_fits_one_tree_alone(between: Site) -> None:
    between.publish("strace", "1.0", OLD)
    done = between.command("install", "strace", check=False)
    assert done.returncode == 1
    assert f"strace: snapshot {between.default()} (boots next): nothing published fits" in done.stderr
    assert "--optional" in done.stderr
    assert wanted(between, "strace") is None and wanted(between, "strace", between.default()) is None
    assert "strace.raw" not in between.links()


def test_an_optional_one_that_fits_the_old_tree_alone_does_not_come_along(between: Site) -> None:
    between.publish("strace", "1.0", OLD)
    assert between.command("install", "--optional", "strace").returncode == 0
    assert between.links()["strace.raw"] == "strace-1.0.x86-64.raw"
    assert "strace.raw" not in between.links(between.default())

    between.lab.reboot()
    between.command("verify", "--boot", check=False)

    assert "strace.raw" not in between.links()
    assert wanted(between, "strace") is not None


def test_what_is_removed_stays_away(between: Site) -> None:
    following = between.default()
    told = between.command("remove", "debug", "tools").stdout
    assert "debug: 1.0 removed" in told and "debug: 1.1 removed" in told
    assert between.links() == {} and between.links(following) == {}

    between.lab.reboot()
    between.command("verify", "--boot")
    assert between.links() == {}

    between.lab.tukit("execute", "true", check=True)
    assert between.links(between.default()) == {}


def test_what_is_removed_while_a_transaction_is_open_stays_away(between: Site) -> None:
    opened = between.lab.tukit("open", check=True).stdout
    number = max(between.numbers())
    assert str(number) in opened
    told = between.command("remove", "tools").stderr
    assert f"snapshot {number} is open in a transaction and was not changed" in told
    assert "next step:\n    tukit-sysext remove tools\n" in told
    between.lab.tukit("close", str(number), check=True)
    assert between.default() == number

    between.lab.reboot()
    if between.lab.flavour is Flavour.TUMBLEWEED:
        # nothing brings changes of /etc along there: what was told has to be done
        between.command("remove", "tools")
    between.command("verify", "--boot")

    assert "tools.raw" not in between.links()


def test_an_update_of_both_leaves_each_what_fits_it(between: Site) -> None:
    between.publish("debug", "1.0.1", OLD)
    between.command("update")
    assert between.links()["debug.raw"] == "debug-1.0.1.x86-64.raw"
    assert between.links(between.default())["debug.raw"] == "debug-1.1.x86-64.raw"

    between.lab.reboot()

    assert between.links()["debug.raw"] == "debug-1.1.x86-64.raw"


def test_hold_and_unhold(between: Site) -> None:
    between.publish("debug", "1.2", NEW)
    between.publish("debug", "1.0.1", OLD)
    told = between.command("hold", "debug").stdout
    assert "the running system: debug: held at 1.0\n" in told
    assert f"snapshot {between.default()} (boots next): debug: held at 1.1\n" in told
    between.command("update")
    assert between.links()["debug.raw"] == "debug-1.0.x86-64.raw"

    between.lab.reboot()

    assert "Hold=1.1" in (wanted(between, "debug") or "")
    between.command("update")
    assert between.links()["debug.raw"] == "debug-1.1.x86-64.raw"
    between.command("unhold", "debug")
    between.command("update")
    assert between.links()["debug.raw"] == "debug-1.2.x86-64.raw"


def test_a_block_holds_in_both(between: Site) -> None:
    between.publish("debug", "1.0.1", OLD)
    between.publish("debug", "1.2", NEW)
    between.command("block", "debug=1.0.1", "debug=1.2")
    between.command("update")
    assert between.links()["debug.raw"] == "debug-1.0.x86-64.raw"
    assert between.links(between.default())["debug.raw"] == "debug-1.1.x86-64.raw"
    between.command("unblock", "debug=1.2")
    between.lab.reboot()
    between.command("update")
    assert between.links()["debug.raw"] == "debug-1.2.x86-64.raw"


def test_one_snapshot_alone(between: Site) -> None:
    between.publish("strace", "1.1", NEW)
    following = between.default()
    between.command("install", "--snapshot", str(following), "strace")
    assert "strace.raw" in between.links(following) and "strace.raw" not in between.links()
    between.command("remove", "--snapshot", str(following), "strace")
    assert "strace.raw" not in between.links(following)
    done = between.command("install", "--snapshot", "99", "strace", check=False)
    assert done.returncode == 1 and "snapshot 99: expected one that is there" in done.stderr


def test_a_source_comes_and_goes_in_both(between: Site) -> None:
    following = f"snapshot {between.default()} (boots next)"
    stick = Repository(between.lab.path("/var/stick"))
    make_image(stick.folder, "extra", "1.0", release=ANY)
    write_checksums(stick.folder)
    stick.sign(SigningKey.shared())
    SigningKey.shared().write_keyring(between.lab.path("/root/key"))
    told = between.command("sources", "add", "usb", "/var/stick", "--key", "/root/key").stdout
    assert f"{following}: usb: /etc/tukit-sysext/sources.d/usb.conf written" in told
    assert "Other sources" not in between.command("sources").stdout
    between.command("install", "extra")
    assert between.links()["extra.raw"] == between.links(between.default())["extra.raw"] == "extra-1.0.x86-64.raw"

    between.lab.reboot()

    assert {row["name"] for row in between.json("sources")["sources"]} == {"main", "usb"}
    between.lab.tukit("execute", "true", check=True)
    following = f"snapshot {between.default()} (boots next)"
    tree = between.lab.snapshot(between.default())
    between.write("/etc/tukit-sysext/sources.d/late.conf", "[Source]\nPath=/var/late\nVerify=no\n")
    told = between.command("sources").stdout
    assert faults("sources", between.json("sources")) == []
    assert f"Other sources count in {following}: it lacks late" in told
    between.command("sources", "remove", "usb")
    assert not (tree / "etc/tukit-sysext/sources.d/usb.conf").exists()
    assert not (tree / "etc/tukit-sysext/keyrings/usb.gpg").exists()
    assert {row["name"] for row in between.json("sources")["sources"]} == {"main", "late"}


def test_keys_that_change_with_an_update(site: Site) -> None:
    """The import keyring is of a package: the new tree has the publisher's new key, the running one the old one."""
    old, new = SigningKey.shared(), SigningKey.shared("Publisher, from now on <new@localhost>")
    ring = "/usr/lib/systemd/import-pubring.pgp"
    site.write("/etc/tukit-sysext/sources.d/keyed.conf", "[Source]\nPath=/var/cache/keyed\n")

    def update(key: SigningKey) -> int:
        """A transaction that brings this key in place of the one before."""
        site.lab.path("/var/cache/key.pgp").write_bytes(key.public())
        return site.lab.tukit("execute", "cp", "/var/cache/key.pgp", ring).returncode

    def publish(version: str, key: SigningKey) -> None:
        repository = Repository(site.lab.path("/var/cache") / "keyed")
        make_image(repository.folder, "keyed", version, release=ANY)
        repository.write_list()
        repository.sign(key)

    assert update(old) == 0
    site.lab.reboot()
    publish("1.0", old)
    site.command("install", "keyed")
    assert f"a key of {ring}" in site.command("sources").stdout

    publish("1.1", new)
    assert update(new) == 0
    assert site.links(site.default())["keyed.raw"] == "keyed-1.1.x86-64.raw"
    assert site.links()["keyed.raw"] == "keyed-1.0.x86-64.raw"
    done = site.command("update", "keyed", check=False)
    assert "is not in the keyring" in done.stderr
    assert site.links()["keyed.raw"] == "keyed-1.0.x86-64.raw", "what it has, it keeps"

    site.lab.reboot()
    assert site.links()["keyed.raw"] == "keyed-1.1.x86-64.raw"
    assert "is not in the keyring" not in site.command("update", "keyed").stderr
