# SPDX-License-Identifier: LGPL-2.1-or-later
"""From the hook's arguments to its exit status: a fault of ours stops no transaction (threat L15)."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.lab.ports import unused_url
from tests.machine import PlainMachine
from tests.trees import Link, make_tree, umask
from tukit_sysext import entry
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.ledger import schema
from tukit_sysext.system import journal
from tukit_sysext.update import refusal

pytestmark = pytest.mark.usefixtures("hook_process")


def finalize(site: PlainMachine, *arguments: str) -> int:
    return entry.main(["tukit", *(arguments or ("finalize-pre", str(site.tree(7)), "7"))], machine=site.machine)


def want(site: PlainMachine, text: str = "[Image]\n", *, has: bool = True) -> None:
    """Have gdb wanted, which the system that boots next has, or not."""
    if has:
        site.has_for_former_system("gdb")
    make_tree(site.tree(7), {"etc/tukit-sysext/images.d/gdb.conf": text})


def test_nothing_to_do_says_nothing(snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert finalize(snapshot_7) == 0
    assert capsys.readouterr() == ("", "")


def test_a_refusal_is_75_and_says_why(snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    want(snapshot_7)
    assert finalize(snapshot_7) == 75
    out, err = capsys.readouterr()
    assert out == ""
    assert "refused" in err.splitlines()[0]
    assert "gdb" in err.splitlines()[0]
    assert "next step" in err
    mark = refusal.read(snapshot_7.layout.refused)
    assert mark is not None
    assert list(mark.images) == ["gdb"]


def test_a_refusal_opens_the_ledger_once(snapshot_7: PlainMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each opening has SQLite look through all of it."""
    real, openings = schema._open, list[Path]()

    def counted(path: Path) -> sqlite3.Connection:
        openings.append(path)
        return real(path)

    want(snapshot_7)
    monkeypatch.setattr(schema, "_open", counted)
    assert finalize(snapshot_7) == 75
    assert openings == [snapshot_7.layout.ledger]


def test_an_update_waits_for_a_server_that_is_away(
    snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is there who would do it once more: until the deadline it may come back."""
    want(snapshot_7)
    source = f"[Source]\nURL={unused_url()}\nVerify=no\n"
    make_tree(
        snapshot_7.tree(7),
        {
            "etc/tukit-sysext/sources.d/main.conf": source,
            "etc/tukit-sysext/tukit-sysext.conf": "[Network]\nDeadline=1s\n",
        },
    )
    assert finalize(snapshot_7) == 75
    assert len([line for line in caplog.messages if re.match("cannot fetch http.*: connection refused", line)]) > 1
    assert "cannot be fetched" in capsys.readouterr().err


def test_what_is_optional_is_left_out(snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    want(snapshot_7, "[Image]\nPolicy=optional\n")
    assert finalize(snapshot_7) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("policy", ["required", "optional"])
def test_what_does_not_fit_goes_and_is_told(
    snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str], policy: str
) -> None:
    """Also when refused: tukit may ignore the status."""
    want(snapshot_7, f"[Image]\nPolicy={policy}\n")
    link = snapshot_7.tree(7) / "etc/extensions/gdb.raw"
    make_tree(snapshot_7.tree(7), {"etc/extensions/gdb.raw": Link("/var/lib/sysext-store/gdb-1.x86-64.raw")})
    assert finalize(snapshot_7) == (75 if policy == "required" else 0)
    assert not link.is_symlink()
    out = capsys.readouterr().out
    assert "gdb: 1 left out" in out
    assert ("(in the refused tree)" in out) is (policy == "required")


STEPS = [
    "tukit_sysext.machine.Machine",
    "tukit_sysext.plugins.manager.Plugins.__init__",
    "tukit_sysext.plugins.manager.Plugins.finalizing",
    "tukit_sysext.plugins.manager.Plugins.judged",
    "tukit_sysext.ledger.spool.snapshot_number",
    "tukit_sysext.update.refusal.known",
    "tukit_sysext.update.refusal.ages",
    "tukit_sysext.update.refusal.note",
    "tukit_sysext.update.transaction.Transaction",
    "tukit_sysext.update.transaction.finalize",
    "tukit_sysext.update.transaction.shared",
    "tukit_sysext.update.fetch.decide",
    "tukit_sysext.update.transaction.LinkWriter",
    "tukit_sysext.update.local.tree_facts",
    "tukit_sysext.update.local.load_wanted",
    "tukit_sysext.update.local.load_configuration",
    "tukit_sysext.store.image_store.Store.names",
    "tukit_sysext.ledger.ledger.Ledger.__init__",
    "tukit_sysext.update.report.change_lines",
    "tukit_sysext.update.report.beside_merge_lines",
    "tukit_sysext.update.report.refusal_lines",
]


@pytest.mark.parametrize("error", [RuntimeError("injected\ntwice"), OSError(28, "injected"), MemoryError("injected")])
@pytest.mark.parametrize("step", STEPS)
def test_a_fault_passes_with_one_loud_line(
    snapshot_7: PlainMachine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    step: str,
    error: Exception,
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(step, failing)
    # the hook makes 0 of both, after a last check of its own where the job was not done
    machine = None if step == STEPS[0] else snapshot_7.machine
    arguments = ["tukit", "finalize-pre", str(snapshot_7.tree(7)), "7"]
    assert entry.main(arguments, machine=machine) in (0, ExitStatus.NOT_DONE)
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("tukit-sysext: FAULT: ")
    assert "injected" in err


@pytest.mark.parametrize(
    "step", ["tukit_sysext.plugins.manager.Plugins.__init__", "tukit_sysext.ledger.settling.settle"]
)
def test_settling_never_fails(
    snapshot_7: PlainMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr(step, failing)
    assert entry.main(["settle"], machine=snapshot_7.machine) == 0
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_mark_that_cannot_be_set_lets_the_refusal_count(
    snapshot_7: PlainMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError(28, "injected")

    want(snapshot_7)
    monkeypatch.setattr("tukit_sysext.update.refusal.note", failing)
    assert finalize(snapshot_7) == 75
    assert "cannot be marked" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("finalize-pre",),
        ("finalize-pre", "{tree}"),
        ("finalize-pre", "{tree}", "$(reboot)"),
        ("finalize-pre", "{tree}", "7 8"),
        ("finalize-pre", "{tree}", "8"),
        ("finalize-pre", "{tree}", "7", "more"),
        ("finalize-pre", "relative", "7"),
        ("finalize-pre", "/", "7"),
        ("finalize-pre", "/nowhere", "7"),
        ("execute-pre", "{tree}", "7"),
    ],
)
def test_hostile_arguments_change_nothing(
    snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """Threat L5: nobody makes us write into another tree than that of the snapshot."""
    want(snapshot_7)
    assert finalize(snapshot_7, *(part.format(tree=snapshot_7.tree(7)) for part in arguments)) == ExitStatus.NOT_DONE
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not snapshot_7.layout.refused.exists()


def test_umask_and_directory_are_ours(
    snapshot_7: PlainMachine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Threat L7."""
    monkeypatch.chdir(tmp_path)
    with umask(0o077):
        assert finalize(snapshot_7) == 0
        assert os.umask(0o022) == 0o022
        assert Path.cwd() == Path("/")


def test_a_fault_in_a_file_is_told_with_its_line(snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    want(snapshot_7, "[Image]\nPolicy=maybe\n")
    assert finalize(snapshot_7) == 0
    *missed, fault = capsys.readouterr().err.splitlines()
    assert "/etc/tukit-sysext/images.d/gdb.conf:2: Policy=maybe" in fault
    assert "0.0.1 of snapshot 90, which boots next is lost" in missed[1]


def test_settings_with_a_fault_refuse_nothing(snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be read may have been the limit of refusals. The image that is wanted would refuse otherwise."""
    want(snapshot_7)
    assert finalize(snapshot_7) == 75
    capsys.readouterr()
    make_tree(snapshot_7.tree(7), {"etc/tukit-sysext/tukit-sysext.conf": "[Update]\nRefuseFor=soon\n"})
    assert finalize(snapshot_7) == 0
    *missed, fault = capsys.readouterr().err.splitlines()
    assert "tukit-sysext.conf:2: RefuseFor=soon" in fault
    assert "is lost" in missed[1]


@pytest.mark.parametrize("folder", ["etc/tukit-sysext/sources.d", "etc/tukit-sysext/images.d", "etc/extensions"])
def test_names_that_are_no_text_cost_no_refusal(snapshot_7: PlainMachine, folder: str) -> None:
    """A message about one must not end the job, which would let the update pass."""
    want(snapshot_7)
    path = os.fsencode(snapshot_7.tree(7) / folder)
    os.makedirs(path, exist_ok=True)
    with open(path + b"/\xff\xfe.conf", "w") as file:
        file.write("rubbish\n")
    assert finalize(snapshot_7) == 75


def test_every_message_can_be_sent() -> None:
    record = logging.LogRecord("tukit_sysext", logging.ERROR, "", 1, "name \udcff and \0", (), None)
    with closing(journal.Journal()) as handler:
        handler.emit(record)
