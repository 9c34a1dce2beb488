# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ``publish`` makes, as systemd-sysupdate 257 sees it (with ``Verify=yes``, by gpg): the versions that we see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.errors import LabError
from tests.lab.publisher import inside, publisher_root
from tests.lab.signing import SigningKey
from tests.unit.publish.publisher import Publisher, block

pytestmark = [pytest.mark.root, pytest.mark.lab, pytest.mark.tool("gpg", "mksquashfs")]

LEVELS = {"15.2": "glibc-2.42", "15.9": "glibc-2.43", "15.10": "glibc-2.43"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sysupdate:
    """A machine with a transfer file for an image, and this key in its keyring."""

    folder: Path
    images: Path

    def trust(self, key: SigningKey) -> None:
        key.write_keyring(self.folder / "etc/import-pubring.gpg")

    def ask(self, image: str, *words: str) -> str:
        definitions = self.folder / f"definitions-{image}"
        definitions.mkdir(exist_ok=True)
        (definitions / f"{image}.transfer").write_text(transfer(image))
        target = self.folder / "target"
        target.mkdir(exist_ok=True)
        folders = {
            self.folder / "etc": "/etc/systemd",
            definitions: "/definitions",
            self.images: "/images",
            target: "/var/lib/extensions.d",
        }
        argv = ["/usr/lib/systemd/systemd-sysupdate", "--definitions=/definitions", *words]
        return inside(publisher_root(), argv, folders=folders, network=False)

    def versions(self, image: str) -> list[str]:
        found: list[str] = json.loads(self.ask(image, "--json=short", "list"))["all"]
        return found


def transfer(image: str) -> str:
    """The file of tukit-sysext-repository(7), for another image, and for a folder instead of a server."""
    lines = block("# /etc/sysupdate.d/gdb.transfer")
    shown = lines.replace("https://images.example.org/microos/", "file:///images/").replace("gdb", image)
    return "".join(line.strip() + "\n" for line in shown.splitlines() if "CurrentSymlink" not in line)


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Publisher]:
    """gdb for two levels, strace for any system."""
    with closing(Publisher(tmp_path)) as publisher:
        for version, level in LEVELS.items():
            publisher.image("gdb", version, {"ID": "opensuse-microos", "SYSEXT_LEVEL": level})
        publisher.image("strace", "6.1", {"ID": "_any"}, kind="gpt")
        yield publisher


@pytest.fixture
def sysupdate(publisher: Publisher, tmp_path: Path) -> Sysupdate:
    machine = Sysupdate(folder=tmp_path / "sysupdate", images=publisher.folder)
    (machine.folder / "etc").mkdir(parents=True)
    machine.trust(publisher.key)
    return machine


def test_both_see_the_same_versions(publisher: Publisher, sysupdate: Sysupdate) -> None:
    publisher.run("--best-before", "14d")
    seen = {image: sysupdate.versions(image) for image in ("gdb", "strace")}
    assert seen == publisher.offered() == {"gdb": ["15.10", "15.9", "15.2"], "strace": ["6.1"]}


def test_both_see_the_same_after_old_versions_went(publisher: Publisher, sysupdate: Sysupdate) -> None:
    publisher.run()
    publisher.run("--keep", "1")
    assert sysupdate.versions("gdb") == publisher.offered()["gdb"] == ["15.10", "15.2"]


def test_a_version_with_a_tilde_is_ours_alone(publisher: Publisher, sysupdate: Sysupdate) -> None:
    """sysupdate 257 takes it for no version; tukit-sysext-repository(7) says so."""
    publisher.image("gdb", "15.11~rc1", {"ID": "_any"})
    publisher.run()
    assert publisher.offered()["gdb"] == ["15.11~rc1", *sysupdate.versions("gdb")]


def test_sysupdate_brings_the_newest(publisher: Publisher, sysupdate: Sysupdate) -> None:
    publisher.run()
    sysupdate.ask("gdb", "update")
    (brought,) = (sysupdate.folder / "target").iterdir()
    assert brought.read_bytes() == (publisher.folder / "gdb-15.10.x86-64.raw").read_bytes()


def test_it_does_look_at_the_signature(publisher: Publisher, sysupdate: Sysupdate, tmp_path: Path) -> None:
    publisher.run()
    sysupdate.trust(SigningKey.make(tmp_path / "foreign"))
    with pytest.raises(LabError, match="status 1"):
        sysupdate.versions("gdb")
