# SPDX-License-Identifier: LGPL-2.1-or-later
"""A run in a virtual machine whose disk's writes are logged."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from tests.booted import disk
from tests.lab import Flavour, Lab
from tests.lab.disk import copy_sparse
from tests.lab.images import MARKS
from tests.on_lab.site import IMAGES, NEW, OLD, Site
from tests.powercuts.judging import Holding
from tests.rpm import TOP
from tests.virtual.base import Base, virtual_base
from tests.virtual.disk import prepared
from tests.virtual.machine import VirtualMachine, logged_drive

LATER = "/var/later"

_TOP = Path(__file__).parent
_LOOK_AT = "/usr/local/sbin/look.py"
_SETTLED = (
    '[ -z "$(ls /run/tukit-sysext/events)" ] && [ "$(systemctl is-active tukit-sysext-settle.service)" = inactive ]'
)
_BULK = 300_000
"""Bytes of an image that do not compress: a small file would lie among the metadata of the file system."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something that the machine did."""

    what: str
    size: int
    """Bytes of the log when it had ended."""
    holding: Holding
    """What the disk held then, to who looked at it in the machine."""
    synced: bool
    """It ended with a sync(1) of everything."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A run, in a folder."""

    folder: Path
    flavour: Flavour
    published: Mapping[str, str]
    """The hashes of images by their files."""
    steps: Sequence[Step]
    """The first one is the boot."""

    @property
    def disk(self) -> Path:
        """The disk before the first entry of the log."""
        return self.folder / "disk"

    @property
    def log(self) -> Path:
        """What qemu has logged."""
        return self.folder / "log"

    def save(self) -> None:
        """So that load() finds it."""
        document = {
            "flavour": self.flavour.value,
            "published": self.published,
            "steps": [asdict(step) for step in self.steps],
        }
        (self.folder / "run.json").write_text(json.dumps(document, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Recording:
        """A run that was recorded before."""
        document = json.loads((folder / "run.json").read_text())
        steps = [Step(**{**step, "holding": Holding.of(step["holding"])}) for step in document["steps"]]
        flavour = Flavour(document["flavour"])
        return cls(folder=folder, flavour=flavour, published=document["published"], steps=steps)


def record(folder: Path, *, flavour: Flavour, top: Path = TOP) -> Recording:
    """Record a run, of the project in `top` on a system of this layout, into an empty folder."""
    base = virtual_base()
    (folder / "packages").mkdir()
    published = _make_disk(base, flavour, disk.build_ours(folder / "packages", top=top), folder / "disk")
    disk_file, log = folder / "running", folder / "log"
    with open(disk_file, "xb") as target:
        copy_sparse(folder / "disk", target.fileno())
    log.touch()
    steps: list[Step] = []
    with VirtualMachine(base, logged_drive(disk_file, log)) as machine:
        machine.until("systemctl is-system-running | grep -E 'running|degraded'", seconds=900)
        for what, script in {"boot": "sync", **_script(flavour)}.items():
            machine.run(["sh", "-euc", script], timeout=900)
            machine.until(_SETTLED)
            seen = machine.run(["python3", "-I", _LOOK_AT, "/"]).stdout
            steps.append(
                Step(
                    what=what,
                    size=log.stat().st_size,
                    holding=Holding.of(json.loads(seen)),
                    synced=script.endswith("sync"),
                )
            )
            print(f"{what}: {steps[-1].size >> 20} MiB of the log", flush=True)
    disk_file.unlink()
    shutil.rmtree(folder / "packages")
    recording = Recording(folder=folder, flavour=flavour, published=published, steps=steps)
    recording.save()
    return recording


def _script(flavour: Flavour) -> dict[str, str]:
    release = f"/var/cache/opensuse-{flavour.value}-{NEW['VERSION_ID']}.rpm"
    return {
        "install of two": "tukit-sysext install debug strace",
        "snapper create": "snapper create --description made",
        "update in a transaction": f"tukit execute rpm -U --nodeps --force {release}",
        "publishing": f"mv {LATER}/* {IMAGES}/; sync",
        "update of the running system": "tukit-sysext update",
        "removal": "tukit-sysext remove strace",
        "installation again": "tukit-sysext install strace",
        "snapper delete": "snapper delete 2",
        "collection": "tukit-sysext gc",
        "sync": "sync",
    }


def _make_disk(base: Base, flavour: Flavour, package: Path, target: Path) -> dict[str, str]:
    """A disk with our package, one image, and what the run needs; gives the hashes of what is published."""
    published: dict[str, str] = {}

    def prepare(lab: Lab) -> None:
        published.update(_publish(Site(lab=lab).prepare()))

    files = {_TOP / "look.py": _LOOK_AT}
    kept = prepared(base, package.parent, prepare, flavour=flavour, ours=package, files=files)
    try:
        with open(target, "xb") as file:
            copy_sparse(Path(f"/proc/self/fd/{kept}"), file.fileno())
    finally:
        os.close(kept)
    return published


def _publish(site: Site) -> dict[str, str]:
    random = Random(1)
    any_system = {"ID": "_any"}
    for name, version, release in (
        ("kept", "1.0", any_system),
        ("debug", "1.0", OLD),
        ("debug", "2.0", NEW),
        ("strace", "1.0", OLD),
        ("strace", "2.0", NEW),
    ):
        site.publish(name, version, release, files=_files(name, version, random))
    site.command("install", "kept")
    later = site.lab.path(LATER)
    later.mkdir()
    site.publish("kept", "1.1", any_system, files=_files("kept", "1.1", random))
    shutil.copy(site.images / "SHA256SUMS", later)
    hashes = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in site.images.glob("*.raw")}
    for file in [*site.images.glob("kept-1.1*")]:
        shutil.move(file, later / file.name)
    site.list_images()
    site.release_rpm()
    return hashes


def _files(name: str, version: str, random: Random) -> dict[str, str | bytes]:
    return {f"{MARKS}/{name}": version, f"share/{name}/bulk": random.randbytes(_BULK)}
