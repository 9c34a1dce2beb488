# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who publishes images, and a machine that takes them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from spec.man import pages
from tests.lab.images import make_image
from tests.lab.signing import SigningKey
from tests.machine import PlainMachine
from tukit_sysext import cli
from tukit_sysext.publish.memory import read_memory, write_memory

PAGE = "tukit-sysext-repository.7"
RELEASE = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.42"}


class Publisher:
    """A folder of images, a key, and a machine that has the folder as its source."""

    def __init__(self, path: Path) -> None:
        self.folder = path / "images"
        self.folder.mkdir()
        self.key = SigningKey.shared()
        self._homes: set[str] = set()
        self.machine = PlainMachine(path / "machine")
        source = self.machine.root / "etc/tukit-sysext/sources.d/main.conf"
        source.parent.mkdir(parents=True)
        source.write_text(f"[Source]\nPath={self.folder}\nKeyring=/etc/tukit-sysext/key.gpg\n")
        self.keyring = self.key.write_keyring(self.machine.root / "etc/tukit-sysext/key.gpg")

    def close(self) -> None:
        """End the agents that gpg started."""
        for home in self._homes:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=True)

    def image(self, name: str, version: str, release: Mapping[str, str] = RELEASE, **options: Any) -> Path:
        return make_image(self.folder, name, version, release=release, **{"manifest": None, **options})

    def run(self, *options: str, status: int = 0, key: bool = True) -> None:
        argv = ["publish", str(self.folder), *options]
        argv += ["--key", self.key.fingerprint, "--homedir", str(self.key.folder)] if key else []
        self._homes |= {after for word, after in pairwise(argv) if word == "--homedir"}
        assert cli.main(argv, machine=self.machine.machine) == status

    def offered(self) -> dict[str, list[str]]:
        """The versions that the machine finds by image, with what it says where it cannot use one."""
        done = self.machine.command("list", "--all", "--json")
        assert done.returncode == 0, done
        return {
            image["name"]: [version["version"] for version in image["versions"]]
            for image in json.loads(done.stdout)["images"]
        }

    @property
    def listed(self) -> list[str]:
        return [line.split("  ")[1] for line in (self.folder / "SHA256SUMS").read_text().splitlines()]


def block(first: str) -> str:
    """The lines of a block of tukit-sysext-repository(7) that begins with this line, as they stand there."""
    found = re.search(rf"^ {{4}}{re.escape(first)}\n(?: {{4}}.*\n|\n)*", pages.source(PAGE), re.M)
    assert found is not None, f"{PAGE} has no block {first}"
    return "".join(f"{line[4:]}\n" for line in found[0].splitlines())


def days_later(publisher: Publisher, days: int) -> None:
    """As if everything had happened so many days ago."""
    memory = read_memory(publisher.folder)
    span = timedelta(days=days)
    write_memory(publisher.folder, {name: replace(each, listed=each.listed - span) for name, each in memory.items()})
