# SPDX-License-Identifier: LGPL-2.1-or-later
"""``inspect``: what an image has and needs, in the store or in any file, and how it would fare."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.documents import faults
from tests.elf_files import elf_file
from tests.lab.images import make_image
from tests.machine import OS_RELEASE, PlainMachine
from tests.packing import pack
from tests.trees import Link, listing, make_tree
from tests.unit.requirements.grounds import PlainGround, PlainPackages, folder
from tukit_sysext import cli
from tukit_sysext.change.import_image import Importer
from tukit_sysext.quantities import Share
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.update import local, offers

RELEASE = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.42"}
PACKAGES = [{"type": "rpm", "name": "gdb", "version": "15.2-1"}]
FILES: Mapping[str, str | bytes] = {
    "bin/gdb": "#!/usr/bin/python3\n",
    "lib64/libgdb.so.1": elf_file(needs={"libc.so.6": ["GLIBC_2.38"]}, soname="libgdb.so.1"),
    "lib/sysusers.d/gdb.conf": "u gdb -\n",
}
real = pytest.mark.root


def image(site: PlainMachine, version: str = "1.0", *, requires: list[str] | None = None, **options: Any) -> Path:
    """An image file with its description."""
    keys = {"release": RELEASE, "files": FILES, **options}
    made = make_image(site.root / "images", "gdb", version, manifest="mkosi", **keys)
    manifest = made.with_name(f"gdb-{version}.x86-64.manifest")
    document = {**json.loads(manifest.read_bytes()), "packages": PACKAGES, "requires": requires or []}
    manifest.write_text(json.dumps(document))
    return made


def told(site: PlainMachine, capsys: pytest.CaptureFixture[str], *arguments: object, status: int | None = 0) -> str:
    ended = cli.main(["inspect", *map(str, arguments)], machine=site.machine)
    out, err = capsys.readouterr()
    assert status is None or ended == status, out + err
    return out + err


def document(site: PlainMachine, capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    read = json.loads(told(site, capsys, *arguments, "--json", status=None))
    assert faults("inspect", read) == []
    return read


@pytest.fixture
def machine(site: PlainMachine) -> PlainMachine:
    """A running system without snapshots."""
    make_tree(site.root, {"etc/os-release": OS_RELEASE, "etc/extensions": None, "usr/sbin": Link("bin")})
    return site


@real
def test_a_file_that_is_not_published_yet(machine: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    path = image(machine, requires=["glibc >= 2.40"])
    before = listing(machine.root)
    found = document(machine, capsys, path)

    assert (found["name"], found["version"], found["architecture"]) == ("gdb", "1.0", "x86-64")
    assert found["extension_release"] == {**RELEASE, "ARCHITECTURE": "x86-64"}
    assert found["contents"] == {
        "looked_into": True,
        "requires": ["glibc >= 2.40"],
        "needs": ["/usr/bin/python3", "libc.so.6()(64bit)", "libc.so.6(GLIBC_2.38)(64bit)"],
        "provides": ["libgdb.so.1()(64bit)"],
        "packages": [{"name": "gdb", "version": "15.2-1"}],
        "not_understood": [],
        "unlabelled": 2,
    }
    assert [step["command"] for step in found["after_merge"]] == ["systemd-sysusers gdb.conf"]
    (system,) = found["systems"]
    assert (system["fits"], system["tree"]["running"]) == (True, True)
    changed = {name for name, what in listing(machine.root).items() if before.get(name) != what}
    assert {name for name in changed if not name.startswith("var/cache")} <= {"var"}


@real
def test_in_words(machine: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(machine, capsys, image(machine, requires=["glibc >= 2.40"]))

    for said in (
        "gdb 1.0: ",
        "for ID=opensuse-microos SYSEXT_LEVEL=glibc-2.42",
        "Its publisher requires: 1\n  glibc >= 2.40",
        "It needs: 3\n  /usr/bin/python3",
        "It is made of the packages: 1\n  gdb-15.2-1",
        "Without an SELinux label: 2 programs and libraries",
        "systemd-sysusers gdb.conf",
        "In the running system: opensuse-microos 20261101, x86-64\n  fits, as far as that is known",
        "no RPM database",
    ):
        assert said in text, said


@real
def test_much_is_told_in_part_unless_all_is_asked_for(
    machine: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    needs = {f"lib{number:02}.so.1": () for number in range(30)}
    path = image(machine, files={"bin/gdb": elf_file(kind=2, needs=needs)})

    assert "It needs: 30" in (text := told(machine, capsys, path))
    assert "lib09.so.1()(64bit)\n  and 20 more; --all shows them" in text
    assert "lib29.so.1()(64bit)" in told(machine, capsys, path, "--all")
    assert len(document(machine, capsys, path)["contents"]["needs"]) == 30


@real
def test_one_that_would_hide_the_system(machine: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(machine, capsys, image(machine, files={"sbin/gdb": "x"}), status=1)

    assert "does not fit: it would hide a part of the system: usr/sbin is a directory in it and a link to bin" in text


@real
def test_one_for_another_release(machine: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    path = image(machine, release={**RELEASE, "SYSEXT_LEVEL": "glibc-2.43"})

    assert "does not fit: SYSEXT_LEVEL is glibc-2.43, the system has glibc-2.42" in told(
        machine, capsys, path, status=1
    )
    other = machine.root / "other-release"
    other.write_text('ID="opensuse-microos"\nVERSION_ID="20270101"\nSYSEXT_LEVEL=glibc-2.43\n')
    text = told(machine, capsys, path, "--for", other)
    assert "opensuse-microos 20270101, x86-64\n  fits, as far as that is known" in text
    assert "an os-release tells of systemd's rule alone" in text


@real
def test_what_it_needs_of_a_system(
    machine: PlainMachine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = {Requirement("/usr/bin/python3"): "python3", Requirement("libc.so.6()(64bit)"): "glibc"}
    packages = PlainPackages(offered=offered, versions={"glibc": "2.38-1"})
    for module in (local, offers):
        monkeypatch.setattr(module, "open_ground", lambda *_, **__: PlainGround(folder(), packages))
    (system,) = document(machine, capsys, image(machine))["systems"]

    assert (system["fits"], system["lacks"]) == (True, 1)
    needs = [rule for rule in system["rules"] if rule["rule"] == "needs"]
    assert [(rule["fits"], rule["image"]) for rule in needs] == [(False, "libc.so.6(GLIBC_2.38)(64bit)")]
    assert "fits, but one of its needs is not met" in told(machine, capsys, image(machine))

    (system,) = document(machine, capsys, image(machine, requires=["glibc >= 2.40"]))["systems"]
    assert (system["fits"], system["reason"]) == (
        False,
        "it requires glibc >= 2.40, and glibc-2.38-1 is installed",
    )


@real
def test_snapshots_and_directories(machine: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.snapshot(7, {"etc/os-release": OS_RELEASE.replace("glibc-2.42", "glibc-2.41"), "etc/extensions": None})
    tree = machine.root / "another"
    make_tree(tree, {"etc/os-release": OS_RELEASE})
    found = document(machine, capsys, image(machine), "--for", 7, "--for", tree)

    assert [(each["tree"]["snapshot"], each["fits"]) for each in found["systems"]] == [(7, False), (None, True)]


@real
def test_images_of_the_store(machine: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    importer = Importer(machine.machine, Share(size=0))
    for version in ("1.0", "2.0"):
        path = image(machine, version, requires=["glibc >= 2.40"])
        importer.of_file(path, path.name, "gdb")

    assert document(machine, capsys, "gdb")["version"] == "2.0", "the newest, as none is linked"
    link = machine.root / "etc/extensions/gdb.raw"
    link.symlink_to("/var/lib/sysext-store/gdb-1.0.x86-64.raw")
    found = document(machine, capsys, "gdb")
    assert (found["version"], found["source"]) == ("1.0", "adopted")
    assert found["contents"]["requires"] == ["glibc >= 2.40"]
    for called in ("gdb=2.0", "gdb_2.0", "gdb-2.0", "gdb-2.0.x86-64.raw"):
        assert document(machine, capsys, called)["version"] == "2.0"
    assert re.search(r"  of source adopted, fetched \d{4}-\d\d-\d\d \d\d:\d\d\n", told(machine, capsys, "gdb"))


@real
@pytest.mark.parametrize(("shadow", "fits"), [("warn", True), ("refuse", False), ("ignore", True)])
def test_files_that_another_linked_image_has_otherwise(
    machine: PlainMachine, capsys: pytest.CaptureFixture[str], shadow: str, fits: bool
) -> None:
    path = image(machine, "1.0", files={"bin/tool": "short", "bin/same": "1"})
    other = make_image(machine.root / "images", "zgdb", "2.0", release=RELEASE, files={"bin/tool": "longer"})
    Importer(machine.machine, Share(size=0)).of_file(other, other.name, "zgdb")
    (machine.root / "etc/extensions/zgdb.raw").symlink_to("/var/lib/sysext-store/zgdb-2.0.x86-64.raw")
    wanted = "etc/tukit-sysext/images.d"
    make_tree(machine.root, {f"{wanted}/gdb.conf": f"[Image]\nShadow={shadow}\n", f"{wanted}/zgdb.conf": "[Image]\n"})
    (system,) = document(machine, capsys, path)["systems"]

    assert system["fits"] is fits
    told_of = [(rule["fits"], rule["system"], rule["image"]) for rule in system["rules"] if rule["rule"] == "shadow"]
    said = (fits, "zgdb 2.0 has it otherwise, and is on top", "/usr/bin/tool")
    assert told_of == ([] if shadow == "ignore" else [said])


@real
def test_a_packed_file(machine: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    packed = pack(image(machine), "gz")

    assert document(machine, capsys, packed)["contents"]["provides"] == ["libgdb.so.1()(64bit)"]


def test_an_ordinary_user_is_told_what_descriptions_say(
    machine: PlainMachine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = image(machine, requires=["glibc >= 2.40"])
    machine.as_user()
    found = document(machine, capsys, path)

    assert found["unknown"] == ["it was not looked into: that needs root"]
    assert (found["merge_name"], found["extension_release"]["ID"]) == (None, "opensuse-microos")
    assert (found["contents"]["looked_into"], found["contents"]["requires"]) == (False, ["glibc >= 2.40"])
    (system,) = found["systems"]
    assert system["fits"]
    assert system["unknown"] == ["which files it has is not known, so that it may hide a part of the system"]
    path.with_name("gdb-1.0.x86-64.manifest").unlink()
    (system,) = document(machine, capsys, path)["systems"]
    assert system["fits"] is None
    assert "not known: what the image says of itself is not known" in told(machine, capsys, path, status=1)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("gdb", 'No image "gdb" in the store.\n  next step: for a file give its path'),
        ("./none.raw", "none.raw: cannot be read: No such file or directory"),
        ("/etc", "/etc: expected an image file"),
    ],
)
def test_what_is_no_image(machine: PlainMachine, capsys: pytest.CaptureFixture[str], what: str, said: str) -> None:
    assert said in told(machine, capsys, what, status=1)


@real
def test_a_file_that_is_none(machine: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    path = machine.root / "gdb-1.raw"
    path.write_bytes(b"an error page" * 1000)

    assert f"{path}: cannot be read as an extension image" in told(machine, capsys, path, status=1)


@real
def test_systems_that_are_none(machine: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    path = image(machine)
    machine.snapshot(7)

    assert "snapshot 8: " in told(machine, capsys, path, "--for", 8, status=1)
    assert "expected a snapshot's number, a directory or an os-release" in told(
        machine, capsys, path, "--for", machine.root / "none", status=1
    )
    empty = machine.root / "empty"
    empty.touch()
    assert "expected an os-release, found no ID in it" in told(machine, capsys, path, "--for", empty, status=1)
