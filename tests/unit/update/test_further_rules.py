# SPDX-License-Identifier: LGPL-2.1-or-later
"""Updates with real images that fit by systemd's rule and would not work: the built-in checks."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.elf_files import elf_file
from tests.lab.images import make_image, write_checksums
from tests.machine import OS_RELEASE, PlainMachine
from tests.trees import Content, Link, make_tree
from tests.unit.requirements.grounds import PlainGround, PlainPackages
from tukit_sysext import cli, entry
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.requirements.capabilities import Package
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.update import fetch, local, offers
from tukit_sysext.update.content_judge import WantedFile
from tukit_sysext.update.judging import MOST_TRIED

pytestmark = pytest.mark.root

LOOKS_THROUGH_IMAGES = True

NUMBER = 7
LEVEL = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.42"}
USR: Mapping[str, Content] = {"usr/bin/tukit": "#!/bin/sh\n", "usr/sbin": Link("bin"), "usr/lib/x": ""}


class Site(PlainMachine):
    """A machine with a source, and the tree of an update that wants debug."""

    def __init__(self, folder: Path, wanted: str = "[Image]\n") -> None:
        super().__init__(folder / "machine")
        self.images = folder / "images"
        configured: dict[str, Content] = {
            "etc/tukit-sysext/images.d/debug.conf": wanted,
            "etc/tukit-sysext/sources.d/main.conf": f"[Source]\nPath={self.images}\nVerify=no\n",
        }
        make_tree(self.root, {**USR, **configured})
        self.snapshot(NUMBER, {**USR, **configured, "etc/os-release": OS_RELEASE, "etc/extensions": None})

    def image(
        self,
        version: str,
        files: Mapping[str, str | bytes],
        release: Mapping[str, str] = LEVEL,
        **described: Sequence[object],
    ) -> None:
        """Publish an image; ``described`` stands in its description too."""
        make_image(self.images, "debug", version, release=release, files=files, manifest="mkosi")
        path = self.images / f"debug-{version}.x86-64.manifest"
        path.write_text(json.dumps({**json.loads(path.read_bytes()), **described}))
        write_checksums(self.images)

    def update(self) -> ExitStatus:
        return entry.main(["tukit", "finalize-pre", str(self.tree(NUMBER)), str(NUMBER)], machine=self.machine)

    def linked(self) -> str | None:
        path = self.tree(NUMBER) / "etc/extensions/debug.raw"
        return os.path.basename(os.readlink(path)) if path.is_symlink() else None

    def command(self, *arguments: str) -> None:  # type: ignore[override]  # in this process
        cli.main(list(arguments), machine=self.machine)


@pytest.fixture
def site(tmp_path: Path, hook_process: None) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize("release", [LEVEL, {"ID": "_any"}], ids=["level", "any"])
def test_an_image_that_hides_the_system_is_never_linked(
    site: Site, capsys: pytest.CaptureFixture[str], release: Mapping[str, str]
) -> None:
    site.image("1", {"bin/gdb": "#!/bin/sh\n"})
    site.image("2", {"sbin/gdb": "#!/bin/sh\n"}, release)

    assert site.update() is ExitStatus.DONE
    assert site.linked() == "debug-1.x86-64.raw"
    assert [path.name for path in site.layout.store.iterdir()] == ["debug-1.x86-64.raw"], "and is not kept"

    capsys.readouterr()
    site.command("why-not", "debug=2", "--root", str(site.tree(NUMBER)))
    said = " ".join(capsys.readouterr().out.split())
    assert "usr/sbin is a directory in it and a link to bin in the system" in said


def test_one_that_is_linked_goes_when_the_system_changes(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.image("1", {"lib64/libx.so": "x"})
    assert site.update() is ExitStatus.DONE
    assert site.linked() == "debug-1.x86-64.raw"

    make_tree(site.tree(NUMBER), {"usr/lib64": Link("lib")})
    assert site.update() is ExitStatus.DONE
    assert site.linked() is None
    assert "usr/lib64 is a directory in it and a link to lib in the system" in capsys.readouterr().err


def test_a_stated_requirement_of_which_nothing_is_known_refuses_nothing(tmp_path: Path, hook_process: None) -> None:
    site = Site(tmp_path, "[Image]\nRequires=/usr/bin/tukit\nRequires=/usr/bin/nothing\n")
    site.image("1", {"bin/gdb": ""})

    assert site.update() is ExitStatus.DONE, "without an RPM database only files are known"
    assert site.linked() == "debug-1.x86-64.raw"


def test_a_version_for_the_next_release_is_passed_over_and_not_fetched_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The needs of real images; what the system offers is made up, as it has no RPM database."""
    offered = PlainPackages(offered={Requirement("libc.so.6(GLIBC_2.38)(64bit)"): "glibc"})
    monkeypatch.setattr(offers, "open_ground", lambda *_, **__: PlainGround(packages=offered))
    monkeypatch.setattr(local, "open_ground", lambda *_, **__: PlainGround(packages=offered))
    offered.offered[Requirement("libc.so.6()(64bit)")] = "glibc"  # type: ignore[index]  # a dict
    make_tree(site.root, {"etc/extensions": None})
    site.image("1", {"bin/gdb": elf_file(kind=2, needs={"libc.so.6": ["GLIBC_2.38"]})})
    assert site.update() is ExitStatus.DONE
    assert site.linked() == "debug-1.x86-64.raw"
    link = site.root / "etc/extensions/debug.raw"
    link.symlink_to("/var/lib/sysext-store/debug-1.x86-64.raw")

    site.image("2", {"bin/gdb": elf_file(kind=2, needs={"libc.so.6": ["GLIBC_2.99"]})})
    assert site.update() is ExitStatus.DONE
    assert site.linked() == "debug-1.x86-64.raw"
    fetched = []
    monkeypatch.setattr(fetch.Fetching, "_fetch_from", lambda *given: fetched.append(given))
    assert site.update() is ExitStatus.DONE
    assert (site.linked(), fetched) == ("debug-1.x86-64.raw", [])


def test_what_a_description_says_counts_before_anything_is_fetched(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is kept with what was found inside of the image."""
    offered = PlainPackages(offered={Requirement("glibc", ">=", "2.38"): "glibc"})
    monkeypatch.setattr(local, "open_ground", lambda *_, **__: PlainGround(packages=offered))
    asked: list[str] = []
    fetch_from = fetch.Fetching._fetch_from

    def fetching(self: fetch.Fetching, source: str, images: Sequence[WantedFile]) -> None:
        asked.extend(each.candidate.file_name for each in images)
        fetch_from(self, source, images)

    monkeypatch.setattr(fetch.Fetching, "_fetch_from", fetching)
    site.image("3", {"bin/gdb": "x"}, requires=["libnone.so.1"])
    packages = [{"type": "rpm", "name": "gdb", "version": "15.2-1", "architecture": "x86_64"}]
    site.image("2", {"bin/gdb": "#!/bin/sh\n"}, requires=["glibc >= 2.38"], packages=packages, needs=["libother.so"])

    assert site.update() is ExitStatus.DONE
    assert (site.linked(), asked) == ("debug-2.x86-64.raw", ["debug-2.x86-64.raw"])
    record = site.machine.store().records.read("debug-2.x86-64.raw")
    assert record is not None
    assert record.contents is not None
    assert record.contents.stated == (Requirement("glibc", ">=", "2.38"),)
    assert record.contents.packages == (Package("gdb", "15.2-1"),)
    assert record.contents.needs == ("/bin/sh",), "by its content, whatever the description says"
    assert not record.contents.described


def test_what_nobody_vouches_for_is_not_kept(site: Site) -> None:
    """The list does not have its hash: whoever wrote it could keep the image away from every later system."""
    packages = [{"type": "rpm", "name": "gdb", "version": "99-1", "architecture": "x86_64"}]
    site.image("1", {"bin/gdb": "x"}, requires=["glibc >= 99"], packages=packages)
    write_checksums(site.images, names=["debug-1.x86-64.raw"])

    assert site.update() is ExitStatus.DONE
    record = site.machine.store().records.read("debug-1.x86-64.raw")
    assert record is not None
    assert record.contents is not None
    assert (record.contents.stated, record.contents.packages) == ((), ())


def test_versions_that_collide_are_not_all_fetched(tmp_path: Path, hook_process: None) -> None:
    """What is only seen once an image is here has an end, as where contents do not fit (MOST_TRIED)."""
    site = Site(tmp_path, "[Image]\nShadow=refuse\n")
    make_tree(site.tree(NUMBER), {"etc/tukit-sysext/images.d/base.conf": "[Image]\n"})
    make_image(site.images, "base", "1", release=LEVEL, files={"bin/tool": "base"})
    for version in range(1, MOST_TRIED + 3):
        site.image(str(version), {"bin/tool": f"debug {version}"})

    site.update()

    assert site.linked() is None
    fetched = sorted(path.name for path in site.layout.store.glob("debug-*"))
    assert fetched == [f"debug-{version}.x86-64.raw" for version in range(3, MOST_TRIED + 3)]


def test_versions_that_lack_something_are_not_all_fetched(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they need is only seen once they are here: mkosi's descriptions say nothing of it."""
    for module in (local, offers):
        monkeypatch.setattr(module, "open_ground", lambda *_, **__: PlainGround())
    for version in range(1, MOST_TRIED + 3):
        program = elf_file(kind=2, needs={"libnone.so.1": []})
        site.image(str(version), {"bin/gdb": program, "share/version": str(version)})

    site.update()

    fetched = sorted(path.name for path in site.layout.store.glob("debug-*"))
    assert fetched == [f"debug-{version}.x86-64.raw" for version in range(3, MOST_TRIED + 3)]
    assert site.linked() == fetched[-1]


def test_why_not_tells_of_a_file_that_another_image_has_otherwise(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = site.tree(NUMBER)
    make_tree(tree, {"etc/tukit-sysext/images.d/base.conf": "[Image]\n"})
    make_image(site.images, "base", "1", release=LEVEL, files={"bin/tool": "base"})
    site.image("1", {"bin/tool": "debug"})
    assert site.update() is ExitStatus.DONE
    assert "tukit-sysext: debug: it hides /usr/bin/tool of base 1" in capsys.readouterr().err

    site.command("why-not", "debug", "--root", str(tree))
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("it hides /usr/bin/tool of base 1, which differs") == 1

    make_tree(tree, {"etc/tukit-sysext/images.d/debug.conf": "[Image]\nShadow=refuse\n"})
    site.command("why-not", "debug", "--root", str(tree))
    said = " ".join(capsys.readouterr().out.split())
    assert "it hides /usr/bin/tool of base 1, which differs: the last name is on top, which Shadow= refuses" in said


def test_what_a_new_image_brings_that_no_boot_puts_to_use(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Told when it comes, not with each of its versions, as what it brought is in use by then."""
    brings: dict[str, str | bytes] = {
        "bin/debug": "#!/bin/sh\n",
        "lib/sysusers.d/debug.conf": "u debug\n",
        "lib/tmpfiles.d/debug.conf": "d /var/lib/debug\n",
    }
    lines = (
        "debug brings what the merge at the next boot does not put to use:\n"
        "  users and groups (usr/lib/sysusers.d/debug.conf):\n"
        "    systemd-sysusers debug.conf\n"
    )
    site.image("1", brings)
    assert site.update() == ExitStatus.DONE
    assert capsys.readouterr().out.endswith(f"debug: 1 added, from source main\n{lines}")

    site.image("2", brings)
    assert site.update() == ExitStatus.DONE
    out = capsys.readouterr().out
    assert (site.linked(), "put to use" in out) == ("debug-2.x86-64.raw", False)


def test_an_ordinary_user_is_told_of_every_rule(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.image("1", {"bin/gdb": ""})
    assert site.update() is ExitStatus.DONE
    tree = site.tree(NUMBER)
    (tree / "usr/bin/tukit").unlink()
    (tree / "usr/bin").rmdir()
    (tree / "usr/bin").symlink_to("sbin")
    site.as_user()
    capsys.readouterr()

    site.command("why-not", "debug", "--root", str(tree), "--json")
    (version,) = json.loads(capsys.readouterr().out)["versions"]
    assert [rule["fits"] for rule in version["rules"] if rule["rule"] == "hides"] == [False]
