# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine on plain trees with images in its store and a folder as its source, for verify, repair and quarantine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.machine import OS_RELEASE, PlainMachine
from tests.records import publish, record, sha256
from tests.trees import Content, Link, make_tree
from tukit_sysext.errors import ImageBroken
from tukit_sysext.integrity.assess import Assessment, Subject, assess
from tukit_sysext.integrity.finding import Finding
from tukit_sysext.layout import STORE
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.rules.link_names import MergeNameRefused
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.store.examine import Examiner
from tukit_sysext.system.inspect_image import Inspection
from tukit_sysext.system.system_release import machine_architecture

LEVEL = "glibc-2.42"


def file_of(version: str, name: str = "gdb") -> str:
    return f"{name}-{version}.{machine_architecture()}.raw"


class VerifySite(PlainMachine):
    """Snapshot 1 runs; ``gdb`` is wanted in the running system."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.source = root.parent / "source"
        make_tree(
            root,
            {
                "etc/tukit-sysext/images.d/gdb.conf": "[Image]\n",
                "etc/tukit-sysext/sources.d/local.conf": f"[Source]\nPath={self.source}\nVerify=no\n",
                "etc/extensions": None,
            },
        )
        self.source.mkdir()
        self.list()

    def store_image(
        self, version: str, name: str = "gdb", *, level: str = LEVEL, merge_name: str | None = None, url: str = ""
    ) -> Path:
        """Publish an image into the store, with its record; its path there."""
        content = f"{name} {version}".encode()
        wanted = record(
            content,
            file_of(version, name),
            name=name,
            version=version,
            url=url,
            merge_name=merge_name or name,
            release={"ID": "opensuse-microos", "SYSEXT_LEVEL": level},
        )
        publish(self.machine.store(), content, wanted)
        return self.layout.store / wanted.file_name

    def link(self, version: str, name: str = "gdb", *, as_name: str | None = None, root: Path | None = None) -> Path:
        """Link an image of the store in the running system, or in another tree."""
        target = f"{STORE}/{file_of(version, name)}"
        path = f"etc/extensions/{as_name or name}.raw"
        make_tree(root or self.root, {path: Link(target)})
        return (root or self.root) / path

    def offer(self, version: str, name: str = "gdb", *, level: str = LEVEL, listed: bool = True) -> Path:
        """Publish an image at the source."""
        path = self.source / file_of(version, name)
        path.write_bytes(f"{name} {version}".encode())
        release = {"ID": "opensuse-microos", "SYSEXT_LEVEL": level}
        description = {"image_name": path.name, "sysext": release}
        Path(f"{path}.json").write_text(json.dumps(description))
        if listed:
            self.list()
        return path

    def list(self, *, but: str = "") -> None:
        """List all images at the source and their descriptions, but the named one."""
        listed = sorted([*self.source.glob("*.raw"), *self.source.glob("*.json")])
        lines = [f"{sha256(path.read_bytes())}  {path.name}\n" for path in listed if path.name != but]
        (self.source / "SHA256SUMS").write_text("".join(lines))

    def subject(self, number: int | None = None) -> Subject:
        """The running system, or a snapshot."""
        if number is None:
            return Subject(path=self.root, called="the running system", number=None)
        return Subject(path=self.tree(number), called=f"snapshot {number}", number=number)

    def assess(self, number: int | None = None, *, full: bool = True, inside: bool | None = None) -> Assessment:
        """Verify the running system, or a snapshot."""
        examiner = Examiner(self.machine.store(), full=full, writable=True)
        return assess(self.machine, self.subject(number), examiner, objection=Plugins().objection, look_inside=inside)

    def finding(self, number: int | None = None, *, full: bool = True, inside: bool | None = None) -> Finding:
        """The only finding."""
        (finding,) = self.assess(number, full=full, inside=inside).findings
        return finding

    def wanting_snapshot(self, number: int) -> Path:
        """A snapshot that wants gdb too, with the same source; its root."""
        entries: dict[str, Content] = {
            "etc/os-release": OS_RELEASE,
            "etc/tukit-sysext/images.d/gdb.conf": "[Image]\n",
            "etc/tukit-sysext/sources.d/local.conf": f"[Source]\nPath={self.source}\nVerify=no\n",
            "etc/extensions": None,
        }
        self.snapshot(number, entries)
        return self.tree(number)


def flip(path: Path) -> None:
    """Flip a bit, size and modification time staying as they were."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def rot(site: PlainMachine, path: Path) -> None:
    """The same as a disk does it: nothing that stat(2) says tells it."""
    flip(path)
    records = site.machine.store().records
    known = records.read(path.name)
    assert known is not None
    records.write(known.sealed(path.stat()))


def fake_look_inside(monkeypatch: pytest.MonkeyPatch, *, level: str = LEVEL) -> None:
    """Images of these tests are no file systems: what is asked of systemd-dissect is answered from their first word.

    One that begins with "<" is an error page, one that says "NAME VERSION as OTHER" calls itself OTHER.
    """

    def answer(image: int | Path, stem: str) -> Inspection:
        content = os.pread(image, 1000, 0) if isinstance(image, int) else image.read_bytes()
        if content.startswith(b"<"):
            raise ImageBroken("cannot be read as an extension image")
        name = content.decode().partition(" as ")[2] or stem
        if name != stem:
            raise MergeNameRefused(f"its content calls itself {name}")
        return Inspection(merge_name=stem, release=ReleaseData({"ID": "opensuse-microos", "SYSEXT_LEVEL": level}))

    def linked(image: int | Path, *, stem: str, **_: object) -> Inspection:
        return answer(image, stem)

    def preferred(image: int | Path, *, preferred: str, **_: object) -> Inspection:
        return answer(image, preferred)

    monkeypatch.setattr("tukit_sysext.system.inspect_image.inspect_linked", linked)
    monkeypatch.setattr("tukit_sysext.update.content_judge.inspect_image", preferred)
    monkeypatch.setattr("tukit_sysext.update.local.inspect_image", preferred)
    monkeypatch.setattr("tukit_sysext.update.content_judge.look_through_or_say", lambda *_, **__: None)
