# SPDX-License-Identifier: LGPL-2.1-or-later
"""A local directory that hangs, as one of a dead NFS server does: it is left in time, and the process ends (row P5).

The file system that does not answer is a FUSE of which nobody reads the requests: the kernel waits as for NFS.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.lab.images import write_checksums
from tests.rpm import TOP
from tests.unit.net.samples import QUICK
from tests.unit.sources.samples import Image, settings, trust
from tukit_sysext.sources import directory
from tukit_sysext.sources.directory import DirectorySource

_DEAD = """
import ctypes, os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
folder = Path(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
assert libc.mount(b"dead", str(folder).encode(), b"fuse", 0, options) == 0, os.strerror(ctypes.get_errno())

from dataclasses import replace
from tests.unit.net.samples import QUICK
from tests.unit.sources.samples import settings, trust
from tukit_sysext.errors import SourceUnreachable
from tukit_sysext.sources.directory import DirectorySource

of = settings(None, verify=False)
source = DirectorySource(of, folder, trust(of, Path(sys.argv[3])), limits=replace(QUICK, deadline=1))
begun = time.monotonic()
for _ in range(5):
    try:
        source.candidates()
    except SourceUnreachable as error:
        said = str(error)
print(time.monotonic() - begun, said, flush=True)
"""


@pytest.mark.root
@pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="the kernel has no FUSE here")
def test_a_directory_that_hangs_is_waited_for_once(tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    command = [sys.executable, "-c", _DEAD, str(TOP), str(tmp_path / "mount"), str(tmp_path / "cache")]
    begun = time.monotonic()
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert time.monotonic() - begun < 15, "the process ends although a thread hangs"
    assert done.returncode == 0, done.stderr
    seconds, _, said = done.stdout.partition(" ")
    assert float(seconds) < 2, "one time is waited for, not one for each call"
    assert said.strip().endswith("mount: no answer for 1 s")


def test_another_source_that_is_slow_takes_no_time_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are made before the first is asked: a directory that answers is believed however late that is."""
    write_checksums(tmp_path)
    of = settings(None, verify=False)
    source = DirectorySource(of, tmp_path, trust(of, tmp_path / "cache"), limits=replace(QUICK, finding_out=1))
    now = time.monotonic()
    monkeypatch.setattr(directory, "time", SimpleNamespace(monotonic=lambda: now + 600))
    assert source.candidates() == []
    assert source.candidates() == []


def test_all_images_share_one_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those too that are fetched because others do not fit. Each is there within two seconds."""
    names = [f"gdb-{number}.x86-64.raw" for number in range(4)]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    write_checksums(tmp_path)
    of, limits = settings(None, verify=False), replace(QUICK, image_deadline=3)
    source = DirectorySource(of, tmp_path, trust(of, tmp_path / "cache"), limits=limits)
    candidates = source.candidates()
    clock = count(0, 0.3)
    monkeypatch.setattr(directory, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    failures = [source.fetch([(each, Image(each.sha256))]).get(each.sha256) for each in candidates]
    assert failures[0] is None
    assert "the time is over" in str(failures[-1])
