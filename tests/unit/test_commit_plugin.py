# SPDX-License-Identifier: LGPL-2.1-or-later
"""libzypp's plugin: its protocol, and when it leaves a mark. On the lab, real zypper speaks to it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.rpm import TOP
from tests.trees import make_tree
from tukit_sysext.commit_plugin import ACK, changes_in_place, leave_mark, serve
from tukit_sysext.layout import Layout

BEGIN = b"PLUGINBEGIN\nuserdata:\n\n\0"
COMMIT = b'COMMITBEGIN\n\n{"TransactionStepList":[{"type":"+","stage":"ok"}]}\0'
DONE = b'COMMITEND\n\n{"TransactionStepList":[]}\0'
END = b"PLUGINEND\n\n\0"


def spoken(frames: Sequence[bytes]) -> tuple[bool, bytes]:
    """What a conversation without an answer in between comes to: whether a commit has begun, and all answers."""
    read_end, write_end = os.pipe()
    answers, ours = os.pipe()
    os.write(write_end, b"".join(frames))
    os.close(write_end)
    begun = serve(read_end, ours)
    os.close(ours)
    answered = os.read(answers, 1 << 16)
    os.close(answers)
    os.close(read_end)
    return begun, answered


@pytest.mark.parametrize(
    ("frames", "begun", "answers"),
    [
        ([BEGIN, COMMIT, DONE, END], True, 3),
        ([BEGIN, COMMIT, END], True, 2),
        ([BEGIN, COMMIT], True, 2),
        ([BEGIN, END], False, 1),
        ([], False, 0),
        ([b"\n\n" + COMMIT], True, 1),
        ([b"_UNHEARD_OF\n\nCOMMITBEGIN\n\0"], False, 1),
        ([b"COMMITBEGIN\n\nhas no end"], False, 0),
        ([b"COMMITBEGIN\n\n" + b"x" * 60_000 + b"\0", DONE], True, 2),
    ],
)
def test_each_frame_is_answered(frames: Sequence[bytes], begun: bool, answers: int) -> None:
    assert spoken(frames) == (begun, ACK * answers)


def test_a_frame_that_comes_in_pieces() -> None:
    """The list of a large update comes in many, and its size costs no memory."""
    with subprocess.Popen(
        [sys.executable, "-c", "from tukit_sysext.commit_plugin import serve; print(serve(0, 2))"],
        cwd=TOP,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as plugin:
        assert plugin.stdin is not None
        for piece in (b"COMMIT", b"BEGIN\n\n", *[b"[" * 100_000] * 20, b"\0PLUG", b"INEND\n\n\0"):
            plugin.stdin.write(piece)
            plugin.stdin.flush()
        output, answers = plugin.communicate(timeout=60)
    assert (output, answers) == (b"True\n", ACK)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A system that systemd runs, with a store."""
    make_tree(tmp_path, {"run/systemd/system": None, "var/lib/sysext-store": None, "proc/1": None})
    (tmp_path / "proc/1/root").symlink_to(tmp_path)
    return Layout(root=tmp_path)


def test_a_system_that_changes_in_place(layout: Layout) -> None:
    assert changes_in_place(layout)
    leave_mark(layout)
    leave_mark(layout)
    assert layout.adapt.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("missing", ["run/systemd/system", "var/lib/sysext-store"])
def test_without_systemd_or_a_store_there_is_nothing_to_do(layout: Layout, missing: str) -> None:
    (layout.root / missing).rmdir()
    assert not changes_in_place(layout)


def test_in_a_chroot_there_is_nothing_to_do(layout: Layout) -> None:
    """Nor where there is no /proc, which every system that systemd runs has."""
    root = layout.root / "proc/1/root"
    root.unlink()
    assert not changes_in_place(layout)
    root.symlink_to("/usr")
    assert not changes_in_place(layout)
    root.unlink()
    root.symlink_to("root")
    assert changes_in_place(layout), "nobody tells"


def test_a_mark_is_not_written_through_a_link(layout: Layout) -> None:
    layout.runtime.mkdir(parents=True)
    layout.adapt.symlink_to(layout.root / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        leave_mark(layout)


@pytest.mark.parametrize("frames", [[BEGIN, COMMIT, DONE, END], [b"\xff\0" * 100], []])
def test_the_executable_ends_well_and_soon(frames: Sequence[bytes], tmp_path: Path) -> None:
    """In a transaction, so that it leaves no mark on the machine of the tests."""
    script = tmp_path / "plugin"
    text = (TOP / "spec/zypp-plugins/tukit-sysext").read_text()
    run = f'sys.path.insert(0, "{TOP}")\nfrom tukit_sysext.commit_plugin import run\n'
    script.write_text(
        text.replace("python=/usr/bin/python3", f"python={sys.executable}").replace(
            "from tukit_sysext.commit_plugin import run\n", run
        )
    )
    began = time.monotonic()
    done = subprocess.run(
        ["/bin/sh", str(script)],
        input=b"".join(frames),
        capture_output=True,
        check=False,
        env={"TRANSACTIONAL_UPDATE": "true"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == ACK * (sum(frame.count(b"\0") for frame in frames) + (END not in frames)), "and the end"
    assert time.monotonic() - began < 30, "libzypp kills after 60 seconds"
