# SPDX-License-Identifier: LGPL-2.1-or-later
"""With a systemd-dissect that does not work nothing is known of an image without a record: nothing changes (P14).

Real images: one of ours and one of others in the store, both without a record, one beside it that nothing links, half a
download, and a file in /etc/extensions.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.broken_tools import INPUT_WAYS, WAYS, break_on, break_tool
from tests.lab.images import make_image
from tests.machine import OS_RELEASE, PlainMachine
from tests.records import record
from tests.trees import Content, Link, listing, make_tree
from tukit_sysext import cli
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.integrity import needs
from tukit_sysext.layout import STORE
from tukit_sysext.store.record import Records
from tukit_sysext.system import inspect_image
from tukit_sysext.system.control import CONTROL

pytestmark = pytest.mark.root

RELEASE = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.42"}
OURS, OTHERS, UNLINKED, HALF = (f"{name}-1.x86-64.raw" for name in ("gdb", "vim", "gcc", "perl"))


class Site(PlainMachine):
    """Snapshot 7 runs and boots next."""

    def __init__(self, root: Path, images: Path) -> None:
        super().__init__(root)
        store = self.layout.store
        store.mkdir(parents=True)
        for name in ("gdb", "vim", "gcc", "perl", "file"):
            made = make_image(images, name, "1", release=RELEASE, architecture="x86-64", manifest=None)
            if name != "file":
                shutil.copy(made, store)
        (store / HALF).write_bytes((store / HALF).read_bytes()[:600])
        entries: dict[str, Content] = {
            "etc/os-release": OS_RELEASE,
            "etc/tukit-sysext/images.d/gdb.conf": "[Image]\n",
            "etc/extensions/gdb.raw": Link(f"{STORE}/{OURS}"),
            "etc/extensions/vim.raw": Link(f"{STORE}/{OTHERS}"),
            "etc/extensions/file.raw": (images / "file-1.x86-64.raw").read_bytes(),
        }
        make_tree(root, entries)
        made_snapshot = self.snapshot(7, entries)
        (root / ".subvolume").write_text((self.tree(7) / ".subvolume").read_text())
        self.subvolumes.set_default(made_snapshot.identifier)

    def state(self) -> Mapping[str, Content]:
        """All that must not change."""
        return {
            **{f"etc/{name}": content for name, content in listing(self.root / "etc").items()},
            **{f"store/{name}": content for name, content in listing(self.layout.store).items()},
            **{f"records/{name}": content for name, content in listing(self.layout.records).items()},
            **{f"7/{name}": content for name, content in listing(self.tree(7) / "etc").items()},
        }

    def run(self, *arguments: str) -> int:
        return cli.main(arguments, machine=self.machine)


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(inspect_image, "_TIMEOUT", 1.0)
    return Site(tmp_path / "machine", tmp_path / "images")


Told = Callable[[], str]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Told:
    """What was printed and logged."""

    def everything() -> str:
        return "".join(capsys.readouterr()) + "\n".join(caplog.messages)

    return everything


COMMANDS = {
    "verify --boot": (("verify", "--boot"), ("gdb.raw", "vim.raw", "file.raw")),
    "verify --boot --dry-run": (("verify", "--boot", "--dry-run"), ("gdb.raw", "vim.raw", "file.raw")),
    "verify --repair": (("verify", "--repair"), ("gdb.raw", "vim.raw", "file.raw")),
    "verify --all": (("verify", "--all"), ("gdb.raw", "vim.raw", "file.raw")),
    "adopt": (("adopt",), ("vim.raw", "file.raw")),
}
"""Each command, and what it has to name as what it could not look into."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_changes_and_what_is_not_known_is_named(
    impatient: Site, monkeypatch: pytest.MonkeyPatch, told: Told, command: str, way: str
) -> None:
    before = impatient.state()
    monkeypatch.setattr(inspect_image, "DISSECT", str(break_tool(impatient.root / "tool", way)))
    arguments, unknown = COMMANDS[command]
    assert impatient.run(*arguments) is ExitStatus.FAILED
    assert impatient.state() == before
    said = told()
    assert [name for name in unknown if name not in said] == []
    assert str(impatient.root / "tool") in said


@pytest.mark.parametrize("way", INPUT_WAYS)
@pytest.mark.parametrize("command", ["verify --boot", "verify --repair", "adopt"])
def test_nor_where_it_dies_of_these_images(
    impatient: Site, monkeypatch: pytest.MonkeyPatch, told: Told, command: str, way: str
) -> None:
    before = impatient.state()
    monkeypatch.setattr(inspect_image, "DISSECT", str(break_on(impatient.root / "tool", inspect_image.DISSECT, way)))
    arguments, unknown = COMMANDS[command]
    assert impatient.run(*arguments) is ExitStatus.FAILED
    assert impatient.state() == before
    said = told()
    assert [name for name in unknown if name not in said] == []


def test_the_guard_is_not_well_where_it_cannot_tell_whether_the_merge_fails(
    impatient: Site, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    """An image of others that is not what was recorded; nothing else is linked."""
    for name in ("gdb.raw", "file.raw"):
        (impatient.root / "etc/extensions" / name).unlink()
    image = impatient.layout.store / OTHERS
    recorded = record(image.read_bytes(), OTHERS, name="vim", version="1", merge_name="vim")
    Records(impatient.layout.records).write(recorded.sealed(image.stat()))
    image.write_bytes(image.read_bytes()[:600])
    monkeypatch.setattr(inspect_image, "DISSECT", str(break_tool(impatient.root / "tool", next(iter(WAYS)))))
    assert impatient.run("verify", "--boot") is ExitStatus.FAILED
    assert "vim.raw is left where it is, it is not known to be good" in told()
    assert (impatient.root / "etc/extensions/vim.raw").is_symlink()


def collected(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Collect twice, ages later."""
    now = time.time()
    for days in (0, 30, 60):
        monkeypatch.setattr(time, "time", lambda days=days: now + days * 86400)
        site.run("gc")


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_collected(impatient: Site, monkeypatch: pytest.MonkeyPatch, told: Told, way: str) -> None:
    before = impatient.state()
    with monkeypatch.context() as broken:
        broken.setattr(inspect_image, "DISSECT", str(break_tool(impatient.root / "tool", way)))
        collected(impatient, broken)
        assert impatient.state() == before
        said = told()
        assert UNLINKED in said and HALF in said and "cannot be looked into" in said
        assert f"{UNLINKED}: of unknown origin, and cannot be looked into" in said, "loudly, not in the table alone"
    monkeypatch.setattr(CONTROL, "_faults", {})
    collected(impatient, monkeypatch)
    assert before.keys() - impatient.state().keys() == {f"store/{HALF}"}, (
        "with one that works the half goes, the good stays"
    )


@pytest.mark.parametrize("more", [(), ("--dry-run",)], ids=["gc", "gc --dry-run"])
def test_the_status_of_a_collection_is_true(
    impatient: Site, monkeypatch: pytest.MonkeyPatch, told: Told, more: tuple[str, ...]
) -> None:
    """L16: what could not be looked into is no success; and it is one once it can be."""
    make_tree(impatient.root, {"etc/tukit-sysext/tukit-sysext.conf": "[Store]\nGrace=0\n"})
    assert impatient.run("gc") is ExitStatus.DONE, "nothing had to be looked into"
    with monkeypatch.context() as broken:
        broken.setattr(inspect_image, "DISSECT", str(break_tool(impatient.root / "tool", "killed")))
        assert impatient.run("gc", *more) is ExitStatus.FAILED
        told()
        assert impatient.run("gc", "--json", *more) is ExitStatus.FAILED
        document = json.JSONDecoder().raw_decode(told())[0]
    assert [each["file"] for each in document["failed"]] == [UNLINKED, HALF]
    assert all("cannot be looked into" in each["reason"] for each in document["failed"])
    monkeypatch.setattr(CONTROL, "_faults", {})
    assert impatient.run("gc", *more) is ExitStatus.DONE


def test_the_guard_forgets_no_need(impatient: Site, monkeypatch: pytest.MonkeyPatch, told: Told) -> None:
    """What has to be repaired is still to be repaired when nobody can tell."""
    (impatient.layout.store / OURS).write_bytes(b"<html>")
    impatient.run("verify", "--repair")
    assert [need.link for need in needs.read(impatient.layout.repair)] == ["gdb.raw"]
    monkeypatch.setattr(inspect_image, "DISSECT", str(break_tool(impatient.root / "tool", "killed")))
    before = impatient.state()
    assert impatient.run("verify", "--boot") is ExitStatus.FAILED
    assert [need.link for need in needs.read(impatient.layout.repair)] == ["gdb.raw"]
    assert impatient.state() == before
    said = told()
    for name in ("gdb.raw", "vim.raw", "file.raw"):
        assert f"({name}): not known: cannot be looked into" in said
