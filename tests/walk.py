# SPDX-License-Identifier: LGPL-2.1-or-later
"""The way that a new user takes: from a machine that has nothing to one whose images follow its updates.

``python -m tests.walk [COLUMNS] [MORE]`` prints every screen of it, with MORE images beside the three of the story;
tests/on_lab/test_walk.py checks what stands on them.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Flavour, Lab
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.on_lab.site import NEW, OLD, Site, Web, installed_tree
from tests.terminal import on_terminal

KEY = "/root/publisher.gpg"
THIRD = {"VERSION_ID": "20261215", "SYSEXT_LEVEL": "glibc-2.44"}
"""A system for which nothing is published."""
_DRAWN_OVER = re.compile(r"\x1b\[\?25l.*?\x1b\[\?25h\r?(?:\x1b\[1A\r?\x1b\[2K)?", re.S)


@dataclass(frozen=True, kw_only=True, slots=True)
class Screen:
    """What one command printed on a terminal, and how it ended."""

    name: str
    command: str
    status: int
    text: str


def boot(site: Site) -> None:
    """As a machine boots: with what is linked merged."""
    site.lab.reboot()
    site.lab.merge()


def walk(site: Site, web: Web, *, columns: int = 80, more: int = 0) -> Iterator[Screen]:
    """Every step in its order; between them the publisher and the machine do their part."""

    def step(name: str, *arguments: str) -> Screen:
        status, text = on_terminal(site.lab, arguments, columns=columns, environment={"NO_COLOR": "1"})
        # of what a bar drew over, the last line is what stays
        shown = _DRAWN_OVER.sub("", text)
        return Screen(name=name, command=" ".join(("tukit-sysext", *arguments)), status=status, text=shown)

    # a fresh machine: what is missing?
    yield step("doctor on a fresh machine", "doctor")

    # somebody publishes images, and says where and with which key
    for name, version, release in (
        ("gdb", "15.1", OLD),
        ("gdb", "15.2", NEW),
        ("strace", "6.11", OLD),
        ("strace", "6.12", NEW),
        ("k3s", "1.31.5", OLD),
    ):
        site.publish(name, version, release)
    for number in range(more):
        site.publish(f"tool-{number:02}", "1.0", {"ID": "_any"})
    web.key.write_keyring(site.lab.path(KEY))
    yield step("a source", "sources", "add", "main", web.server.url, "--key", KEY)
    yield step("what it offers", "list")
    yield step("a name that is misspelt", "install", "gbd")
    yield step("what would be installed", "install", "--dry-run", "gdb", "strace")
    yield step("installed", "install", "gdb", "strace")
    yield step("left out where none fits", "install", "--optional", "k3s", *(f"tool-{n:02}" for n in range(more)))
    yield step("what there is now", "status")

    # a snapshot with it, then an update of the system
    site.lab.tukit("execute", "true", check=True)
    first = site.default()
    boot(site)
    if site.update().returncode != 0:
        raise RuntimeError("the update failed")
    yield step("between the update and the reboot", "status")
    yield step("what the reboot brings", "diff", "running", "default")
    yield step("why one is not there", "why-not", "k3s", "--snapshot", str(site.default()))
    boot(site)
    yield step("all snapshots", "snapshots")

    # the old system was better
    site.lab.tukit("rollback", str(first), check=True)
    boot(site)
    yield step("after the rollback", "status")
    yield step("what keeps an image", "why", "gdb")
    yield step("what a collection would do", "gc", "--dry-run")
    yield step("removed", "remove", "strace")
    yield step("what happened", "history", "strace")
    yield step("all well?", "doctor")

    # an update that no gdb fits
    if site.update(release=THIRD).returncode != 75:
        raise RuntimeError("the update was not refused")
    yield step("an update is refused", "status")
    yield step("what it would do", "check", "--refused")
    yield step("why it was refused", "why-not", "--refused", "gdb")
    yield step("nothing is newer", "update")
    yield step("collected at once", "gc", "--now", "--dry-run")
    yield step("all commands", "--help")
    yield step("one command", "check", "--help")
    yield step("no command")


def main() -> int:
    """Print all screens."""
    parser = argparse.ArgumentParser(prog="tests.walk", description=__doc__)
    parser.add_argument("columns", type=int, nargs="?", default=80, help="width of the terminal")
    parser.add_argument("more", type=int, nargs="?", default=0, help="how many images beside")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tree = installed_tree(Path(scratch))
        repository = Repository(Path(scratch, "repository"))
        with Server(repository.folder) as server, Lab.start(Flavour.MICROOS, install={tree: "/"}) as lab:
            web = Web(repository=repository, server=server, key=SigningKey.shared())
            lab.run(["systemd-tmpfiles", "--create", "tukit-sysext.conf"])
            for screen in walk(Site(lab=lab, web=web), web, columns=arguments.columns, more=arguments.more):
                print(f"\n## {screen.name}\n# {screen.command}")
                print(screen.text, end="" if screen.status == 0 else f"[{screen.status}]\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
