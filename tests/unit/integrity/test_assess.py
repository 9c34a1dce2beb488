# SPDX-License-Identifier: LGPL-2.1-or-later
"""Verifying trees: what every kind of entry is called, and what is left alone."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from tests.trees import Link, listing, make_tree
from tests.unit.integrity.verify_site import VerifySite, file_of, flip, rot
from tests.unit.requirements.grounds import PlainPackages
from tukit_sysext.errors import StoreError
from tukit_sysext.integrity.assess import assess, subjects
from tukit_sysext.layout import STORE
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.requirements.contents import Contents, ImageFolder, pack
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.snapshots import snapper
from tukit_sysext.store.examine import Examiner
from tukit_sysext.store.image_store import Condition
from tukit_sysext.system.tree_ground import TreeGround


def test_a_good_image_is_whole(verify_site: VerifySite) -> None:
    verify_site.store_image("1")
    verify_site.link("1")
    finding = verify_site.finding()
    assert (finding.condition, finding.name, finding.version, finding.ours, finding.wrong) == (
        Condition.WHOLE,
        "gdb",
        "1",
        True,
        False,
    )


def test_an_image_that_is_gone_is_missing(verify_site: VerifySite) -> None:
    verify_site.store_image("1").unlink()
    verify_site.link("1")
    finding = verify_site.finding()
    assert (finding.condition, finding.wrong, finding.content_lost) == (Condition.MISSING, True, True)


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("fault", ["truncated", "a bit", "longer"])
def test_damage_is_seen_by_both_checks(verify_site: VerifySite, fault: str, full: bool) -> None:
    path = verify_site.store_image("1")
    verify_site.link("1")
    if fault == "a bit":
        flip(path)
    else:
        path.write_bytes(path.read_bytes()[:2] if fault == "truncated" else path.read_bytes() + b"more")
    finding = verify_site.finding(full=full)
    assert (finding.condition, finding.wrong) == (Condition.DAMAGED, True)
    assert "recorded is" in finding.reason


def test_rot_that_no_time_tells_is_seen_by_the_hash_and_then_by_everybody(verify_site: VerifySite) -> None:
    """L9."""
    path = verify_site.store_image("1")
    verify_site.link("1")
    rot(verify_site, path)
    assert verify_site.finding(full=False).condition is Condition.WHOLE, "the cheap check cannot see it"
    assert verify_site.finding(full=True).condition is Condition.DAMAGED
    assert verify_site.finding(full=False).condition is Condition.DAMAGED
    assert verify_site.machine.store().look(path.name).condition is Condition.DAMAGED
    assert path.exists(), "an image that is referenced is never deleted for damage"


def test_blocks_that_cannot_be_read_are_damage(verify_site: VerifySite, monkeypatch: pytest.MonkeyPatch) -> None:
    verify_site.store_image("1")
    verify_site.link("1")

    def failing(_: int) -> str:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("tukit_sysext.store.examine.hash_of", failing)
    monkeypatch.setattr("tukit_sysext.store.image_store.hash_of", failing)
    assert verify_site.finding().condition is Condition.DAMAGED
    assert verify_site.finding(full=False).condition is Condition.DAMAGED


def test_each_image_is_read_once(verify_site: VerifySite, monkeypatch: pytest.MonkeyPatch) -> None:
    verify_site.store_image("1")
    verify_site.link("1")
    verify_site.link("1", as_name="gdb-too")
    hashed: list[int] = []

    def counted(descriptor: int) -> str:
        hashed.append(descriptor)
        return "0" * 64

    monkeypatch.setattr("tukit_sysext.store.examine.hash_of", counted)
    assert {finding.condition for finding in verify_site.assess().findings} == {Condition.DAMAGED}
    assert len(hashed) == 1


def test_what_does_not_fit_the_tree(verify_site: VerifySite) -> None:
    verify_site.store_image("1", level="glibc-2.43")
    verify_site.link("1")
    finding = verify_site.finding()
    assert (finding.condition, finding.wrong, finding.blocks) == (Condition.DOES_NOT_FIT, True, False)
    assert "glibc-2.43" in finding.reason


def test_each_tree_is_held_against_its_own_system(verify_site: VerifySite) -> None:
    verify_site.store_image("1")
    root = verify_site.wanting_snapshot(7)
    (root / "etc/os-release").write_text("ID=opensuse-microos\nSYSEXT_LEVEL=glibc-2.43\n")
    verify_site.link("1", root=root)
    assert verify_site.finding(7).condition is Condition.DOES_NOT_FIT


def test_a_link_under_a_wrong_name_blocks_the_merge(verify_site: VerifySite) -> None:
    verify_site.store_image("1")
    path = verify_site.layout.store / file_of("1")
    path.write_bytes(b"gdb 1 as gdb")
    verify_site.machine.store().records.remove(path.name)
    verify_site.link("1", as_name="other")
    finding = verify_site.finding()
    assert (finding.condition, finding.blocks, finding.wrong) == (Condition.WRONGLY_NAMED, True, True)


def test_a_link_without_its_suffix_is_not_merged(verify_site: VerifySite) -> None:
    verify_site.store_image("1")
    make_tree(verify_site.root, {"etc/extensions/gdb": Link(f"{STORE}/{file_of('1')}")})
    finding = verify_site.finding()
    assert (finding.condition, finding.blocks) == (Condition.WRONGLY_NAMED, False)


@pytest.mark.parametrize(
    ("content", "condition"),
    [(b"gdb 1", Condition.UNRECORDED), (b"<html>", Condition.BROKEN), (b"gdb 1 as x", Condition.WRONGLY_NAMED)],
)
def test_without_a_record_the_content_is_looked_into(
    verify_site: VerifySite, content: bytes, condition: Condition
) -> None:
    verify_site.store_image("1").write_bytes(content)
    verify_site.machine.store().records.remove(file_of("1"))
    verify_site.link("1")
    finding = verify_site.finding()
    assert finding.condition is condition
    assert finding.wrong == (condition is not Condition.UNRECORDED)
    unseen = verify_site.finding(inside=False)
    assert (unseen.condition, unseen.wrong) == (Condition.UNRECORDED, False)


def test_what_cannot_be_looked_into_is_not_known(verify_site: VerifySite, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_loop_device(*_: object, **__: object) -> None:
        raise StoreError("images cannot be looked into on this machine")

    verify_site.store_image("1")
    verify_site.machine.store().records.remove(file_of("1"))
    verify_site.link("1")
    monkeypatch.setattr("tukit_sysext.system.inspect_image.inspect_linked", no_loop_device)
    assert verify_site.finding().condition is Condition.UNKNOWN


@pytest.mark.parametrize("what", ["a link", "two names", "writable for all"])
def test_what_is_no_file_of_ours_is_not_used(verify_site: VerifySite, what: str) -> None:
    """L1."""
    path = verify_site.store_image("1")
    verify_site.link("1")
    if what == "a link":
        path.rename(verify_site.root / "elsewhere")
        path.symlink_to(verify_site.root / "elsewhere")
    elif what == "two names":
        (verify_site.root / "elsewhere").hardlink_to(path)
    else:
        path.chmod(0o666)
    assert verify_site.finding().condition is Condition.BROKEN


@pytest.mark.parametrize(
    ("entries", "condition", "blocks"),
    [
        ({"etc/extensions/x.raw": Link("/srv/x.raw")}, Condition.MISSING, False),
        ({"etc/extensions/x.raw": Link("/srv/x.raw"), "srv/x.raw": "<html>"}, Condition.BROKEN, True),
        ({"etc/extensions/x.raw": Link("/srv/x.raw"), "srv/x.raw": "x 1"}, Condition.UNRECORDED, False),
        ({"etc/extensions/x.raw": Link("/srv/x.raw"), "srv/x.raw": "x 1 as y"}, Condition.WRONGLY_NAMED, True),
        ({"etc/extensions/x.raw": "<html>"}, Condition.BROKEN, True),
        ({"etc/extensions/x.txt": "<html>"}, Condition.UNRECORDED, False),
        ({"etc/extensions/x": None}, Condition.BROKEN, False),
        ({"etc/extensions/x.raw": Link("x.raw")}, Condition.BROKEN, True),
        ({"etc/extensions/x": Link("/etc/os-release/x")}, Condition.BROKEN, True),
        ({"etc/extensions/x.raw": Link("/dev/null"), "dev": None}, Condition.UNRECORDED, False),
    ],
)
def test_what_is_not_ours(
    verify_site: VerifySite, entries: dict[str, str | Link | None], condition: Condition, blocks: bool
) -> None:
    make_tree(verify_site.root, entries)
    finding = verify_site.finding()
    assert (finding.ours, finding.condition, finding.blocks, finding.wrong) == (False, condition, blocks, blocks)


def test_an_image_that_fits_by_systemd_but_not_by_a_plugin(verify_site: VerifySite) -> None:
    verify_site.store_image("1")
    verify_site.link("1")
    examiner = Examiner(verify_site.machine.store(), full=False)
    (finding,) = assess(
        verify_site.machine, verify_site.subject(), examiner, objection=lambda *_: "plugin x: too old a kernel"
    ).findings
    assert (finding.condition, finding.reason) == (Condition.DOES_NOT_FIT, "plugin x: too old a kernel")


HIDING = ImageFolder(0o755, {"usr": ImageFolder(0o755, {"sbin": ImageFolder(0o755, {"gdb": 1})})})


@pytest.mark.root
@pytest.mark.parametrize("packages", [True, False], ids=["verify", "boot"])
@pytest.mark.parametrize(
    ("contents", "required", "reason"),
    [
        (Contents(packed=pack(HIDING)), "", "it would hide a part of the system: usr/sbin is a directory"),
        (Contents(stated=(Requirement("/usr/bin/nothing"),)), "", "it requires /usr/bin/nothing"),
        (None, "Requires=/usr/bin/nothing\n", "it requires /usr/bin/nothing"),
    ],
    ids=["hides", "stated", "configured"],
)
def test_an_image_that_hides_the_system_or_requires_what_it_has_not(
    verify_site: VerifySite,
    monkeypatch: pytest.MonkeyPatch,
    contents: Contents | None,
    required: str,
    reason: str,
    packages: bool,
) -> None:
    """At boot no RPM database is asked, so that only what is hidden counts."""
    path = verify_site.store_image("1")
    verify_site.link("1")
    make_tree(verify_site.root, {"usr/sbin": Link("bin"), "etc/tukit-sysext/images.d/gdb.conf": f"[Image]\n{required}"})
    records = verify_site.machine.store().records
    known = records.read(path.name)
    assert known is not None
    records.write(replace(known, contents=contents))
    monkeypatch.setattr(TreeGround, "packages", PlainPackages())
    examiner = Examiner(verify_site.machine.store(), full=False)

    (finding,) = assess(
        verify_site.machine,
        verify_site.subject(),
        examiner,
        objection=Plugins.of(verify_site.machine).objection,
        packages=packages,
    ).findings

    if packages or "hide" in reason:
        assert (finding.condition, finding.reason[: len(reason)]) == (Condition.DOES_NOT_FIT, reason)
    else:
        assert finding.condition is Condition.WHOLE


def test_without_os_release_nothing_is_said_of_fitting(verify_site: VerifySite) -> None:
    verify_site.store_image("1")
    verify_site.link("1")
    (verify_site.root / "etc/os-release").unlink()
    assessment = verify_site.assess()
    assert "os-release" in assessment.unknown
    assert [finding.condition for finding in assessment.findings] == [Condition.WHOLE]


def test_a_snapshot_without_etc_is_not_known(verify_site: VerifySite) -> None:
    verify_site.snapshot(7, {"usr": None})
    assessment = verify_site.assess(7)
    assert "etc" in assessment.unknown
    assert assessment.findings == ()


def test_the_running_system_and_what_boots_next(verify_site: VerifySite) -> None:
    following = verify_site.snapshot(7)
    verify_site.snapshot(8)
    verify_site.subvolumes.set_default(following.identifier)
    scan = snapper.scan(verify_site.layout, verify_site.subvolumes)
    assert [subject.path for subject in subjects(verify_site.machine, scan)] == [verify_site.root, verify_site.tree(7)]


def test_reading_changes_nothing(verify_site: VerifySite) -> None:
    """L8: as an ordinary user."""
    from tukit_sysext.integrity.assess import assess
    from tukit_sysext.store.examine import Examiner

    rot(verify_site, verify_site.store_image("1"))
    flip(verify_site.store_image("2"))
    verify_site.link("1")
    verify_site.link("2", as_name="gdb2")
    before = listing(verify_site.root)
    examiner = Examiner(verify_site.machine.store(writable=False), full=True)
    findings = assess(verify_site.machine, verify_site.subject(), examiner, look_inside=False).findings
    assert [finding.condition for finding in findings] == [Condition.DAMAGED, Condition.DAMAGED]
    assert listing(verify_site.root) == before
