# SPDX-License-Identifier: LGPL-2.1-or-later
"""During an upgrade former code, which locks the store's folder, publishes beside the code that is here (threat P1)."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.records import NAME, sha256
from tests.rpm import TOP
from tests.states import code
from tests.states.state import COMMITS
from tests.unit.ledger.samples import StoreFolder
from tukit_sysext.layout import Layout
from tukit_sysext.store.image_store import Condition, Store

ROUNDS = 60

PUBLISH = """
import hashlib, json, sys
from pathlib import Path
from tukit_sysext.errors import StoreError
from tukit_sysext.layout import Layout
try:
    from tukit_sysext.store.image_store import Store
    from tukit_sysext.store.record import Record
except ImportError:
    from tukit_sysext.state.store import Store
    from tukit_sysext.state.record import Record
try:
    from tukit_sysext.quantities import KEEP_FREE
    more = {"keep_free": KEEP_FREE}
except ImportError:
    more = {}
store, kept = Store(Layout(root=Path(sys.argv[1]))), {}
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    # of every second name the two have other contents
    content = f"{number} {sys.argv[2] if number % 2 else ''}".encode() * 1000
    name, digest = f"image{number}-1.x86-64.raw", hashlib.sha256(content).hexdigest()
    with store.receive(sha256=digest, limit=1 << 20, where=name, **more) as incoming:
        incoming.write(content)
        incoming.finish()
        record = Record(
            file_name=name, name=f"image{number}", version="1", sha256=digest, size=len(content), source="main",
            url="", signer=None, time="2026-11-01T10:00:00Z", merge_name=f"image{number}", release={"ID": "_any"},
        )
        try:
            kept[name] = store.publish(incoming, record, replaceable=lambda name: False).sha256
        except StoreError as error:
            assert "has other content" in str(error), error
print(json.dumps(kept))
"""


@pytest.mark.history
@pytest.mark.parametrize("commit", COMMITS)
def test_former_code_publishes_at_the_same_time(tmp_path: Path, commit: str) -> None:
    """Whoever was told that an image is published finds it whole, with its record."""
    former = code.take(commit, tmp_path / "code")
    root = tmp_path / "machine"
    (root / "var/lib/sysext-store").mkdir(parents=True)
    publishers = [
        subprocess.Popen(
            [sys.executable, "-c", PUBLISH, root, which, str(ROUNDS)],
            env={"PYTHONPATH": str(top), "PATH": os.environ["PATH"]},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for which, top in (("former", former), ("here", TOP))
    ]
    for publisher in publishers:
        assert publisher.stdin is not None
        publisher.stdin.write("\n")
        publisher.stdin.flush()
    published = [json.loads(publisher.communicate(timeout=120)[0]) for publisher in publishers]
    store = Store(Layout(root=root))
    assert len(published[0] | published[1]) == ROUNDS
    for each in published:
        for name, digest in each.items():
            found = store.look(name)
            assert (found.condition, found.record and found.record.sha256) == (Condition.WHOLE, digest), name


def test_who_locks_the_folder_is_waited_for_but_not_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tukit_sysext.system.lock._FORMER_PATIENCE", 5.0)
    site = StoreFolder(tmp_path)
    site.layout.store.mkdir(parents=True, exist_ok=True)
    folder = os.open(site.layout.store, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    waits = threading.Event()

    def holders(_: Path) -> str:
        waits.set()
        return "former code"

    monkeypatch.setattr("tukit_sysext.system.lock.holders", holders)
    waiting = threading.Thread(target=site.publish)
    waiting.start()
    assert waits.wait(5)
    assert site.store.names() == []
    fcntl.flock(folder, fcntl.LOCK_UN)
    waiting.join(5)
    assert site.names() == [NAME]
    fcntl.flock(folder, fcntl.LOCK_EX)
    monkeypatch.setattr("tukit_sysext.system.lock._FORMER_PATIENCE", 0.2)
    site.path.unlink()
    started = time.monotonic()
    site.publish()
    assert time.monotonic() - started < 5
    os.close(folder)
    assert sha256(site.path.read_bytes()) == site.store.look(NAME).record.sha256  # type: ignore[union-attr]
