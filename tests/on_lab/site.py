# SPDX-License-Identifier: LGPL-2.1-or-later
"""A lab with tukit-sysext installed from its RPM, a directory of images as its source, and RPMs to update with."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from tests.lab import Lab
from tests.lab.base import python_of_labs
from tests.lab.images import make_image, make_release_rpm, write_checksums
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.rpm import MAIN, TOP, build_rpm, payload
from tukit_sysext.ledger.ledger import Ledger, LedgerSnapshot

OLD = {"ID": "opensuse-microos", "VERSION_ID": "20261101", "SYSEXT_LEVEL": "glibc-2.42"}
NEW = {"ID": "opensuse-microos", "VERSION_ID": "20261120", "SYSEXT_LEVEL": "glibc-2.43"}
"""What images say that fit the lab as it starts, and the lab after :meth:`Site.update`."""

IMAGES = "/var/images"
STORE = "/var/lib/sysext-store"
STATE = "/var/lib/tukit-sysext"


@cache
def installed_tree(folder: Path, *, top: Path = TOP, package: str = MAIN) -> Path:
    """The payload of our RPM, unpacked: what is laid over the root of a lab. `top` is the project to build."""
    tree = folder / "payload"
    if not tree.is_dir():
        rpm = build_rpm(folder, top=top, python=python_of_labs(), package=package)
        with tarfile.open(fileobj=BytesIO(payload(rpm)), mode="r:gz") as archive:
            archive.extractall(tree)  # noqa: S202  # our own RPM
    return tree


@dataclass(frozen=True, kw_only=True)
class Web:
    """A repository, the server that serves it, and the key that signs its list."""

    repository: Repository
    server: Server
    key: SigningKey


@dataclass(kw_only=True)
class Site:
    """A lab and what is around it."""

    lab: Lab
    web: Web | None = None

    def prepare(self) -> Site:
        """What an installation does beside its files, and a source "main"."""
        self.lab.run(["systemd-tmpfiles", "--create", "tukit-sysext.conf"])
        # not with code of before that unit
        if self.lab.path("/usr/lib/systemd/system/tukit-sysext.target").exists():
            self.lab.run(["systemctl", "enable", "tukit-sysext.target"])
        return self.with_source()

    def with_source(self) -> Site:
        """A source "main", which has no images yet."""
        if self.web is None:
            self.lab.path(IMAGES).mkdir()
            self.write("/etc/tukit-sysext/sources.d/main.conf", f"[Source]\nPath={IMAGES}\nVerify=no\n")
        else:
            self.add_source("main", self.web)
            self.write("/etc/tukit-sysext/tukit-sysext.conf", "[Network]\nDeadline=2s\nConnectTimeout=2s\n")
        self.list_images()
        return self

    def add_source(self, name: str, web: Web, *, urls: Sequence[str] = (), more: str = "") -> None:
        """Configure a source that is a server with signed lists."""
        keyring = self.lab.path(f"/etc/tukit-sysext/keyrings/{name}.gpg")
        keyring.parent.mkdir(parents=True, exist_ok=True)
        web.key.write_keyring(keyring)
        lines = "".join(f"URL={url}\n" for url in urls or (web.server.url,))
        text = f"[Source]\n{lines}Keyring=/etc/tukit-sysext/keyrings/{name}.gpg\n{more}"
        self.write(f"/etc/tukit-sysext/sources.d/{name}.conf", text)

    @property
    def images(self) -> Path:
        """Where images are published, on the host."""
        return self.lab.path(IMAGES) if self.web is None else self.web.repository.folder

    def location(self, file_name: str) -> str:
        """Where the machine finds a published file."""
        return f"{IMAGES}/{file_name}" if self.web is None else f"{self.web.server.url}/{file_name}"

    @property
    def identity(self) -> Mapping[str, str]:
        """ID of the lab's flavour; images say it."""
        text = self.lab.path("/usr/lib/os-release").read_text()
        return {"ID": next(line[3:].strip('"') for line in text.splitlines() if line.startswith("ID="))}

    def write(self, path: str, text: str) -> None:
        """Write a file of the running system."""
        target = self.lab.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def want(self, name: str, *, policy: str | None = "required", folder: str = "/etc", **keys: str) -> None:
        """Want an image, with these keys."""
        lines = [f"{key}={value}\n" for key, value in keys.items()]
        lines += [f"Policy={policy}\n"] if policy is not None else []
        self.write(f"{folder}/tukit-sysext/images.d/{name}.conf", "[Image]\n" + "".join(lines))

    def publish(self, name: str, version: str, release: Mapping[str, str], **options: Any) -> Path:
        """Publish an image that says ``release`` of itself, with the ID of this lab."""
        keys = {**release, **({} if release.get("ID") == "_any" else self.identity)}
        image = make_image(self.images, name, version, release=keys, **options)
        self.list_images()
        return image

    def list_images(self) -> None:
        """Write the list of what is published, signed where it is on a server."""
        write_checksums(self.images)
        if self.web is not None:
            self.web.repository.sign(self.web.key)

    def update(self, *options: str, release: Mapping[str, str] = NEW) -> subprocess.CompletedProcess[str]:
        """A transaction that installs a newer release RPM with rpm: what zypper dup does as far as we are concerned."""
        return self.lab.tukit(*options, "execute", "rpm", "-U", "--nodeps", "--force", self.release_rpm(release))

    def release_rpm(self, release: Mapping[str, str] = NEW) -> str:
        """An RPM that makes another system of a tree; its path in the lab and in transactions."""
        name = f"{self.identity['ID']}-{release['VERSION_ID']}.rpm"
        if not self.lab.path(f"/var/cache/{name}").exists():
            rpm = make_release_rpm(
                self.lab.path("/var/cache"),
                version_id=release["VERSION_ID"],
                sysext_level=release["SYSEXT_LEVEL"],
                os_id=self.identity["ID"],
            )
            rpm.rename(rpm.with_name(name))
        return f"/var/cache/{name}"

    def links(self, snapshot: int | None = None) -> dict[str, str]:
        """Links of a snapshot (of the running system) by name: the file of the store, or what else they say."""
        root = self.lab.path("/") if snapshot is None else self.lab.snapshot(snapshot)
        folder = root / "etc/extensions"
        if not folder.is_dir():
            return {}
        return {
            entry.name: os.readlink(entry).removeprefix(f"{STORE}/") if entry.is_symlink() else "(no link)"
            for entry in sorted(folder.iterdir())
        }

    def numbers(self) -> set[int]:
        """Numbers of the snapshots that there are, as snapper says."""
        return {row.number for row in self.lab.snapshots()}

    def default(self) -> int:
        """The snapshot that boots next."""
        return next(row.number for row in self.lab.snapshots() if row.default)

    def store(self) -> list[str]:
        """Everything in the store, temporary files too."""
        return sorted(entry.name for entry in self.lab.path(STORE).iterdir())

    def hook_processes(self) -> list[int]:
        """The processes of our hook that run in the lab, as the host numbers them."""
        inside = os.readlink(f"/proc/{self.lab.pid}/ns/pid")
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            try:
                command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                if (b"tukit_sysext.entry" in command or b"50-tukit-sysext" in command) and os.readlink(
                    entry / "ns/pid"
                ) == inside:
                    found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found

    def records(self) -> list[str]:
        """The images that have a record."""
        return sorted(path.name for path in self.lab.path(f"{STATE}/images").iterdir())

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run tukit-sysext in the lab."""
        return self.lab.run(["tukit-sysext", *arguments], check=check)

    def json(self, *arguments: str) -> Any:
        """The same with --json."""
        return json.loads(self.command(*arguments, "--json", check=False).stdout)

    @contextmanager
    def journal(self) -> Iterator[list[str]]:
        """What is sent to syslog(3) meanwhile, in place of the journal; complete when the block is left."""
        path = self.lab.path("/run/systemd/journal/dev-log")
        lines: list[str] = []
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.bind(str(path))

            def drain() -> None:
                while message := end.recv(65536):
                    lines.append(message.decode())

            thread = threading.Thread(target=drain)
            thread.start()
            try:
                yield lines
            finally:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                    last.sendto(b"", str(path))
                thread.join()
                path.unlink()

    def ledger(self) -> Sequence[LedgerSnapshot]:
        """The snapshots that the ledger remembers."""
        with tempfile.TemporaryDirectory() as folder:
            # SQLite resolves links by itself, which /proc/PID/root does not survive
            copy = shutil.copy(self.lab.path(f"{STATE}/ledger.db"), folder)
            with Ledger(Path(copy), writable=False) as ledger:
                return ledger.snapshots()

    def ledger_here(self) -> dict[int, tuple[tuple[str, str], ...]]:
        """The images of the snapshots that exist, as the ledger says."""
        return {row.number: row.images for row in self.ledger() if row.gone is None}

    def record(self, file_name: str) -> Any:
        """The record of an image file."""
        return json.loads(self.lab.path(f"{STATE}/images/{file_name}.json").read_text())

    def events(self) -> list[str]:
        """Events that were written down and not settled."""
        return sorted(path.name for path in self.lab.path("/run/tukit-sysext/events").iterdir())
