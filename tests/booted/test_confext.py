# SPDX-License-Identifier: LGPL-2.1-or-later
"""Configuration extensions make /etc an overlay, on which nothing can be changed."""

from __future__ import annotations

from tests.booted import journal
from tests.booted.conftest import Boot
from tests.booted.test_bad_images import EXTENSIONS, link_by_hand, names
from tests.booted.units import BOOT
from tests.lab.images import release_text
from tests.on_lab.listing import listing
from tests.on_lab.site import NEW, OLD, Site

CHANGES = (
    ("install", "another"),
    ("remove", "debug"),
    ("hold", "debug"),
    ("update", "debug"),
    ("block", "debug=1.0"),
    ("adopt", "good"),
    ("sources", "remove", "main"),
)


def test_the_guard_comes_first_and_whatever_changes_etc_says_what_is_wrong(boot: Boot) -> None:
    machine = boot()
    site = Site(lab=machine).with_source()
    for name in ("another", "debug"):
        site.publish(name, "1.0", OLD)
    site.command("install", "debug")
    site.publish("debug", "1.1", OLD)
    site.publish("debug", "2.0", NEW)
    link_by_hand(site)
    extension = machine.path("/var/lib/confexts/settings/etc")
    (extension / "extension-release.d").mkdir(parents=True)
    (extension / "extension-release.d/extension-release.settings").write_text(release_text({"ID": "_any"}))
    (extension / "from-a-confext").touch()
    machine.run(["systemctl", "enable", "systemd-confext.service"])

    machine.reboot()

    assert machine.path("/etc/from-a-confext").exists()
    assert machine.merged() == {"debug": "1.0", "good": "1.0"}, journal.text(machine, f"--unit={BOOT}")
    assert machine.failed_units() == []
    assert names(machine.path(EXTENSIONS)) == {"dangling", "debug", "folder", "good", "unfitting"}

    own = machine.snapshot(1) / "etc"
    before = listing(own)
    for command in CHANGES:
        done = site.command(*command, check=False)
        assert done.returncode == 1, command
        assert "configuration extensions are merged into it" in done.stderr + done.stdout, command
        assert "systemd-confext unmerge" in done.stderr + done.stdout, command
        assert listing(own) == before, command
    assert site.update().returncode == 0, "a transaction has an /etc of its own"
    assert site.links(machine.default)["debug.raw"] == "debug-2.0.x86-64.raw"
    machine.run(["systemd-confext", "unmerge"])
    site.command("remove", "debug")
    assert "debug.raw" not in site.links()
