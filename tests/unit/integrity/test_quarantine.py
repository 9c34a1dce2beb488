# SPDX-License-Identifier: LGPL-2.1-or-later
"""Quarantine before the merge: what is moved, what comes back, and what a kill leaves behind."""

from __future__ import annotations

import errno
import json
import os

import pytest

from tests.records import publish, record, sha256
from tests.trees import Content, Link, listing, make_tree
from tests.unit.integrity.verify_site import LEVEL, VerifySite, file_of, flip
from tukit_sysext import cli
from tukit_sysext.integrity import quarantine_folder
from tukit_sysext.integrity.quarantine import Move, MoveOutcome, isolate, unsure
from tukit_sysext.integrity.repair import repair
from tukit_sysext.layout import EXTENSIONS, QUARANTINE, SHARED_EXTENSIONS, STORE, quarantine_of
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.rules.names import handle, shown_version
from tukit_sysext.store.image_store import Condition
from tukit_sysext.system.syscalls import rename_new
from tukit_sysext.system.tree import Tree

FOLDERS = (EXTENSIONS, *SHARED_EXTENSIONS)


@pytest.fixture
def good_image(verify_site: VerifySite) -> VerifySite:
    site = verify_site
    site.store_image("9", "good")
    make_tree(site.root, {"etc/tukit-sysext/images.d/good.conf": "[Image]\n"})
    site.link("9", "good")
    return site


def boot(site: VerifySite) -> list[tuple[str, MoveOutcome]]:
    """What happens before the merge."""
    assessment = site.assess(full=False)
    assert unsure(site.machine, assessment) == ""
    return [(move.link, move.outcome) for move in isolate(site.machine, assessment)]


def linked(site: VerifySite) -> list[str]:
    return sorted(os.listdir(site.root / "etc/extensions"))


def quarantined(site: VerifySite) -> dict[str, str]:
    """Links in quarantine with their targets; every one has its reason."""
    folder = site.root / QUARANTINE
    if not folder.is_dir():
        return {}
    names = set(os.listdir(folder))
    links = {name: os.readlink(folder / name) for name in names if not name.endswith(".reason")}
    assert names == {*links, *(f"{name}.reason" for name in links)}
    return links


def rebuilt(site: VerifySite) -> str:
    """Another content of version 1, with its handle in the store."""
    content = b"gdb 1, built anew"
    wanted = record(
        content,
        handle(file_of("1"), sha256(content)),
        name="gdb",
        version="1",
        merge_name="gdb",
        release={"ID": "opensuse-microos", "SYSEXT_LEVEL": LEVEL},
    )
    publish(site.machine.store(), content, wanted)
    return wanted.file_name


def test_which_of_two_contents_of_a_version_came_back_is_told(verify_site: VerifySite) -> None:
    name = rebuilt(verify_site)
    make_tree(verify_site.root, {f"{QUARANTINE}/gdb.raw": Link(f"{STORE}/{name}")})
    (move,) = isolate(verify_site.machine, verify_site.assess(full=False))
    assert f"gdb {shown_version('1', name)} is good and fits" in move.text
    assert shown_version("1", name) != "1"


def gone(site: VerifySite) -> None:
    site.store_image("1").unlink()
    site.link("1")


def damaged(site: VerifySite) -> None:
    flip(site.store_image("1"))
    site.link("1")


def unfitting(site: VerifySite) -> None:
    site.store_image("1", level="glibc-2.43")
    site.link("1")


def error_page(site: VerifySite) -> None:
    site.store_image("1").write_bytes(b"<html>")
    site.machine.store().records.remove(file_of("1"))
    site.link("1")


def wrongly_named(site: VerifySite) -> None:
    site.store_image("1").write_bytes(b"gdb 1 as other")
    site.machine.store().records.remove(file_of("1"))
    site.link("1")


@pytest.mark.parametrize("fault", [gone, damaged, unfitting, error_page, wrongly_named])
def test_what_is_bad_goes_and_what_is_good_stays(good_image: VerifySite, fault: object) -> None:
    """C14."""
    assert callable(fault)
    fault(good_image)
    assert boot(good_image) == [("gdb.raw", MoveOutcome.TAKEN)]
    assert linked(good_image) == ["good.raw"]
    assert quarantined(good_image) == {"gdb.raw": f"{STORE}/{file_of('1')}"}
    reason = json.loads((good_image.root / QUARANTINE / "gdb.raw.reason").read_text())
    assert reason["target"] == f"{STORE}/{file_of('1')}"
    assert reason["link"] == "gdb.raw"
    assert reason["reason"] and reason["since"].endswith("Z")
    assert boot(good_image) == [], "doing it twice changes nothing"


def test_it_comes_back_when_it_is_whole(good_image: VerifySite) -> None:
    path = good_image.store_image("1")
    good_image.link("1")
    before = listing(good_image.root / "etc")
    path.rename(good_image.root / "away")
    boot(good_image)
    (good_image.root / "away").rename(path)
    assert boot(good_image) == [("gdb.raw", MoveOutcome.BACK)]
    assert linked(good_image) == ["gdb.raw", "good.raw"]
    assert quarantined(good_image) == {}
    os.rmdir(good_image.root / QUARANTINE)
    assert listing(good_image.root / "etc") == before


def test_repair_mends_what_is_in_quarantine(good_image: VerifySite) -> None:
    gone(good_image)
    boot(good_image)
    good_image.offer("1")
    assessment = good_image.assess()
    (done,) = repair(good_image.machine, Plugins(), assessment.subject, assessment.wrong)
    assert done.text == "repaired from source local"
    assert boot(good_image) == [("gdb.raw", MoveOutcome.BACK)]


def test_what_was_replaced_meanwhile_leaves_quarantine(good_image: VerifySite) -> None:
    gone(good_image)
    boot(good_image)
    good_image.offer("2")
    assessment = good_image.assess()
    (done,) = repair(good_image.machine, Plugins(), assessment.subject, assessment.wrong)
    assert done.text.startswith("replaced by 2")
    assert boot(good_image) == [("gdb.raw", MoveOutcome.DROPPED)]
    assert quarantined(good_image) == {}
    assert os.readlink(good_image.root / "etc/extensions/gdb.raw").endswith(file_of("2"))


def test_two_of_one_name(good_image: VerifySite) -> None:
    """A link that came back to life, as transactional-update's copying of /etc can do it."""
    gone(good_image)
    boot(good_image)
    good_image.store_image("2").unlink()
    good_image.link("2")
    assert boot(good_image) == [("gdb.raw", MoveOutcome.TAKEN)]
    assert quarantined(good_image) == {"gdb.raw": f"{STORE}/{file_of('1')}", "gdb.raw.2": f"{STORE}/{file_of('2')}"}
    good_image.store_image("2")
    assert boot(good_image) == [("gdb.raw", MoveOutcome.BACK), ("gdb.raw", MoveOutcome.DROPPED)]
    assert os.readlink(good_image.root / "etc/extensions/gdb.raw").endswith(file_of("2"))


def test_the_newest_comes_back(good_image: VerifySite) -> None:
    """An update made a link anew while the old one was in quarantine, and was taken too; then both are repaired."""
    gone(good_image)
    boot(good_image)
    good_image.store_image("2").unlink()
    good_image.link("2")
    boot(good_image)
    good_image.store_image("1")
    good_image.store_image("2")
    assert boot(good_image) == [("gdb.raw", MoveOutcome.BACK), ("gdb.raw", MoveOutcome.DROPPED)]
    assert os.readlink(good_image.root / "etc/extensions/gdb.raw").endswith(file_of("2"))
    assert quarantined(good_image) == {}


def test_what_an_update_replaced_needs_no_repair(good_image: VerifySite) -> None:
    """A new snapshot inherits the quarantine of the old one, and has the image anew."""
    gone(good_image)
    boot(good_image)
    good_image.store_image("2")
    good_image.link("2")
    assessment = good_image.assess()
    obsolete = [finding.obsolete for finding in assessment.findings if finding.quarantined]
    assert obsolete == ["gdb has a good link meanwhile"]
    assert assessment.wrong == ()
    assert boot(good_image) == [("gdb.raw", MoveOutcome.DROPPED)]


def test_what_was_removed_does_not_come_back(good_image: VerifySite) -> None:
    gone(good_image)
    boot(good_image)
    (good_image.root / "etc/tukit-sysext/images.d/gdb.conf").write_text("[Image]\nState=removed\n")
    good_image.store_image("1")
    assert boot(good_image) == [("gdb.raw", MoveOutcome.DROPPED)]
    assert linked(good_image) == ["good.raw"]


def test_an_image_that_cannot_be_read_stays(good_image: VerifySite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Denied by a policy, or no memory: nobody knows what is in it, which is no reason to keep it out."""
    path = good_image.store_image("1")
    good_image.link("1")
    os.utime(path)

    def failing(*_: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tukit_sysext.store.image_store.hash_of", failing)
    assert good_image.assess(full=False).findings[0].condition is Condition.UNKNOWN
    assert boot(good_image) == []


def test_two_at_once(good_image: VerifySite) -> None:
    """Both saw the same, and one of them was quicker."""
    gone(good_image)
    seen = good_image.assess()
    assert [move.outcome for move in isolate(good_image.machine, seen)] == [MoveOutcome.TAKEN]
    assert isolate(good_image.machine, seen) == ()
    assert list(quarantined(good_image)) == ["gdb.raw"]
    good_image.store_image("1")
    seen = good_image.assess()
    assert [move.outcome for move in isolate(good_image.machine, seen)] == [MoveOutcome.BACK]
    assert isolate(good_image.machine, seen) == ()


def test_a_name_that_is_taken_is_never_written_over(good_image: VerifySite) -> None:
    gone(good_image)
    boot(good_image)
    make_tree(good_image.root, {"etc/extensions/gdb.raw": "gdb 7"})
    good_image.store_image("1")
    assert boot(good_image) == []
    assert (good_image.root / "etc/extensions/gdb.raw").read_text() == "gdb 7"
    assert list(quarantined(good_image)) == ["gdb.raw"]


@pytest.mark.parametrize(("content", "taken"), [("<html>", True), ("x 1 as y", True), ("x 1", False), (None, False)])
def test_of_others_only_what_spoils_the_merge(good_image: VerifySite, content: str | None, taken: bool) -> None:
    make_tree(good_image.root, {"etc/extensions/x.raw": Link("/srv/x.raw")})
    if content is not None:
        make_tree(good_image.root, {"srv/x.raw": content})
    assert boot(good_image) == ([("x.raw", MoveOutcome.TAKEN)] if taken else [])
    assert linked(good_image) == (["good.raw"] if taken else ["good.raw", "x.raw"])


@pytest.mark.parametrize(("content", "taken"), [(b"<html>", True), (b"gdb rotten", False)])
def test_of_others_images_of_the_store_too(good_image: VerifySite, content: bytes, taken: bool) -> None:
    """Damaged, but nobody wants it: what systemd-sysext can read is not ours to move."""
    (good_image.root / "etc/tukit-sysext/images.d/gdb.conf").unlink()
    good_image.store_image("1").write_bytes(content)
    good_image.link("1")
    assert boot(good_image) == ([("gdb.raw", MoveOutcome.TAKEN)] if taken else [])


@pytest.mark.parametrize("name", ["x", "x.raw", "x" * 251 + ".raw"])
def test_links_on_which_the_discovery_of_images_fails(good_image: VerifySite, name: str) -> None:
    """C14: it follows every entry, whatever its name, and ends at a loop, or at a file that is none of folders."""
    for target in (name, "/etc/os-release/x", "/" + "x" * 300):
        make_tree(good_image.root, {f"etc/extensions/{name}": Link(target)})
        assert boot(good_image) == [(name, MoveOutcome.TAKEN)]
        assert linked(good_image) == ["good.raw"]
        assert good_image.assess().wrong == (), "out of the way, and not ours"


@pytest.mark.parametrize(("content", "taken"), [(b"<html>", True), (b"gdb 1", False)])
def test_others_files_of_the_store_that_we_do_not_use(good_image: VerifySite, content: bytes, taken: bool) -> None:
    """Writable for all: systemd-sysext reads it all the same."""
    (good_image.layout.store / "a b.raw").write_bytes(content)
    make_tree(good_image.root, {"etc/extensions/x.raw": Link(f"{STORE}/a b.raw")})
    assert boot(good_image) == ([("x.raw", MoveOutcome.TAKEN)] if taken else [])


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_no_merge_fails_on_is_never_moved(good_image: VerifySite, folder: str) -> None:
    make_tree(good_image.root, {f"{folder}/x.img": "<html>", f"{folder}/y": None, f"{folder}/z.raw": Link("/nowhere")})
    os.mkfifo(good_image.root / folder / "fifo.raw")
    assert boot(good_image) == []


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("kind", ["file", "link", "circle"])
def test_whatever_the_merge_fails_on_goes_and_comes_back(good_image: VerifySite, folder: str, kind: str) -> None:
    """C14: a file as well as a link, in each folder that systemd-sysext looks into."""
    bad: dict[str, Content] = {"file": "<html>", "link": Link("/srv/x.raw"), "circle": Link("x.raw")}
    make_tree(good_image.root, {f"{folder}/x.raw": bad[kind], "srv/x.raw": "<html>"})
    shown = "x.raw" if folder == EXTENSIONS else f"/{folder}/x.raw"
    before = listing(good_image.root / folder)

    assert boot(good_image) == [(shown, MoveOutcome.TAKEN)]

    assert not os.path.lexists(good_image.root / folder / "x.raw")
    quarantine = good_image.root / quarantine_of(folder)
    assert sorted(os.listdir(quarantine)) == ["x.raw", "x.raw.reason"]
    assert good_image.assess().wrong == ()
    assert boot(good_image) == [], "doing it twice changes nothing"
    if kind == "circle":
        return
    (quarantine / "x.raw" if kind == "file" else good_image.root / "srv/x.raw").write_text("x 1")
    assert boot(good_image) == [(shown, MoveOutcome.BACK)]
    assert os.listdir(quarantine) == []
    os.rmdir(quarantine)
    assert listing(good_image.root / folder).keys() == before.keys()


def test_what_a_stronger_folder_has_is_not_looked_at(good_image: VerifySite) -> None:
    """systemd-sysext takes the first of a name."""
    make_tree(
        good_image.root,
        {"var/lib/extensions/good.raw": "<html>", "run/extensions/x.raw": "x 1", "var/lib/extensions/x.raw": "<html>"},
    )
    assert boot(good_image) == []
    hidden = {
        each.entry.shown: each.reason for each in good_image.assess().findings if "takes its place" in each.reason
    }
    assert hidden == {
        "/var/lib/extensions/good.raw": "good.raw takes its place",
        "/var/lib/extensions/x.raw": "/run/extensions/x.raw takes its place",
    }
    (good_image.root / "etc/extensions/good.raw").unlink()
    (good_image.root / "run/extensions/x.raw").unlink()
    assert boot(good_image) == [
        ("/var/lib/extensions/good.raw", MoveOutcome.TAKEN),
        ("/var/lib/extensions/x.raw", MoveOutcome.TAKEN),
    ]


def test_what_comes_up_when_another_one_was_moved(good_image: VerifySite, capsys: pytest.CaptureFixture[str]) -> None:
    gone(good_image)
    make_tree(good_image.root, {"run/extensions/gdb.raw": "<html>", "var/lib/extensions/gdb.raw": "<html>"})
    cli.main(["verify", "--boot"], machine=good_image.machine)
    moved = [line.partition(": quarantined")[0] for line in capsys.readouterr().out.splitlines()]
    assert moved == ["gdb.raw", "/run/extensions/gdb.raw", "/var/lib/extensions/gdb.raw"]


def test_an_image_of_the_store_that_is_not_ours_there_goes_where_it_blocks_alone(good_image: VerifySite) -> None:
    """Wanted, but linked where nothing of ours is."""
    path = good_image.store_image("1")
    make_tree(good_image.root, {"var/lib/extensions/gdb.raw": Link(f"{STORE}/{file_of('1')}")})
    path.unlink()
    assert boot(good_image) == [], "what is missing is left out of the merge"
    path.write_bytes(b"<html>")
    assert boot(good_image) == [("/var/lib/extensions/gdb.raw", MoveOutcome.TAKEN)]


def test_of_another_tree_only_its_own_folder_counts(good_image: VerifySite) -> None:
    make_tree(good_image.wanting_snapshot(7), {"var/lib/extensions/x.raw": "<html>", "run/extensions/y.raw": "<html>"})
    assert good_image.assess(7).findings == ()


def test_nothing_is_moved_on_an_overlay_of_configuration_extensions(good_image: VerifySite) -> None:
    gone(good_image)
    (good_image.root / "etc/.systemd-confext").mkdir()
    (move,) = isolate(good_image.machine, good_image.assess())
    assert move.outcome is MoveOutcome.FAILED
    assert "configuration extensions are merged into it" in move.text and "systemd-confext unmerge" in move.next_step
    assert linked(good_image) == ["gdb.raw", "good.raw"]


@pytest.mark.parametrize("what", ["os-release", "store", "empty store", "extensions"])
def test_what_is_not_known_moves_nothing(good_image: VerifySite, what: str) -> None:
    gone(good_image)
    store = good_image.layout.store
    if what == "os-release":
        (good_image.root / "etc/os-release").unlink()
    elif what == "store":
        store.rename(good_image.root / "elsewhere")
    elif what == "empty store":
        # another file system belongs there, whose records are not there either
        for path in (*store.iterdir(), *good_image.layout.records.iterdir()):
            path.unlink()
    else:
        (good_image.root / "etc/extensions").rename(good_image.root / "elsewhere")
        (good_image.root / "etc/extensions").symlink_to("/elsewhere")
    assert unsure(good_image.machine, good_image.assess())


def test_an_image_that_is_gone_was_the_only_one(good_image: VerifySite) -> None:
    """The store is empty, but what is recorded beside it shows that it is the right one."""
    gone(good_image)
    for path in good_image.layout.store.iterdir():
        path.unlink()
    assert boot(good_image) == [("gdb.raw", MoveOutcome.TAKEN), ("good.raw", MoveOutcome.TAKEN)]


def test_a_quarantine_that_leads_out_of_the_tree(good_image: VerifySite) -> None:
    """L4."""
    gone(good_image)
    make_tree(good_image.root, {"elsewhere": None, QUARANTINE: Link("/elsewhere")})
    assert unsure(good_image.machine, good_image.assess())
    assert os.listdir(good_image.root / "elsewhere") == []


class Killed(BaseException):
    """Stands in for SIGKILL: nothing of ours catches it."""


@pytest.mark.parametrize("step", range(1, 12))
def test_killed_at_any_step(good_image: VerifySite, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """L12: the link is in one of both places all the time, and the next run completes."""
    gone(good_image)
    count = 0

    def dying(real: object) -> object:
        def call(*arguments: object, **keys: object) -> object:
            nonlocal count
            count += 1
            if count == step:
                raise Killed
            assert callable(real)
            return real(*arguments, **keys)

        return call

    moves: list[Move] = []
    with monkeypatch.context() as patched:
        for name in ("open", "rename", "unlink", "fsync", "mkdir"):
            patched.setattr(f"tukit_sysext.integrity.quarantine_folder.os.{name}", dying(getattr(os, name)))
        patched.setattr("tukit_sysext.integrity.quarantine_folder.rename_new", dying(rename_new))
        try:
            with Tree(good_image.root) as tree:
                count = 0
                entry = next(finding.entry for finding in good_image.assess().findings if finding.name == "gdb")
                count = 0
                quarantine_folder.Quarantine(tree).take(entry, "missing", "2026-11-01T10:00:00Z")
        except Killed:
            pass
    places = [
        path
        for path in (good_image.root / "etc/extensions/gdb.raw", good_image.root / QUARANTINE / "gdb.raw")
        if path.is_symlink()
    ]
    assert len(places) == 1
    moves += isolate(good_image.machine, good_image.assess())
    assert linked(good_image) == ["good.raw"]
    assert quarantined(good_image) == {"gdb.raw": f"{STORE}/{file_of('1')}"}
    good_image.store_image("1")
    isolate(good_image.machine, good_image.assess())
    assert linked(good_image) == ["gdb.raw", "good.raw"]
    assert quarantined(good_image) == {}
