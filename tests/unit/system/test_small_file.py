# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small files that are something else by now: nobody waits for a FIFO that nobody writes to (row P5)."""

from __future__ import annotations

import ast
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.records import NAME
from tests.rpm import TOP
from tests.unit.ledger.samples import StoreFolder
from tukit_sysext.errors import MemoryUnreadable, UnknownState
from tukit_sysext.integrity import needs
from tukit_sysext.layout import Layout
from tukit_sysext.net.system_proxy import SYSCONFIG, SystemProxy, system_proxy
from tukit_sysext.progress import notice
from tukit_sysext.snapshots.snapper_files import read_info
from tukit_sysext.sources.cache import Cache
from tukit_sysext.sources.seen import Seen
from tukit_sysext.store.image_store import Condition
from tukit_sysext.store.record import RecordUnreadable
from tukit_sysext.system.small_file import read_small
from tukit_sysext.system.system_release import read_release
from tukit_sysext.system.time_limit import time_limit
from tukit_sysext.system.tree import Tree
from tukit_sysext.update import refusal


def test_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content" * 100_000)
    assert read_small(tmp_path / "file", limit=1_000_000) == b"content" * 100_000
    assert read_small(tmp_path / "file", limit=300_000) == (b"content" * 100_000)[:300_000]
    (tmp_path / "link").symlink_to("file")
    assert read_small(tmp_path / "link", limit=7) == b"content"
    with pytest.raises(OSError, match="symbolic links"):
        read_small(tmp_path / "link", limit=7, follow=False)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, a_socket, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_regular_file_is_not_read(tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / "s"
    make(path)
    with pytest.raises(OSError), time_limit(5):  # whichever the kernel has for it
        read_small(path, limit=10)


def fifo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    return path


def test_notes_of_ours(tmp_path: Path) -> None:
    with time_limit(10):
        assert refusal.read(fifo(tmp_path / "refused")) is None
        assert needs.read(fifo(tmp_path / "needs")) == ()
        assert notice.read(fifo(tmp_path / "progress")) is None
        fifo(tmp_path / ".snapshots/1/info.xml")
        assert read_info(Layout(root=tmp_path), 1) is None
        fifo(tmp_path / "cache/kind/key")
        assert Cache(tmp_path / "cache", writable=True).note("kind", "key") is None
        fifo(tmp_path / SYSCONFIG)
        assert system_proxy(tmp_path) == SystemProxy()
        fifo(tmp_path / "seen/web")
        with pytest.raises(MemoryUnreadable):
            Seen(tmp_path / "seen", writable=True).times("web")


def test_a_record(tmp_path: Path) -> None:
    site = StoreFolder(tmp_path)
    site.publish()
    path = site.layout.records / f"{NAME}.json"
    path.unlink()
    fifo(path)
    with time_limit(10):
        with pytest.raises(RecordUnreadable):
            site.store.records.read(NAME)
        assert site.store.look(NAME).condition is Condition.UNRECORDED


def test_what_a_tree_says(tmp_path: Path) -> None:
    fifo(tmp_path / "etc/os-release")
    with time_limit(10), Tree(tmp_path) as tree, pytest.raises(UnknownState):
        read_release(tree)


ALLOWED = {
    "commands/common/key_file.py": "what a person names on the command line: it may be a pipe",
    "collect/attached.py": "/sys",
    "ledger/leftovers.py": "/proc",
    "collect/mounts.py": "/proc",
    "doctor/confinement.py": "/proc",
    "doctor/disk.py": "/proc",
    "integrity/quarantine_folder.py": "a file that it made itself",
    "progress/notice.py": "/proc",
    "publish/chunking.py": "an index that casync has made",
    "publish/switching.py": "files that it made itself, and those which they replace",
    "snapshots/used_now.py": "/proc",
    "store/incoming.py": "a descriptor that store/partial.py has checked",
    "system/compare_child.py": "below read-only mounts of images, and a file that compare_images.py has made",
    "system/descriptors.py": "standard output and error",
    "system/gpg.py": "a file that it made itself",
    "system/gpgv.py": "what comes with the package",
    "system/holders.py": "/proc",
    "system/login_uid.py": "/proc",
    "system/merge_mode.py": "/proc",
    "system/old_files.py": "/proc",
    "system/plain_image.py": "images of a folder of the caller's, or that a person names, whatever their size",
    "system/selinux.py": "selinuxfs",
    "system/rpm_database.py": "a descriptor, and a file that it makes itself",
    "system/transactions.py": "/proc",
    "system/rpm_reader.py": "a file that rpm_database.py has made",
    "system/inspect_image.py": "below a read-only mount of an image",
}


def opened() -> set[str]:
    """Modules that open a file for reading by themselves."""
    found = set()
    for path in (TOP / "tukit_sysext").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            by_name = isinstance(node.func, ast.Name) and node.func.id == "open" and node.args != []
            by_path = isinstance(node.func, ast.Attribute) and node.func.attr in ("read_text", "read_bytes")
            if by_name or by_path:
                found.add(str(path.relative_to(TOP / "tukit_sysext")))
    return found


def test_nobody_else_opens_files() -> None:
    assert sorted(opened()) == sorted(ALLOWED)
