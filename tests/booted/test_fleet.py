# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples for a fleet, word by word, on a booted machine: its first boot, an image's build, mail."""

from __future__ import annotations

from pathlib import Path

from spec.man import pages
from tests.booted import journal
from tests.booted.conftest import Boot
from tests.booted.fleet import EXAMPLES, IMAGES, Publisher, server
from tests.booted.machine import Machine
from tests.booted.units import PROVISION, REFUSED
from tests.on_lab.site import NEW, Site
from tests.unit.documents.test_pages import command_lines

CONFIG = "/root/combustion"


def test_the_examples(boot: Boot, tmp_path: Path) -> None:
    machine = boot()
    site = Site(lab=machine)
    Publisher(tmp_path / "www", site, f"{CONFIG}/main.asc")
    with server(machine, tmp_path / "www"):
        first_boot(site, machine)
        build(machine)
        mail(site, machine)


def first_boot(site: Site, machine: Machine) -> None:
    """combustion's script writes files, and a unit brings the images after the boot."""
    site.write(f"{CONFIG}/script", (EXAMPLES / "combustion").read_text())
    machine.run(["sh", "-c", f"cd {CONFIG} && bash script"])
    assert machine.merged() == {}
    machine.run(["systemctl", "start", PROVISION])
    assert machine.merged() == dict.fromkeys(IMAGES, "1.0"), journal.text(machine, f"--unit={PROVISION}")


def build(machine: Machine) -> None:
    """Between kiwi's two steps the builder puts the images into the new root, which has the files of the source."""
    (command,) = [line for line in command_lines(pages.source("tukit-sysext-fleet.7")) if " --root " in line]
    root = command.split(" --root ")[1].split()[0]
    machine.run(["sh", "-c", f"mkdir /var/srv && mount --bind /var/srv /srv && mkdir {root}"])
    parts = "/usr/lib/os-release /etc/os-release /etc/tukit-sysext/sources.d /etc/tukit-sysext/keyrings"
    machine.run(["sh", "-c", f"cp -a --parents {parts} /etc/tukit-sysext/tukit-sysext.conf.d {root}"])
    machine.run(["sh", "-c", command])
    links = {path.name for path in machine.path(f"{root}/etc/extensions").iterdir()}
    assert links == {f"{name}.raw" for name in IMAGES}
    stored = {path.name for path in machine.path(f"{root}/var/lib/sysext-store").iterdir()}
    assert stored == {f"{name}-1.0.x86-64.raw" for name in IMAGES}
    wanted = {path.name for path in machine.path(f"{root}/etc/tukit-sysext/images.d").iterdir()}
    assert wanted == {f"{name}.conf" for name in IMAGES}


def mail(site: Site, machine: Machine) -> None:
    """A refused update is mailed with its reason."""
    machine.run(["mount", "-t", "tmpfs", "tmpfs", "/usr/local/bin"])
    program = '{ printf "%s\\n" "$@"; cat; } > /root/sent.new && mv /root/sent.new /root/sent'
    site.write("/usr/local/bin/mail", f"#!/bin/sh\n{program}\n")
    machine.path("/usr/local/bin/mail").chmod(0o755)
    units = "/etc/systemd/system"
    site.write(f"{units}/{REFUSED}.d/mail.conf", (EXAMPLES / "mail.conf").read_text())
    site.write(f"{units}/tukit-sysext-mail.service", (EXAMPLES / "tukit-sysext-mail.service").read_text())
    machine.run(["systemctl", "daemon-reload"])
    assert site.update(release=NEW).returncode == 75
    machine.until("[ -e /root/sent ]")
    sent = machine.path("/root/sent").read_text()
    host = machine.run(["hostname"]).stdout.strip()
    assert sent.splitlines()[:3] == ["-s", f"{host}: extension images and updates", "root"]
    assert "gdb" in sent and "strace" in sent
    assert machine.failed_units() == [REFUSED]
