# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine on plain folders that an attack is tried on: what it has before, and what must hold after."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from unittest.mock import patch

from tests.evil.world import DEADLY, FOREIGN, FORGED, NAMES, NEW_LEVEL, OLD_LEVEL, World, file_of, says, sha256
from tests.machine import PlainMachine
from tests.records import publish, record
from tests.trees import Content, Link, make_tree
from tukit_sysext.errors import ImageBroken, NoVerdict
from tukit_sysext.layout import STORE
from tukit_sysext.rules.names import published_name
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.system.gpgv import GPGV
from tukit_sysext.system.inspect_image import Inspection

BEFORE, ATTACKED, AFTER = 6, 7, 8
"""Snapshots: the transaction that went well before, the one that is attacked, the one when all is well again."""
_OURS = ("var/lib/sysext-store/", "var/lib/tukit-sysext/", "var/cache/tukit-sysext/", "run/tukit-sysext/")
_CONFIGURATION = "[Network]\nConnectTimeout=1s\nDeadline=1s\nImageDeadline=2s\n[Fetch]\nImageMax=1M\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One file as it was: what it is, by which a change is seen."""

    inode: int
    content: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Before:
    """What the machine was: policies of its images, whether the attacked tree is of a newer system, and what another
    tool or a bad disk left of gdb 2: nothing, half of it, an error page, all of it (whole), or a damaged one.
    """

    policies: Mapping[str, str]
    new_system: bool = True
    left: str = "nothing"

    @classmethod
    def draw(cls, random: Random) -> Before:
        """Any of them."""
        return cls(
            policies={name: random.choice(("required", "required", "optional")) for name in NAMES},
            new_system=random.random() < 0.75,
            left=random.choice(("nothing", "nothing", "half", "page", "whole", "damaged")),
        )


class Victim(PlainMachine):
    """The machine. Its old snapshot 1 has gdb 1, which every later one has too, though only some fit it."""

    def __init__(self, root: Path, world: World, was: Before) -> None:
        super().__init__(root)
        self.world = world
        self.looked_into: set[str] = set()
        self.was = was
        self.weaker = ""
        make_tree(root, {"usr/share/other": "not ours", "etc/passwd": "root\n"})
        self._store("gdb", "1")
        there = self.layout.store / file_of("gdb", "2")
        content = world.files[there.name]
        match was.left:
            case "half":
                there.write_bytes(content[:1000])
            case "page":
                there.write_bytes(b"<html>502</html>")
            case "whole":
                there.write_bytes(content)
            case "damaged":
                self._store("gdb", "2")
                there.write_bytes(b"\xff" + content[1:])
        if there.exists():
            there.chmod(0o644)
        self.snapshot(1, self._tree((), OLD_LEVEL))

    def _store(self, name: str, version: str) -> None:
        content = self.world.files[file_of(name, version)]
        level = OLD_LEVEL if version == "1" else NEW_LEVEL
        release = {"ID": "opensuse-microos", "SYSEXT_LEVEL": level}
        keys = {"name": name, "version": version, "source": "main", "url": "", "merge_name": name, "release": release}
        wanted = record(content, file_of(name, version), time="2026-01-01T00:00:00Z", **keys)
        publish(self.machine.store(), content, wanted)

    def _tree(self, urls: Sequence[str], level: str) -> Mapping[str, Content]:
        lines = "".join(f"URL={url}\n" for url in urls)
        configuration: dict[str, Content] = {
            f"etc/tukit-sysext/images.d/{name}.conf": f"[Image]\nPolicy={policy}\n"
            for name, policy in self.was.policies.items()
        }
        weaker: dict[str, Content] = {}
        if self.weaker:
            source = f"[Source]\nKeyring=/etc/third.gpg\nURL={self.weaker}\nPriority=200\n"
            weaker = {"etc/third.gpg": self.world.other_key.public(), "etc/tukit-sysext/sources.d/third.conf": source}
        return {
            **configuration,
            "etc/os-release": f"ID=opensuse-microos\nSYSEXT_LEVEL={level}\n",
            "etc/keys.gpg": self.world.key.public(),
            "etc/tukit-sysext/tukit-sysext.conf": _CONFIGURATION,
            "etc/tukit-sysext/sources.d/main.conf": f"[Source]\nKeyring=/etc/keys.gpg\n{lines}",
            **weaker,
            "etc/extensions/gdb.raw": Link(f"{STORE}/{file_of('gdb', '1')}"),
            "usr/share/x": "the system's",
        }

    def level(self, number: int) -> str:
        """The level of a snapshot's system."""
        return NEW_LEVEL if number == AFTER or self.was.new_system else OLD_LEVEL

    def open(self, number: int, urls: Sequence[str]) -> Path:
        """A new snapshot with these servers as its source; its tree."""
        self.looked_into.clear()
        self.snapshot(number, self._tree(urls, self.level(number)))
        return self.tree(number)

    def links(self, number: int) -> dict[str, str]:
        """Links of a snapshot: what they say, by name."""
        folder = self.tree(number) / "etc/extensions"
        return {path.name: os.readlink(path) for path in folder.iterdir()}

    @contextmanager
    def inspection(self) -> Iterator[None]:
        """What systemd-dissect would find in these images. Notes which contents were looked into.

        The victim's gpgv is the real one, but for signatures of which it dies.
        """

        def inspect(given: int | Path, *, preferred: str, **_: object) -> Inspection:
            content = _all(given) if isinstance(given, int) else given.read_bytes()
            self.looked_into.add(sha256(content))
            if DEADLY in content[:200]:
                raise NoVerdict("systemd-dissect cannot tell: killed by signal 11")
            said = says(content)
            if said is None:
                raise ImageBroken("cannot be read as an extension image")
            name, level = said
            return Inspection(merge_name=name, release=ReleaseData({"ID": "opensuse-microos", "SYSEXT_LEVEL": level}))

        with (
            patch("tukit_sysext.update.content_judge.inspect_image", inspect),
            patch("tukit_sysext.update.local.inspect_image", inspect),
            patch("tukit_sysext.system.gpgv.GPGV", str(self._mortal_gpgv())),
        ):
            yield

    def _mortal_gpgv(self) -> Path:
        path = self.root.with_name("gpgv")
        search = (
            f'for each; do signature=$last; last=$each; done\ngrep -q {DEADLY.decode()} "$signature" && kill -SEGV $$\n'
        )
        path.write_text(f'#!/bin/sh\n{search}exec {GPGV} "$@"\n')
        path.chmod(0o755)
        return path

    def state(self) -> dict[str, File]:
        """All files and links of the machine."""
        found: dict[str, File] = {}
        for folder, folders, files in os.walk(self.root):
            for name in (*files, *(each for each in folders if os.path.islink(os.path.join(folder, each)))):
                path = Path(folder, name)
                status = path.lstat()
                content = f"-> {os.readlink(path)}" if path.is_symlink() else sha256(path.read_bytes())
                found[str(path.relative_to(self.root))] = File(inode=status.st_ino, content=content)
        return found

    def check(self, number: int, before: Mapping[str, File], *, withdrawn: bool) -> list[str]:
        """What does not hold after a transaction. ``withdrawn``: an old list may have been believed."""
        after, wrong = self.state(), list[str]()
        links = f".snapshots/{number}/snapshot/etc/extensions/"
        for path in sorted(before.keys() | after.keys()):
            if before.get(path) != after.get(path) and not path.startswith((*_OURS, links)):
                wrong.append(f"written outside of what is ours: {path}")
            if "/.tukit-sysext." in path or "/inspect-" in path or "/.#" in path:
                wrong.append(f"a temporary file is left: {path}")
        wrong += self._check_store(before, after, withdrawn=withdrawn)
        wrong += self._check_links(number)
        foreign = self.looked_into - {sha256(content) for content in self._contents()}
        foreign -= {file.content for file in before.values()}
        if foreign:
            wrong.append(f"looked into what nobody vouches for: {sorted(foreign)}")
        return wrong

    def _contents(self, file_name: str = "") -> list[bytes]:
        """What the publisher ever had under a name, or at all."""
        everything = (self.world.files, self.world.rebuilt)
        return [content for files in everything for name, content in files.items() if file_name in ("", name)]

    def _check_store(self, before: Mapping[str, File], after: Mapping[str, File], *, withdrawn: bool) -> Iterator[str]:
        prefix = f"{STORE.lstrip('/')}/"
        versions = {"1", "2", "3", *(("2.5",) if withdrawn else ()), *((FOREIGN,) if self.weaker else ())}
        published = {file_of(name, version): (name, version) for name in NAMES for version in versions}
        for path, file in after.items():
            name = path.removeprefix(prefix)
            if name == path or before.get(path) == file:
                continue
            if published_name(name) not in published:
                yield f"under a final name, but in no list to be believed: {name}"
                continue
            if file.content not in map(sha256, self._contents(published_name(name))):
                yield f"other content than is published: {name}"
            record = self.machine.store().records.read(name)
            if record is None or record.sha256 != file.content:
                yield f"a new file without a record of its content: {name}"
        for path, file in before.items():
            name = path.removeprefix(prefix)
            good = name != path and file.content in map(sha256, self._contents(published_name(name)))
            if good and after.get(path) != file:
                yield f"content that matched was replaced or removed: {name}"
        if any(FORGED in name.split("-")[1].split(".") for name in os.listdir(self.layout.store)):
            yield "a forged image is in the store"

    def _check_links(self, number: int) -> Iterator[str]:
        for snapshot in (1, number):
            for link, target in self.links(snapshot).items():
                name = target.removeprefix(f"{STORE}/")
                path = self.layout.store / name
                plain = name != target and "/" not in name and path.is_file()
                record = self.machine.store().records.read(name) if plain else None
                if record is None:
                    yield f"snapshot {snapshot}: {link} leads to {target}, which is no image of the store"
                elif sha256(path.read_bytes()) != record.sha256:
                    yield f"snapshot {snapshot}: {link} has other content than is recorded"
                elif record.source == "third" and link == "gdb.raw":
                    yield f"snapshot {snapshot}: {link} is of the weaker source, although it was of the other one"
                elif snapshot == number and record.release["SYSEXT_LEVEL"] != self.level(number):
                    yield f"snapshot {snapshot}: {link} leads to {name}, which does not fit"


def _all(descriptor: int) -> bytes:
    return os.pread(descriptor, 2**24, 0)
