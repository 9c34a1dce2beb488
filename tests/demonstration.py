# SPDX-License-Identifier: LGPL-2.1-or-later
"""The story that tests/demo tells: a machine, two wanted images, an update, a refused one, a rollback.

Everything is real (btrfs, snapper, rpm, images, signatures, HTTP, systemd-sysext) but tukit, whose part the lab's
driver plays.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lab import Flavour, Lab
from tests.lab.images import MARKS
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.on_lab.site import NEW, OLD, STORE, Site, Web, installed_tree

LATER = {"VERSION_ID": "20261215", "SYSEXT_LEVEL": "glibc-2.44"}

_DROPPED = ("Found plugin", "Options:", "Using '", "Output of plugin", "---")


def main() -> int:
    """Tell the story; 0 when everything went as told."""
    parser = argparse.ArgumentParser(prog="tests/demo", description=__doc__)
    parser.add_argument("--tumbleweed", action="store_true", help="a read-write root with a plain /etc, not MicroOS")
    flavour = Flavour.TUMBLEWEED if parser.parse_args().tumbleweed else Flavour.MICROOS
    title("A machine in a folder")
    tell(f"A loopback btrfs with real snapper, rpm and systemd, laid out like {flavour.value}.")
    tell("The first time it has to be built, which takes a minute.")
    with tempfile.TemporaryDirectory() as scratch:
        tree = installed_tree(Path(scratch))
        repository = Repository(Path(scratch, "repository"))
        with Server(repository.folder) as server, Lab.start(flavour, install={tree: "/"}) as lab:
            story(Site(lab=lab, web=Web(repository=repository, server=server, key=SigningKey.shared())).prepare())
    title("Done")
    tell("The machine is gone again. README.md tells how to use it, and tests/lab/lab start gives a bare one.")
    return 0


def story(site: Site) -> None:
    """The parts of the story, in their order."""
    title("A publisher has images for this system and for the next one")
    site.publish("debug", "1.0", OLD)
    site.publish("debug", "1.1", NEW)
    site.publish("strace", "6.1", OLD, kind="erofs")
    site.publish("htop", "3.4", OLD, kind="gpt")
    site.publish("htop", "3.5", NEW)
    print(f"\n{site.location('')}")
    print("\n".join(f"  {path.name}" for path in sorted(site.images.iterdir())))

    title("The administrator wants three of them")
    site.want("debug")
    site.want("htop")
    site.want("strace", policy="optional")
    run(site, "tail", "-n", "+1", *(f"/etc/tukit-sysext/{name}.conf" for name in
        ("sources.d/main", "images.d/debug", "images.d/strace")))  # fmt: skip
    run(site, "tukit-sysext", "check")

    title("Any transaction brings them into the new snapshot")
    tukit(site, "execute", "true")
    first = site.default()
    reboot(site)
    merge(site)

    title(f"An update to {NEW['VERSION_ID']} brings the images that fit it; the optional one has none yet")
    tukit(site, "execute", "rpm", "-U", "--nodeps", site.release_rpm(NEW))
    run(site, "tukit-sysext", "snapshots")
    reboot(site)
    merge(site)

    title(f"An update to {LATER['VERSION_ID']} would lose a required image: it is refused, the old system stays")
    site.publish("htop", "3.6", LATER)
    tukit(site, "execute", "rpm", "-U", "--nodeps", site.release_rpm(LATER), expected=75)
    run(site, "snapper", "--no-dbus", "list", "--columns", "number,default,description")
    run(site, "tukit-sysext", "status")

    title("The publisher delivers, and the same update passes")
    site.publish("debug", "1.2", LATER)
    tukit(site, "execute", "rpm", "-U", "--nodeps", site.release_rpm(LATER))
    reboot(site)
    merge(site)
    run(site, "tukit-sysext", "status")

    title(f"A rollback to snapshot {first} brings its images back, without fetching anything")
    tukit(site, "rollback", str(first))
    reboot(site)
    merge(site)
    run(site, "tukit-sysext", "snapshots")

    title("What is damaged is found, and brought back by its hash")
    damaged = site.lab.path(f"{STORE}/debug-1.0.x86-64.raw")
    damaged.write_bytes(damaged.read_bytes()[:2000])
    run(site, "tukit-sysext", "verify", expected=1)
    run(site, "tukit-sysext", "verify", "--repair")

    title("When snapshots go, the images go that none needs any more, after a time of grace")
    site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Store]\nGrace=0s\n")
    run(site, "tukit-sysext", "why", "debug")
    gone = [str(number) for number in sorted(site.numbers()) if number not in (1, first, site.default())]
    run(site, "snapper", "--no-dbus", "delete", *gone)
    run(site, "tukit-sysext", "gc")
    run(site, "tukit-sysext", "gc")
    run(site, "tukit-sysext", "history", "debug")


def title(text: str) -> None:
    """A heading."""
    print(f"\n\n=== {text} ===", flush=True)


def tell(text: str) -> None:
    """A sentence."""
    print(text, flush=True)


def show(done: subprocess.CompletedProcess[str], expected: int = 0) -> None:
    """What was called, and what it printed; anything else than the expected status ends the story."""
    print(f"\n# {shlex.join(done.args)}")
    for line in (done.stdout + done.stderr).splitlines():
        if not line.startswith(_DROPPED):
            print(f"  {line}")
    if done.returncode:
        print(f"  (exit status {done.returncode})")
    sys.stdout.flush()
    if done.returncode != expected:
        sys.exit(f"tests/demo: expected exit status {expected}")


def run(site: Site, *argv: str, expected: int = 0) -> None:
    """Run a command and show it."""
    show(site.lab.run(argv, check=False), expected)


def tukit(site: Site, *argv: str, expected: int = 0) -> None:
    """Run a transaction and show it."""
    show(site.lab.tukit(*argv), expected)


def reboot(site: Site) -> None:
    """Boot into the default snapshot."""
    site.lab.reboot()
    print(f"\n# reboot\n  running now: snapshot {site.lab.running}")


def merge(site: Site) -> None:
    """What systemd-sysext.service does at boot, and what is in the images."""
    run(site, "systemd-sysext", "merge")
    run(site, "tail", "-n", "+1", *(f"/usr/{MARKS}/{path.name}" for path in
        sorted(site.lab.path(f"/usr/{MARKS}").iterdir())))  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
