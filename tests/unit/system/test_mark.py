# SPDX-License-Identifier: LGPL-2.1-or-later
"""Marks below /run, which a soft-reboot leaves, and which count in the system alone that they were written in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.records import MISSING_GDB
from tukit_sysext.integrity import needs
from tukit_sysext.progress import notice
from tukit_sysext.progress.job_report import Report, Stage
from tukit_sysext.progress.notice import ProgressFile
from tukit_sysext.system.mark import read_mark, write_mark
from tukit_sysext.update import refusal
from tukit_sysext.update.refusal import HeldBack, Refusal

NEED = replace(MISSING_GDB, snapshot=None)
REFUSAL = Refusal(last=200, times=2, system="id 2", images={"gdb": HeldBack(reason="none fits", since=100)})


@pytest.fixture
def boot_root(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Runs under the root "first"."""
    monkeypatch.setattr("tukit_sysext.system.mark.running_root", lambda: "first")
    return monkeypatch


def soft_reboot(boot_root: pytest.MonkeyPatch, root: str) -> None:
    boot_root.setattr("tukit_sysext.system.mark.running_root", lambda: root)


def test_each_kind_counts_under_its_own_root_alone(tmp_path: Path, boot_root: pytest.MonkeyPatch) -> None:
    repair, refused, progress = (tmp_path / "run" / name for name in ("repair", "refused", "progress"))
    needs.update(repair, [None], [NEED], matter=[None])
    refusal.write(refused, REFUSAL)
    ProgressFile(progress, job="update").show(Report(stage=Stage.FETCHING, downloads={}))

    def seen() -> tuple[bool, ...]:
        return bool(needs.read(repair)), refusal.read(refused) is not None, notice.read(progress) is not None

    assert seen() == (True, True, True)
    soft_reboot(boot_root, "second")
    assert seen() == (False, False, False)
    # the number of the running snapshot is not known under either of both roots
    assert needs.update(repair, [], [], matter=[None]) == []
    assert not repair.exists(), "what the system before lacked is no need of this one"
    soft_reboot(boot_root, "first")
    assert seen() == (False, True, True)


def test_one_that_names_no_root_counts(tmp_path: Path) -> None:
    """As code of before wrote it, earlier in this boot."""
    (tmp_path / "mark").write_text(json.dumps({"images": []}))
    assert read_mark(tmp_path / "mark", limit=100) == {"images": []}


@pytest.mark.parametrize("content", ["[]", "null", "1", '{"root": 1}', '{"root": null}', "{"])
def test_what_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "mark").write_text(content)
    with pytest.raises(ValueError, match=r"mark: no JSON object|of another root|Expecting"):
        read_mark(tmp_path / "mark", limit=100)


def test_the_real_root_stays_the_same(tmp_path: Path) -> None:
    write_mark(tmp_path / "run" / "mark", {"a": 1})
    assert read_mark(tmp_path / "run" / "mark", limit=100) == {"a": 1}
