# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine with images, snapshots and a source that is a directory, and its commands on a terminal."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.machine import PlainMachine, PlainSubvolumes, snapper_info
from tests.trees import make_tree
from tukit_sysext.store.record import Record, Records
from tukit_sysext.system.subvolume import Subvolume

OLD = "glibc-2.42"
NEW = "glibc-2.43"
TOP = Path(__file__).resolve().parents[3]

_NAMES = """
gdb strace k3s docker-ce htop debugtools incus tailscale nvidia-open-driver-G06 podman-next crun vim wireshark-cli
bpftrace perf neovim cockpit fail2ban zfs-kmp ceph-common kubernetes1.31-client sysstat tcpdump iperf nmap ethtool
mosh tmux zsh fish emacs-nox git-lfs rclone restic borgbackup syncthing wireguard-tools chrony-ng systemd-devel-257
a-very-long-name-of-an-extension-image-for-tests
"""
NAMES = tuple(_NAMES.split())


class World:
    """A :class:`PlainMachine`, and a source named main; nothing is published, and no snapshot made yet."""

    top = TOP

    def __init__(self, folder: Path) -> None:
        self.site = PlainMachine(folder / "machine")
        self.repository = folder / "repository"
        self.repository.mkdir()
        self._hashes: dict[str, str] = {}
        make_tree(
            self.site.root,
            {"etc/tukit-sysext/sources.d/main.conf": f"[Source]\nPath={self.repository}\nVerify=no\n"},
        )
        self._list()

    def want(self, name: str, **keys: str) -> None:
        """Make an image wanted in the running system."""
        lines = "".join(f"{key}={value}\n" for key, value in keys.items())
        make_tree(self.site.root, {f"etc/tukit-sysext/images.d/{name}.conf": f"[Image]\n{lines}"})

    def publish(self, name: str, version: str, level: str = OLD, *, content: bytes | None = None) -> None:
        """Put an image for systems of this level into the repository, and list it."""
        file = _file(name, version)
        image = content if content is not None else f"{name} {version}".encode() * 1000
        release = {"ID": "opensuse-microos", "SYSEXT_LEVEL": level}
        described = json.dumps([{"image_name": file, "sysext": release}]).encode()
        for listed, content in ((file, image), (f"{file}.json", described)):
            (self.repository / listed).write_bytes(content)
            self._hashes[listed] = hashlib.sha256(content).hexdigest()
        self._list()

    def unpublish(self, name: str, version: str) -> None:
        """Take it out of the list."""
        for listed in (_file(name, version), f"{_file(name, version)}.json"):
            del self._hashes[listed]
        self._list()

    def away(self) -> None:
        """From now on the source does not answer."""
        self.repository.rename(self.repository.with_name("away"))

    def _list(self) -> None:
        lines = "".join(f"{value}  {name}\n" for name, value in sorted(self._hashes.items()))
        (self.repository / "SHA256SUMS").write_text(lines)

    def link(self, root: Path, name: str, version: str, level: str = OLD) -> None:
        """Link an image into a tree, and put it whole and recorded into the store."""
        file = _file(name, version)
        content = f"{name} {version}".encode() * 1000
        path = self.site.layout.store / file
        if not path.exists():
            make_tree(self.site.layout.store, {file: content})
            made = Record(
                file_name=file,
                name=name,
                version=version,
                sha256=hashlib.sha256(content).hexdigest(),
                size=len(content),
                source="main",
                url=str(self.repository / file),
                signer=None,
                time="2026-11-01T10:00:00Z",
                merge_name=name,
                release={"ID": "opensuse-microos", "SYSEXT_LEVEL": level},
            )
            Records(self.site.layout.records).write(made.sealed(path.stat()))
        link = root / "etc/extensions" / f"{name}.raw"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(f"/var/lib/sysext-store/{file}")

    def snapshot(self, number: int, images: Mapping[str, str], *, level: str = OLD, default: bool = False) -> Subvolume:
        """A snapshot with these versions of images."""
        system = f"NAME=MicroOS\nID=opensuse-microos\nVERSION_ID=202611{number % 28 + 1:02}\nSYSEXT_LEVEL={level}\n"
        made = self.site.snapshot(number, {"etc/os-release": system}, info=snapper_info(number))
        for name, version in images.items():
            self.link(self.site.tree(number), name, version, level)
        if default:
            self.site.subvolumes.set_default(made.identifier)
        return made

    def boot(self, number: int) -> None:
        """The running system is that of a snapshot from now on, and has its links."""
        site = self.site
        shutil.copy(site.tree(number) / PlainSubvolumes.FILE, site.root / PlainSubvolumes.FILE)
        for part in ("etc/os-release", "etc/extensions"):
            subprocess.run(["cp", "-rT", site.tree(number) / part, site.root / part], check=True)

    def argv(self, *arguments: str) -> list[str]:
        """What runs a command on this machine as a process of its own, in :attr:`top`."""
        return [sys.executable, "-c", _RUN, str(self.site.root), *arguments]

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


def plain(text: str) -> str:
    """What a terminal shows, without colours and commands."""
    return re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", text)
