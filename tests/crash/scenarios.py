# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is run under faults, and the machine before it, which the package itself has made, step by step.

``first``    a transaction on a machine that has nothing yet: folders, ledger, records and links are made
``update``   a transaction that fetches two images and replaces two links; a third link stays and is touched
``delta``    a transaction that puts an image together of blocks that the store has and of parts that it fetches
``collect``  a collection that deletes two images, a record without a file and what a killed process left
``mend``     a transaction that finds a damaged image, one of unknown origin and a ledger that is none
``boot``     what a boot does: a bad link goes to quarantine, one comes back, one is dropped
``again``    a boot after a power cut that has left a link in quarantine, and where it came from; another one is dropped
``reset``    the newest signature time of a source is forgotten
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import btrfsutil

from tests.crash.ground import COMMAND, HOOK, Ground
from tests.crash.mounts import copy, device, mounted
from tests.lab.chunks import write_index
from tests.lab.repository import Repository
from tests.lab.signing import SigningKey
from tests.machine import snapper_info
from tukit_sysext.layout import QUARANTINE, STORE
from tukit_sysext.rules.architectures import architecture

OLD, NEW = "glibc-2.42", "glibc-2.43"
_SIZE = 256 << 20
_MADE = 1767225600
"""When the links of the old system were made, in seconds since the epoch."""
_FOLDERS = (".snapshots", "dev", "opt", "proc", "run", "sys", "tmp", "usr", "var")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """A disk, the snapshot that runs, and the command. ``hook`` tells whether tukit runs it.

    ``tree`` is the snapshot whose links it may change. ``unsynced`` are files that another tool writes right before, by
    their paths, and does not wait for.
    """

    name: str
    disk: Path
    running: int
    tree: int
    argv: Sequence[str]
    hook: bool
    unsynced: Mapping[str, bytes] = field(default_factory=dict)

    def write_unsynced(self, root: Path) -> None:
        """What another tool does right before."""
        for path, content in self.unsynced.items():
            file = root / path
            file.write_bytes(content)
            file.chmod(0o644)


def file_of(name: str, version: str) -> str:
    """An image's file."""
    return f"{name}-{version}.{architecture(os.uname().machine)}.raw"


class Publisher:
    """States of a repository in a folder: ``old``, later ``new``, and ``newest`` with indexes of chunks."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.key = SigningKey.make(folder / "key", created=datetime.now(UTC) - timedelta(days=9))
        old, new = Repository(folder / "old"), Repository(folder / "new")
        for name in ("alpha", "beta"):
            old.publish(name, "1", _release(OLD))
        old.publish("gamma", "1", {"ID": "_any"})
        shutil.copytree(old.folder, new.folder, dirs_exist_ok=True)
        # always written in two pieces, however it comes
        noise = random.Random("alpha").randbytes(3 << 19)
        new.publish("alpha", "2", _release(NEW), files={"share/alpha": noise})
        new.publish("beta", "2", _release(NEW))
        newest = Repository(folder / "newest")
        shutil.copytree(new.folder, newest.folder, dirs_exist_ok=True)
        changed = noise[: 1 << 20] + random.Random("newest").randbytes(1 << 18) + noise[5 << 18 :]
        newest.publish("alpha", "3", _release(NEW), files={"share/alpha": changed})
        for version in ("2", "3"):
            write_index(newest.folder / file_of("alpha", version))
        for days, repository in ((5, old), (2, new), (1, newest)):
            repository.write_list()
            repository.sign(self.key, time=datetime.now(UTC) - timedelta(days=days))

    @property
    def folders(self) -> Mapping[str, Path]:
        """What is to be served, by the first part of the path."""
        return {name: self.folder / name for name in ("old", "new", "newest")}


def _release(level: str) -> dict[str, str]:
    return {"ID": "opensuse-microos", "SYSEXT_LEVEL": level}


class Scenarios:
    """All scenarios; each is made when it is first asked for, with those before it."""

    def __init__(self, ground: Ground, publisher: Publisher, url: str) -> None:
        self._ground = ground
        self._publisher = publisher
        self._url = url
        self._made: dict[str, Scenario] = {}

    def __getitem__(self, name: str) -> Scenario:
        if name not in self._made:
            self._made[name] = _MAKERS[name](self)
        return self._made[name]

    def _disk(self, name: str, after: Scenario | None = None) -> Path:
        path = self._ground.folder / f"{name}.disk"
        if after is not None:
            copy(after.disk, path)
            return path
        with open(path, "wb") as file:
            file.truncate(_SIZE)
        subprocess.run(["mkfs.btrfs", "-q", path], check=True, capture_output=True)
        return path

    def _go_through(self, disk: Path, scenario: Scenario) -> None:
        """Let what another scenario is about happen, without a fault."""
        with self._ground.machine(disk, running=scenario.running):
            done = self._ground.run(scenario.argv, traced=False)
        if done.status != 0 or done.messages:
            raise SystemExit(f"{scenario.name} fails without any fault: {done.status}\n{done.output}{done.messages}")

    def first(self) -> Scenario:
        """See above."""
        disk = self._disk("first")
        with device(disk) as path, mounted((path, self._ground.root, "btrfs", "")):
            top = self._ground.root
            for name in (".snapshots", "var"):
                btrfsutil.create_subvolume(top / name)
            (top / "var/lib").mkdir()
            # of its own, as it may be: what is synced elsewhere makes nothing in it last
            btrfsutil.create_subvolume(top / STORE.lstrip("/"))
            (top / ".snapshots/1").mkdir()
            tree = top / ".snapshots/1/snapshot"
            btrfsutil.create_subvolume(tree)
            for name in _FOLDERS:
                (tree / name).mkdir()
            for link in ("bin", "lib", "lib64", "sbin"):
                (tree / link).symlink_to(f"usr/{link}")
            etc = tree / "etc/tukit-sysext"
            for name in ("images.d", "sources.d", "keyrings"):
                (etc / name).mkdir(parents=True)
            for name, policy in (("alpha", "required"), ("beta", "optional"), ("gamma", "optional")):
                (etc / f"images.d/{name}.conf").write_text(f"[Image]\nPolicy={policy}\n")
            (etc / "tukit-sysext.conf").write_text("[Store]\nGrace=0s\n[Network]\nConnectTimeout=20s\nDeadline=20s\n")
            self._publisher.key.write_keyring(etc / "keyrings/main.gpg")
            shutil.copy("/etc/ld.so.cache", tree / "etc/ld.so.cache")
            self._become(tree, OLD, "old")
            (tree.parent / "info.xml").write_text(snapper_info(1))
            btrfsutil.set_default_subvolume(tree)
            self._snapshot(top, 1, 2)
        return self._transaction("first", disk, running=1, number=2)

    def _become(self, tree: Path, level: str, published: str) -> None:
        (tree / "etc/os-release").write_text(f"ID=opensuse-microos\nVERSION_ID={level[-2:]}\nSYSEXT_LEVEL={level}\n")
        source = f"[Source]\nURL={self._url}/{published}\nKeyring=/etc/tukit-sysext/keyrings/main.gpg\n"
        (tree / "etc/tukit-sysext/sources.d/main.conf").write_text(source)

    @staticmethod
    def _snapshot(top: Path, parent: int, number: int) -> Path:
        tree = top / f".snapshots/{number}/snapshot"
        tree.parent.mkdir()
        btrfsutil.create_snapshot(top / f".snapshots/{parent}/snapshot", tree)
        (tree.parent / "info.xml").write_text(snapper_info(number, in_progress=True))
        return tree

    @staticmethod
    def _transaction(name: str, disk: Path, *, running: int, number: int) -> Scenario:
        argv = (HOOK, "finalize-pre", f"/.snapshots/{number}/snapshot", str(number))
        return Scenario(name=name, disk=disk, running=running, tree=number, argv=argv, hook=True)

    def update(self) -> Scenario:
        """See above."""
        first = self["first"]
        disk = self._disk("update", first)
        self._go_through(disk, first)
        with device(disk) as path, mounted((path, self._ground.root, "btrfs", "subvol=/")):
            top = self._ground.root
            btrfsutil.set_default_subvolume(top / ".snapshots/2/snapshot")
            tree = self._snapshot(top, 2, 3)
            self._become(tree, NEW, "new")
            # as transactional-update makes it: what has changed since then is kept at the first boot
            before = tree / "etc/etc.syncpoint/extensions"
            before.mkdir(parents=True)
            for link in (tree / "etc/extensions").iterdir():
                (before / link.name).symlink_to(os.readlink(link))
                for each in (link, before / link.name):
                    os.utime(each, (_MADE, _MADE), follow_symlinks=False)
        return self._transaction("update", disk, running=2, number=3)

    def delta(self) -> Scenario:
        """See above."""
        update = self["update"]
        disk = self._disk("delta", update)
        self._go_through(disk, update)
        with device(disk) as path, mounted((path, self._ground.root, "btrfs", "subvol=/")):
            top = self._ground.root
            btrfsutil.set_default_subvolume(top / ".snapshots/3/snapshot")
            self._become(self._snapshot(top, 3, 4), NEW, "newest")
        return self._transaction("delta", disk, running=3, number=4)

    def collect(self) -> Scenario:
        """See above."""
        update = self["update"]
        disk = self._disk("collect", update)
        self._go_through(disk, update)
        with device(disk) as path, mounted((path, self._ground.root, "btrfs", "subvol=/")):
            top = self._ground.root
            btrfsutil.set_default_subvolume(top / ".snapshots/3/snapshot")
            for number in (1, 2):
                btrfsutil.delete_subvolume(top / f".snapshots/{number}/snapshot")
                shutil.rmtree(top / f".snapshots/{number}")
            state = top / "var/lib/tukit-sysext"
            record = (state / f"images/{file_of('beta', '1')}.json").read_text()
            (state / f"images/{file_of('gone', '1')}.json").write_text(record.replace("beta-1.", "gone-1."))
            left = top / STORE.lstrip("/") / ".tukit-sysext.left.99999"
            left.write_bytes(b"half")
            left.chmod(0o644)
        scenario = Scenario(name="collect", disk=disk, running=3, tree=3, argv=(COMMAND, "gc"), hook=False)
        self._go_through(disk, scenario)  # the first of the two runs that it takes
        ledger_path = self._ground.root / "var/lib/tukit-sysext/ledger.db"
        with (
            device(disk) as path,
            mounted((path, self._ground.root, "btrfs", "subvol=/")),
            closing(sqlite3.connect(ledger_path)) as ledger,
            ledger,
        ):
            # not in this very second: nothing of the ledger would change then
            ledger.execute("UPDATE note SET value = '2026-01-01T00:00:00Z' WHERE key = 'collected'")
        return scenario

    def mend(self) -> Scenario:
        """See above."""
        update = self["update"]
        disk = self._disk("mend", update)
        self._go_through(disk, update)
        with device(disk) as path, mounted((path, self._ground.root, "btrfs", "subvol=/")):
            top = self._ground.root
            tree = self._snapshot(top, 3, 4)
            self._rot(top)
            (top / f"var/lib/tukit-sysext/images/{file_of('beta', '2')}.json").unlink()
            beta = top / STORE.lstrip("/") / file_of("beta", "2")
            unsynced = {str(beta.relative_to(top)): beta.read_bytes()}
            beta.unlink()
            (tree / "etc/extensions/beta.raw").unlink()
            (top / "var/lib/tukit-sysext/ledger.db").write_bytes(b"no ledger" * 1000)
        return replace(self._transaction("mend", disk, running=2, number=4), unsynced=unsynced)

    @staticmethod
    def _rot(top: Path) -> None:
        path = top / STORE.lstrip("/") / file_of("alpha", "2")
        content = path.read_bytes()
        path.write_bytes(content[:5000] + b"rot" + content[5003:])

    def reset(self) -> Scenario:
        """See above."""
        argv = (COMMAND, "sources", "reset", "main")
        return Scenario(name="reset", disk=self["update"].disk, running=2, tree=2, argv=argv, hook=False)

    def boot(self) -> Scenario:
        """See above."""
        update = self["update"]
        disk = self._disk("boot", update)
        self._go_through(disk, update)
        with device(disk) as path, mounted((path, self._ground.root, "btrfs", "subvol=/")):
            top = self._ground.root
            btrfsutil.set_default_subvolume(top / ".snapshots/3/snapshot")
            extensions = top / ".snapshots/3/snapshot/etc/extensions"
            store = top / STORE.lstrip("/")
            (store / file_of("beta", "2")).rename(store / "beta")
            (extensions / "older.raw").symlink_to(f"{STORE}/{file_of('gamma', '0')}")
        boot = Scenario(name="boot", disk=disk, running=3, tree=3, argv=(COMMAND, "verify", "--boot"), hook=False)
        with self._ground.machine(disk, running=3):
            self._ground.run(boot.argv, traced=False)
        with device(disk) as path, mounted((path, self._ground.root, "btrfs", "subvol=/")):
            store = self._ground.root / STORE.lstrip("/")
            (store / "beta").rename(store / file_of("beta", "2"))
            self._rot(self._ground.root)
        return boot

    def again(self) -> Scenario:
        """See above."""
        boot = self["boot"]
        disk = self._disk("again", boot)
        with self._ground.machine(disk, running=3) as root:
            self._ground.run(boot.argv, traced=False)
            (root / "etc/extensions/alpha.raw").symlink_to(f"{STORE}/{file_of('alpha', '2')}")
            quarantine = root / QUARANTINE
            (quarantine / "older.raw").symlink_to(f"{STORE}/{file_of('gamma', '0')}")
            (quarantine / "older.raw.reason").write_text('{"link": "older.raw", "reason": "missing", "since": ""}')
        return replace(boot, name="again", disk=disk)


_MAKERS: Mapping[str, Callable[[Scenarios], Scenario]] = {
    make.__name__: make
    for make in (
        Scenarios.update,
        Scenarios.delta,
        Scenarios.collect,
        Scenarios.first,
        Scenarios.mend,
        Scenarios.boot,
        Scenarios.again,
        Scenarios.reset,
    )
}
NAMES = tuple(_MAKERS)
