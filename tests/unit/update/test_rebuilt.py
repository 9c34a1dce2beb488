# SPDX-License-Identifier: LGPL-2.1-or-later
"""A publisher who rebuilds an image under the same name: both contents are kept, and told apart (threat P7)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.machine import OLD, PlainMachine
from tests.records import sha256
from tests.states import code
from tests.trees import make_tree
from tests.unit.integrity.verify_site import fake_look_inside
from tests.unit.update.samples import FITS, candidate, facts, file_of, link, plan_one, stored, want
from tukit_sysext import cli, entry
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.rules.image_names import read_image_name
from tukit_sysext.rules.names import check_component, handle, published_name, shown_version
from tukit_sysext.store.image_store import ImageFile, Stored
from tukit_sysext.system.time_limit import time_limit
from tukit_sysext.update.plan import Action, ImagePlan

pytestmark = pytest.mark.usefixtures("hook_process")

FILE = "gdb-1.0.x86-64.raw"
DIGITS = "0123456789abcdef"
HASH = DIGITS * 4
NEW = sha256(b"rebuilt")
HAVE: dict[str, Any] = {"store": [stored("1")], "entries": [link("1")]}
REBUILT = candidate("1", sha256=NEW)
OFFERED: dict[str, Any] = {"offers": {REBUILT: FITS}}


class TestName:
    """The name of the second content is a handle: no reader finds a version or an image in it."""

    NAMES = (
        FILE,
        "gdb-1.0-x86-64.raw",
        "gdb_1.0_x86-64.raw",
        "gdb-1.0.raw",
        "debug-tools-6.12.0-160000.5.x86-64.sysext.raw",
        "kubernetes-v1.31.5-44-x86-64.raw",
    )

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("whole", [False, True])
    def test_ours(self, name: str, whole: bool) -> None:
        made = handle(name, HASH, whole=whole)
        assert made == f"{name}.{HASH if whole else DIGITS}"
        assert check_component(made) == made
        assert published_name(made) == name
        assert read_image_name(made) is None, "a list has no image of this name"

    @pytest.mark.parametrize("name", NAMES)
    def test_without_its_record_it_is_the_published_image(self, name: str) -> None:
        hint = read_image_name(name)
        assert hint is not None
        image = ImageFile(file_name=handle(name, HASH))
        assert (image.name, image.version, image.shown) == (hint.name, hint.version, f"{hint.version} (012345…)")

    def test_what_only_looks_like_one(self) -> None:
        for name in (FILE, f"{FILE}.0123", f"{FILE}.{DIGITS.upper()}", f"gdb.{DIGITS}"):
            assert published_name(name) == name
            assert shown_version("1.0", name) == "1.0"

    @pytest.mark.history
    @pytest.mark.parametrize("name", NAMES)
    def test_former_code(self, name: str, tmp_path: Path) -> None:
        """The code of a447a06: nothing is read out of it, neither a version nor a name; its record says both."""
        source = code.take("a447a06", tmp_path / "code") / "tukit_sysext/rules/names.py"
        former = ModuleType("former")
        former.__dict__["__name__"] = "tukit_sysext.rules.former_names"
        import sys

        sys.modules["tukit_sysext.rules.former_names"] = former
        exec(compile(source.read_text(), str(source), "exec"), former.__dict__)  # noqa: S102  # our own
        made = handle(name, HASH)
        assert former.check_component(made) == made
        assert former.parse_image_name(made) is None

    @pytest.mark.parametrize("name", NAMES)
    def test_sysextmgr(self, name: str) -> None:
        """What ends in neither .raw nor .img is no image to it, in a list, the store, or behind a link."""
        assert not handle(name, HASH).endswith((".raw", ".img"))


def plan(given: Any = None, **keys: Any) -> ImagePlan:
    return plan_one(given or facts(want(), **keys))


def with_both(version: str = "1") -> tuple[Stored, Stored]:
    """The old content under the published name, the new one under a handle."""
    old = stored(version)
    assert old.record is not None
    name = handle(old.file_name, NEW)
    return old, replace(old, file_name=name, record=replace(old.record, file_name=name, sha256=NEW))


def test_a_transaction_takes_it() -> None:
    image = plan(**OFFERED, **HAVE)
    assert image.chosen is not None
    assert (image.action, image.chosen.file_name) == (Action.FETCH, handle(file_of("gdb", "1"), NEW))
    assert image.changes_content
    there = plan(offers={REBUILT: FITS}, store=with_both(), entries=[link("1")])
    assert (there.action, there.link) == (Action.LINK, "gdb.raw")


def test_outside_one_it_is_taken_when_it_is_named_alone() -> None:
    image = plan(**OFFERED, **HAVE, rebuilt=False)
    assert image.action is Action.KEEP
    assert image.warnings == ("source local has another content of 1 now: tukit-sysext update gdb takes it",)


def test_a_hold_keeps_the_content_and_a_block_blocks_all() -> None:
    held = plan(facts(want(hold="1"), **OFFERED, **HAVE))
    assert (held.action, held.warnings, held.chosen and held.chosen.sha256) == (
        Action.KEEP,
        (),
        sha256(b"gdb 1"),
    )
    blocked = plan(facts(want(blocked=("1",)), offers={REBUILT: FITS}, store=with_both(), entries=[link("1")]))
    assert (blocked.action, blocked.remove) == (Action.LEAVE_OUT, ("gdb.raw",))


def test_the_content_of_another_source_is_no_update() -> None:
    both: dict[str, Any] = {"sources": ("local", "other")}
    other = {candidate("1", sha256=NEW, source="other"): FITS}
    assert plan(offers=other, **HAVE, **both).action is Action.KEEP
    assert plan(facts(want(sources=("local", "other")), offers=other, **HAVE, **both)).action is Action.KEEP


def test_it_is_found_again_when_the_first_content_is_gone() -> None:
    _, new = with_both()
    entry_of_new = replace(link("1"), image=new.file_name)
    image = plan(offers={REBUILT: FITS}, store=[new], entries=[entry_of_new])
    assert (image.action, image.chosen and image.chosen.file_name) == (Action.KEEP, new.file_name)


def test_a_name_never_has_two_contents() -> None:
    """A third content whose hash begins as that of the second: its name has all digits."""
    third = f"{NEW[:16]}{'0' * 48}"
    image = plan(offers={candidate("1", sha256=third): FITS}, store=with_both(), entries=[link("1")])
    assert image.chosen is not None
    assert image.chosen.file_name == handle(file_of("gdb", "1"), third, whole=True)


@pytest.fixture
def rebuilt_gdb(linked_gdb: PlainMachine, monkeypatch: pytest.MonkeyPatch) -> PlainMachine:
    """The source has another content of gdb 1.0 now."""
    fake_look_inside(monkeypatch, level=OLD)
    linked_gdb.want("gdb")
    linked_gdb.publish("gdb", "1.0", content=b"rebuilt")
    return linked_gdb


REBUILT_FILE = handle(FILE, NEW)
SHOWN = f"1.0 ({NEW[:6]}…)"


def link_of(root: Path) -> str:
    return os.readlink(root / "etc/extensions/gdb.raw").rpartition("/")[2]


def shown(site: PlainMachine, capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    capsys.readouterr()
    assert cli.main([*arguments], machine=site.machine) == status
    return " ".join(capsys.readouterr().out.split())


def test_the_store_keeps_both(rebuilt_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    rebuilt_gdb.transact(7, {"gdb": "1.0"})
    assert capsys.readouterr().out == f"gdb: 1.0 -> {SHOWN}, from source main\n"
    assert sorted(os.listdir(rebuilt_gdb.layout.store)) == [FILE, REBUILT_FILE]
    assert (link_of(rebuilt_gdb.tree(1)), link_of(rebuilt_gdb.tree(7))) == (FILE, REBUILT_FILE)
    record = json.loads((rebuilt_gdb.layout.records / f"{REBUILT_FILE}.json").read_text())
    assert (record["version"], record["url"]) == ("1.0", str(rebuilt_gdb.source / FILE))


SCREENS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "list": (("list", "--all"), SHOWN),
    "list of the snapshot": (("list", "--snapshot", "7"), SHOWN),
    "status": (("status",), SHOWN),
    "snapshots": (("snapshots",), SHOWN),
    "diff": (("diff", "1", "7"), f"gdb 1.0 {SHOWN} another file of the same version"),
    "why": (("why", "gdb"), REBUILT_FILE),
    "history": (("history",), f"1.0 -> {SHOWN}"),
    "history of the image": (("history", "gdb"), SHOWN),
    "why-not": (("why-not", "--snapshot", "7", "gdb"), SHOWN),
    "check": (("check", "--snapshot", "7"), SHOWN),
    "verify": (("verify", "--all"), SHOWN),
    "gc": (("gc", "--dry-run"), REBUILT_FILE),
}


@pytest.mark.parametrize(("arguments", "words"), SCREENS.values(), ids=SCREENS)
def test_every_screen_tells_them_apart(
    rebuilt_gdb: PlainMachine, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    rebuilt_gdb.transact(7, {"gdb": "1.0"})
    assert words in shown(rebuilt_gdb, capsys, *arguments)


DOCUMENTS = (
    ("list", "--all"), ("list", "--snapshot", "7"), ("status",), ("snapshots",), ("diff", "1", "7"), ("history", "gdb"),
    ("why", "gdb"), ("why-not", "--snapshot", "7", "gdb"), ("check", "--snapshot", "7"), ("verify", "--all"),
    ("gc", "--dry-run"),
)  # fmt: skip


def values(document: Any, key: str) -> Iterator[Any]:
    """What a document has under a key, wherever."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from [value] if name.endswith(key) else values(value, key)
    elif isinstance(document, list):
        for each in document:
            yield from values(each, key)


@pytest.mark.parametrize("arguments", DOCUMENTS, ids=" ".join)
def test_every_document_tells_them_apart(
    rebuilt_gdb: PlainMachine, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """As a person reads it; whoever compares contents has the hash where it is known."""
    rebuilt_gdb.transact(7, {"gdb": "1.0"})
    document = json.loads(shown(rebuilt_gdb, capsys, *arguments, "--json"))
    told = {text for key in ("shown", "shown_installed", "shown_taken") for text in values(document, key)}
    assert SHOWN in told
    if (
        arguments[0] in ("list", "status", "snapshots", "why", "why-not", "check", "gc")
        and "--snapshot" not in arguments
    ):
        assert NEW in set(values(document, "sha256"))


def test_what_is_lost_or_to_be_repaired_is_told_apart(
    rebuilt_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["update", "gdb"], machine=rebuilt_gdb.machine) == 0
    (rebuilt_gdb.layout.store / REBUILT_FILE).write_bytes(b"rotten")
    (rebuilt_gdb.layout.store / FILE).unlink()
    for path in rebuilt_gdb.source.iterdir():
        path.unlink()
    capsys.readouterr()
    assert cli.main(["verify", "--repair"], machine=rebuilt_gdb.machine) == 1
    assert f"gdb {SHOWN}" in capsys.readouterr().out
    assert f"gdb {SHOWN} damaged" in shown(rebuilt_gdb, capsys, "status")
    (need,) = json.loads(shown(rebuilt_gdb, capsys, "status", "--json"))["repair"]
    assert (need["version"], need["shown"]) == ("1.0", SHOWN)


def test_update_takes_it_when_the_image_is_named(rebuilt_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["update"], machine=rebuilt_gdb.machine) == 0
    assert link_of(rebuilt_gdb.root) == FILE
    assert "tukit-sysext update gdb takes it" in "".join(capsys.readouterr())
    would = json.loads(shown(rebuilt_gdb, capsys, "update", "--dry-run", "--json", "gdb"))
    assert [*values(would, "shown_before"), *values(would, "shown")] == ["1.0", SHOWN]
    assert f"gdb: 1.0 -> {SHOWN}, from source main" in shown(rebuilt_gdb, capsys, "update", "gdb")
    assert link_of(rebuilt_gdb.root) == REBUILT_FILE


def test_an_image_of_unknown_origin_is_in_nobodys_way(rebuilt_gdb: PlainMachine) -> None:
    """P0: nothing speaks against the published one, which stands beside it; it stays as it is."""
    (rebuilt_gdb.layout.records / f"{FILE}.json").unlink()
    before = (rebuilt_gdb.layout.store / FILE).read_bytes()
    rebuilt_gdb.snapshot_with(7, {}, default=True)
    make_tree(rebuilt_gdb.tree(7), {"etc/extensions": None})
    for part in ("images.d/gdb.conf", "sources.d/main.conf"):
        make_tree(
            rebuilt_gdb.tree(7),
            {f"etc/tukit-sysext/{part}": (rebuilt_gdb.root / "etc/tukit-sysext" / part).read_text()},
        )
    assert entry.main(["tukit", "finalize-pre", str(rebuilt_gdb.tree(7)), "7"], machine=rebuilt_gdb.machine) == 0
    assert link_of(rebuilt_gdb.tree(7)) == REBUILT_FILE
    assert (rebuilt_gdb.layout.store / FILE).read_bytes() == before
    assert not (rebuilt_gdb.layout.records / f"{FILE}.json").exists()


def test_images_of_unknown_origin_that_have_both_names_are_no_reason_to_try_for_ever(
    rebuilt_gdb: PlainMachine,
) -> None:
    """As where all records are lost, and what stands under the second name is damaged."""
    (rebuilt_gdb.layout.records / f"{FILE}.json").unlink()
    (rebuilt_gdb.layout.store / REBUILT_FILE).write_bytes(b"rebuilt, and damaged")
    rebuilt_gdb.snapshot_with(7, {}, default=True)
    make_tree(rebuilt_gdb.tree(7), {"etc/extensions": None})
    for part in ("images.d/gdb.conf", "sources.d/main.conf"):
        text = (rebuilt_gdb.root / "etc/tukit-sysext" / part).read_text()
        make_tree(rebuilt_gdb.tree(7), {f"etc/tukit-sysext/{part}": text})
    with time_limit(20):
        status = entry.main(["tukit", "finalize-pre", str(rebuilt_gdb.tree(7)), "7"], machine=rebuilt_gdb.machine)
    assert status == ExitStatus.REFUSED
    assert (rebuilt_gdb.layout.store / REBUILT_FILE).read_bytes() == b"rebuilt, and damaged"


def test_what_is_linked_and_of_unknown_origin_is_not_fetched_again(rebuilt_gdb: PlainMachine) -> None:
    """It serves, nothing is known against it: nothing comes that would stand beside it unused."""
    (rebuilt_gdb.layout.records / f"{FILE}.json").unlink()
    rebuilt_gdb.transact(7, {"gdb": "1.0"})
    assert link_of(rebuilt_gdb.tree(7)) == FILE
    assert os.listdir(rebuilt_gdb.layout.store) == [FILE]


def test_a_repair_asks_for_the_published_name(rebuilt_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["update", "gdb"], machine=rebuilt_gdb.machine) == 0
    (rebuilt_gdb.layout.store / REBUILT_FILE).unlink()
    (rebuilt_gdb.source / "SHA256SUMS").unlink()  # by the recorded hash alone
    capsys.readouterr()
    assert cli.main(["verify", "--repair"], machine=rebuilt_gdb.machine) == 0
    assert (rebuilt_gdb.layout.store / REBUILT_FILE).read_bytes() == b"rebuilt"
    assert (rebuilt_gdb.layout.store / FILE).read_bytes() != b"rebuilt"
