# SPDX-License-Identifier: LGPL-2.1-or-later
"""A booted machine with the server that the examples for a fleet name, images.example.org."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.booted.machine import Machine
from tests.lab.repository import Repository
from tests.lab.signing import SigningKey
from tests.on_lab.site import OLD, Site
from tests.rpm import TOP

EXAMPLES = TOP / "spec/examples/fleet"
HOST = "images.example.org"
IMAGES = ("gdb", "strace")


class Publisher:
    """Publishes images for a machine in ``folder``, and gives it the key in a file."""

    def __init__(self, folder: Path, site: Site, key_file: str) -> None:
        self._repository = Repository(folder / "microos")
        self._release = {**OLD, **site.identity}
        self._key = SigningKey.shared()
        self._key.write_keyring(site.lab.path(key_file), armoured=True)
        site.write("/etc/tukit-sysext/tukit-sysext.conf.d/lab.conf", "[Network]\nCAFile=/root/authority.pem\n")
        self.publish("1.0", *IMAGES)

    def publish(self, version: str, *names: str) -> None:
        """A version of images, in a list that is signed."""
        for name in names:
            self._repository.publish(name, version, self._release)
        self._repository.write_list()
        self._repository.sign(self._key)


@contextmanager
def server(machine: Machine, folder: Path) -> Iterator[None]:
    """What the examples call images.example.org, in the machine's own network."""
    argv = ["nsenter", f"--target={machine.pid}", "--net", "--", sys.executable, "-m", "tests.lab.server"]
    with subprocess.Popen(
        [*argv, str(folder), "--tls", "--name", HOST, "--port", "443"], cwd=TOP, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            authority = Path(process.stdout.readline().strip())
            shutil.copy(authority, machine.path("/root/authority.pem"))
            with machine.path("/etc/hosts").open("a") as hosts:
                hosts.write(f"127.0.0.1 {HOST}\n")
            yield
        finally:
            process.terminate()
