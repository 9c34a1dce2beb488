# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine in a plain folder: what most tests run on."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.records import record
from tests.trees import Content, Link, make_tree
from tukit_sysext import entry
from tukit_sysext.layout import STORE, Layout
from tukit_sysext.machine import Machine
from tukit_sysext.store.record import Records
from tukit_sysext.system.subvolume import Subvolume

TOP = Path(__file__).resolve().parents[1]
OLD = "glibc-2.42"
NEW = "glibc-2.43"
_FORMER = 90
_NOBODY = 65534
OS_RELEASE = "ID=opensuse-microos\nVERSION_ID=20261101\nSYSEXT_LEVEL=glibc-2.42\n"


class PlainSubvolumes:
    """Directories that play subvolumes in unit tests: each has a file ``.subvolume`` with what btrfs would know.

    ``root`` is the top of the tree; its file ``.default-subvolume`` has the identifier of the default one.
    """

    FILE = ".subvolume"
    DEFAULT = ".default-subvolume"

    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, path: Path, *, parent: Subvolume | None = None, read_only: bool = False) -> Subvolume:
        """Make ``path`` a subvolume."""
        path.mkdir(parents=True, exist_ok=True)
        number = self._root / ".next-subvolume"
        identifier = int(number.read_text()) if number.exists() else 256
        number.write_text(str(identifier + 1))
        made = Subvolume(
            identifier=identifier,
            uuid=str(uuid.uuid4()),
            parent_uuid=parent.uuid if parent is not None else None,
            read_only=read_only,
        )
        document = {key: getattr(made, key) for key in ("identifier", "uuid", "parent_uuid", "read_only")}
        (path / self.FILE).write_text(json.dumps(document))
        return made

    def set_default(self, identifier: int) -> None:
        """Choose the default subvolume."""
        (self._root / self.DEFAULT).write_text(str(identifier))

    def find(self, path: Path) -> Subvolume | None:
        """See Subvolumes."""
        try:
            return Subvolume(**json.loads((path / self.FILE).read_text()))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def identifier(self, path: Path) -> int | None:
        """See Subvolumes."""
        subvolume = self.find(path)
        return subvolume.identifier if subvolume is not None else None

    def default(self, path: Path) -> int:
        """See Subvolumes."""
        return int((self._root / self.DEFAULT).read_text())


def open_machine(root: Path, *, privileged: bool) -> Machine:
    """The machine that is in a folder; ``privileged`` says whether root looks at it, or so it seems."""
    return Machine(layout=Layout(root=root), subvolumes=PlainSubvolumes(root), privileged=privileged)


class PlainMachine:
    """A machine below a plain folder, with snapshots that PlainSubvolumes play."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.subvolumes = PlainSubvolumes(root)
        self.running = self.subvolumes.create(root)
        self.subvolumes.set_default(self.running.identifier)
        self.layout = Layout(root=root)
        self.machine = Machine(layout=self.layout, subvolumes=self.subvolumes, privileged=True)
        make_tree(root, {"etc/os-release": OS_RELEASE, "sys/block": None, "proc/self/mountinfo": ""})
        self.subvolumes.create(root / ".snapshots")
        self.source = root.parent / "source"
        self._hashes: dict[str, str] = {}

    def as_user(self) -> None:
        """From now on an ordinary user looks at it."""
        self.machine = replace(self.machine, privileged=False)

    def snapshot(
        self,
        number: int,
        entries: Mapping[str, Content] | None = None,
        *,
        info: str | None = "",
        read_only: bool = False,
        parent: Subvolume | None = None,
    ) -> Subvolume:
        """Make a snapshot with os-release, ``entries`` and an info.xml (None: without)."""
        folder = self.layout.snapshots / str(number)
        made = self.subvolumes.create(folder / "snapshot", read_only=read_only, parent=parent)
        content = {"etc/os-release": OS_RELEASE} if entries is None else entries
        make_tree(folder / "snapshot", content)
        if info is not None:
            (folder / "info.xml").write_text(info or snapper_info(number))
        return made

    def snapshot_folder(self, number: int, info: str) -> Path:
        """A number with an info.xml and no tree."""
        folder = self.layout.snapshots / str(number)
        make_tree(folder, {"info.xml": info})
        return folder

    def has_for_former_system(self, *names: str) -> None:
        """What boots next is a former system that has these images: one that an update must not take away."""
        system = {"ID": "opensuse-microos", "VERSION_ID": "20200101"}
        links: dict[str, Content] = {}
        for name in names:
            file = f"{name}-0.0.1.x86-64.raw"
            make_tree(self.layout.store, {file: name})
            keys = {"name": name, "version": "0.0.1", "source": "former", "url": "", "merge_name": name}
            former = record(name.encode(), file, time="2020-01-01T10:00:00Z", release=system, **keys)
            Records(self.layout.records).write(former.sealed((self.layout.store / file).stat()))
            links[f"etc/extensions/{name}.raw"] = Link(f"{STORE}/{file}")
        text = "".join(f"{key}={value}\n" for key, value in system.items())
        made = self.snapshot(_FORMER, {"etc/os-release": text, **links})
        self.subvolumes.set_default(made.identifier)

    def tree(self, number: int) -> Path:
        """Root of a snapshot."""
        return self.layout.snapshots / str(number) / "snapshot"

    def add_source(self) -> None:
        """A source named main: a directory beside the machine, which offers nothing yet."""
        self.source.mkdir()
        make_tree(self.root, {"etc/tukit-sysext/sources.d/main.conf": f"[Source]\nPath={self.source}\nVerify=no\n"})
        self._list()

    def want(self, name: str, **keys: str) -> None:
        """Make an image wanted in the running system."""
        lines = "".join(f"{key}={value}\n" for key, value in keys.items())
        make_tree(self.root, {f"etc/tukit-sysext/images.d/{name}.conf": f"[Image]\n{lines}"})

    def publish(self, name: str, version: str, level: str = OLD, *, content: bytes | None = None) -> None:
        """Put an image for systems of this level into the repository, and list it."""
        file = _file(name, version)
        image = content if content is not None else f"{name} {version}".encode() * 1000
        release = {"ID": "opensuse-microos", "SYSEXT_LEVEL": level}
        described = json.dumps([{"image_name": file, "sysext": release}]).encode()
        for listed, content in ((file, image), (f"{file}.json", described)):
            (self.source / listed).write_bytes(content)
            self._hashes[listed] = hashlib.sha256(content).hexdigest()
        self._list()

    def unpublish(self, name: str, version: str) -> None:
        """Take it out of the list."""
        for listed in (_file(name, version), f"{_file(name, version)}.json"):
            del self._hashes[listed]
        self._list()

    def away(self) -> None:
        """From now on the source does not answer."""
        self.source.rename(self.source.with_name("away"))

    def _list(self) -> None:
        lines = "".join(f"{value}  {name}\n" for name, value in sorted(self._hashes.items()))
        (self.source / "SHA256SUMS").write_text(lines)

    def link_image(self, root: Path, name: str, version: str, level: str = OLD) -> None:
        """Link an image into a tree, and put it whole and recorded into the store."""
        file = _file(name, version)
        content = f"{name} {version}".encode() * 1000
        path = self.layout.store / file
        if not path.exists():
            make_tree(self.layout.store, {file: content})
            keys = {"name": name, "version": version, "source": "main", "merge_name": name}
            release = {"ID": "opensuse-microos", "SYSEXT_LEVEL": level}
            made = record(content, file, url=str(self.source / file), release=release, **keys)
            Records(self.layout.records).write(made.sealed(path.stat()))
        link = root / "etc/extensions" / f"{name}.raw"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(f"/var/lib/sysext-store/{file}")

    def snapshot_with(
        self,
        number: int,
        images: Mapping[str, str],
        *,
        level: str = OLD,
        default: bool = False,
        parent: Subvolume | None = None,
    ) -> Subvolume:
        """A snapshot with these versions of images."""
        system = f"NAME=MicroOS\nID=opensuse-microos\nVERSION_ID=202611{number % 28 + 1:02}\nSYSEXT_LEVEL={level}\n"
        made = self.snapshot(number, {"etc/os-release": system}, info=snapper_info(number), parent=parent)
        for name, version in images.items():
            self.link_image(self.tree(number), name, version, level)
        if default:
            self.subvolumes.set_default(made.identifier)
        return made

    def transact(self, number: int, images: Mapping[str, str]) -> None:
        """An update within the same system, of a snapshot with these images and this machine's configuration."""
        self.snapshot_with(number, images, default=True)
        shutil.copytree(self.root / "etc/tukit-sysext", self.tree(number) / "etc/tukit-sysext")
        argv = ["tukit", "finalize-pre", str(self.tree(number)), str(number)]
        assert entry.main(argv, machine=self.machine) == 0

    def boot(self, number: int) -> None:
        """The running system is that of a snapshot from now on, and has its links."""
        shutil.copy(self.tree(number) / PlainSubvolumes.FILE, self.root / PlainSubvolumes.FILE)
        for part in ("etc/os-release", "etc/extensions"):
            subprocess.run(["cp", "-rT", self.tree(number) / part, self.root / part], check=True)

    def argv(self, *arguments: str) -> list[str]:
        """What runs a command on this machine as a process of its own, in :data:`TOP`."""
        return [sys.executable, "-c", _RUN, str(self.root), *arguments]

    def command(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command into pipes."""
        return subprocess.run(
            self.argv(*arguments),
            env={**_environment(), **(environment or {})},
            cwd=TOP,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def on_terminal(
        self,
        *arguments: str,
        columns: int = 80,
        environment: Mapping[str, str] | None = None,
        argv: Sequence[str] = (),
    ) -> tuple[int, str]:
        """Run a command (or ``argv``) on a terminal: its status, and all that it wrote there, lines ended by newlines.

        The terminal is the only place that it can write to.
        """
        own, theirs = pty.openpty()
        told = {**_environment(), "COLUMNS": str(columns), "TERM": "xterm-256color", **(environment or {})}
        with subprocess.Popen(
            argv or self.argv(*arguments), env=told, cwd=TOP, stdin=theirs, stdout=theirs, stderr=theirs
        ) as process:
            os.close(theirs)
            content = b""
            while piece := _read(own):
                content += piece
            os.close(own)
            status = process.wait()
        return status, content.decode().replace("\r\n", "\n")


@contextmanager
def as_nobody(root: Path) -> Iterator[None]:
    """An ordinary user, in a folder that everybody may reach. Needs root."""
    for path in (root, *root.parents[:-1]):
        path.chmod(path.stat().st_mode | 0o055)
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def snapper_info(number: int, *, in_progress: bool = False) -> str:
    """What snapper writes for a snapshot."""
    userdata = (
        "<userdata><key>transactional-update-in-progress</key><value>yes</value></userdata>" if in_progress else ""
    )
    return (
        f'<?xml version="1.0"?>\n<snapshot><type>single</type><num>{number}</num><date>2026-11-01 10:00:00</date>'
        f"<description>Snapshot Update of #1</description>{userdata}</snapshot>\n"
    )


def with_source(folder: Path) -> PlainMachine:
    """One with a source, in a folder for both."""
    made = PlainMachine(folder / "machine")
    made.add_source()
    return made


def _file(name: str, version: str) -> str:
    return f"{name}-{version}.x86-64.raw"


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""  # Linux says EIO when nobody has the other side of a terminal any more


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}


_RUN = """
import sys
from pathlib import Path
from tests.machine import open_machine
from tukit_sysext import cli
cli.leave(cli.main(sys.argv[2:], machine=open_machine(Path(sys.argv[1]), privileged=True)))
"""
