# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext preflight``: three honest answers, and never a status that keeps an update away for another reason."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.server import Server
from tests.machine import PlainMachine, with_source
from tests.trees import listing, make_tree
from tukit_sysext import cli

RUNNING, NEXT = "20261101", "20261115"
REPOMD = '<repomd><tags><distro cpeid="{}">x</distro></tags></repomd>'
CPE = "cpe:/o:opensuse:opensuse:"
SPEC = Path(__file__).resolve().parents[3] / "spec"


@pytest.fixture
def site(tmp_path: Path) -> PlainMachine:
    site = with_source(tmp_path)
    running(site, SYSEXT_LEVEL="glibc-2.42")
    repositories(site, "dir:///srv/repo")
    offers(site, NEXT)
    make_tree(site.root, {"etc/tukit-sysext/tukit-sysext.conf": "[Network]\nDeadline=1\nConnectTimeout=1\n"})
    return site


def running(site: PlainMachine, **keys: str) -> None:
    said = {"ID": "opensuse-microos", "VERSION_ID": RUNNING, "CPE_NAME": f"cpe:/o:opensuse:microos:{RUNNING}", **keys}
    text = "".join(f"{key}={value}\n" for key, value in said.items())
    (site.root / "etc/os-release").write_text(text)


def repositories(site: PlainMachine, url: str) -> None:
    make_tree(site.root, {"etc/zypp/repos.d/oss.repo": f"[oss]\nenabled=1\nbaseurl={url}\n"})


def offers(site: PlainMachine, version: str, folder: str = "srv/repo") -> None:
    make_tree(site.root, {f"{folder}/repodata/repomd.xml": REPOMD.format(f"{CPE}{version}")})


def publish(site: PlainMachine, name: str, version: str, **release: str) -> None:
    """An image that states other keys than a level."""
    site.publish(name, version)
    file = f"{name}-{version}.x86-64.raw"
    described = json.dumps([{"image_name": file, "sysext": {"ID": "opensuse-microos", **release}}]).encode()
    (site.source / f"{file}.json").write_bytes(described)
    site._hashes[f"{file}.json"] = hashlib.sha256(described).hexdigest()
    site._list()


def ask(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    status = cli.main(["preflight", "--json"], machine=site.machine)
    found = json.loads(capsys.readouterr().out)
    assert status == (75 if found["verdict"] == "would be refused" else 0)
    return status, found


def verdict(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> str:
    found: str = ask(site, capsys)[1]["verdict"]
    return found


def test_an_image_for_the_new_version_is_there(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    publish(site, "gdb", "1", VERSION_ID=RUNNING)
    publish(site, "gdb", "2", VERSION_ID=NEXT)
    site.want("gdb")
    _, found = ask(site, capsys)
    assert (found["verdict"], found["running"], found["offered"], found["repository"]) == (
        "passes",
        RUNNING,
        NEXT,
        "oss",
    )
    assert [image["verdict"] for image in found["images"]] == ["passes"]
    assert cli.main(["preflight"], machine=site.machine) == 0
    assert f"An update to {NEXT} would pass" in capsys.readouterr().out


def test_none_for_the_new_version_is_there(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    site.has_for_former_system("gdb", "strace")
    publish(site, "gdb", "1", VERSION_ID=RUNNING)
    site.want("gdb")
    status, found = ask(site, capsys)
    assert (status, found["verdict"]) == (75, "would be refused")
    assert (
        found["images"][0]["reason"]
        == f"nothing published fits: 1 is the newest, VERSION_ID is {RUNNING}, the system has {NEXT}"
    )
    assert cli.main(["preflight", "--quiet"], machine=site.machine) == 75
    assert f"An update to {NEXT} would be REFUSED, because of gdb" in capsys.readouterr().out


def test_only_required_images_count(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    publish(site, "gdb", "1", VERSION_ID=RUNNING)
    site.want("gdb", Policy="optional")
    _, found = ask(site, capsys)
    assert (found["verdict"], found["offered"]) == ("passes", None), "no repository had to be asked"


def test_a_level_that_nobody_knows_yet(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    site.has_for_former_system("gdb", "strace")
    site.publish("gdb", "1", "glibc-2.42")
    site.want("gdb")
    _, found = ask(site, capsys)
    assert found["verdict"] == "unknown"
    assert (
        "it depends on SYSEXT_LEVEL of the new release, which no metadata says: glibc-2.42 fits"
        in found["images"][0]["reason"]
    )
    site.publish("gdb", "2", "glibc-2.43")
    _, found = ask(site, capsys)
    assert (found["verdict"], "glibc-2.43 or glibc-2.42 fits" in found["images"][0]["reason"]) == ("unknown", True)


def test_what_fits_no_level_at_all_is_refused(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    site.has_for_former_system("gdb", "strace")
    site.publish("strace", "1", "glibc-2.42")
    site.want("strace")
    site.want("gdb")
    status, found = ask(site, capsys)
    assert status == 75
    assert {image["name"]: image["verdict"] for image in found["images"]} == {
        "gdb": "would be refused",
        "strace": "unknown",
    }


def test_two_images_that_no_level_fits_together(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    site.has_for_former_system("gdb", "strace")
    for name, level in (("gdb", "glibc-2.42"), ("strace", "glibc-2.43")):
        site.publish(name, "1", level)
        site.want(name)
    status, found = ask(site, capsys)
    assert status == 75
    assert {image["verdict"] for image in found["images"]} == {"unknown"}


def test_a_system_without_a_level(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    running(site)
    publish(site, "gdb", "1", VERSION_ID=NEXT, SYSEXT_LEVEL="glibc-2.43")
    site.want("gdb")
    assert verdict(site, capsys) == "passes"


def test_nothing_newer_is_offered(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    offers(site, RUNNING)
    site.want("gdb")
    assert verdict(site, capsys) == "no update"
    assert cli.main(["preflight"], machine=site.machine) == 0
    assert capsys.readouterr().out.startswith("No update: ")


def test_a_release_that_gets_updates_within_itself(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    site.has_for_former_system("gdb", "strace")
    running(site, VERSION_ID="6.1", CPE_NAME="cpe:/o:suse:sl-micro:6.1", SYSEXT_LEVEL="glibc-2.42")
    make_tree(site.root, {"srv/repo/repodata/repomd.xml": REPOMD.format("cpe:/o:suse:sl-micro:6.1")})
    site.publish("gdb", "1", "glibc-2.42")
    site.want("gdb")
    assert verdict(site, capsys) == "passes"
    site.want("strace")
    assert verdict(site, capsys) == "would be refused"


@pytest.mark.parametrize(
    "make",
    [
        lambda site: repositories(site, "https://lab:geheim@images.example/"),
        lambda site: make_tree(site.root, {"srv/repo/repodata/repomd.xml": "<html>"}),
        lambda site: make_tree(site.root, {"srv/repo/repodata/repomd.xml": REPOMD.format("cpe:/o:suse:sles:16")}),
        lambda site: running(site, ID="custom", CPE_NAME=""),
        lambda site: (site.root / "etc/os-release").unlink(),
        lambda site: site.away(),
        lambda site: make_tree(site.root, {"etc/zypp/repos.d/more.repo/folder": ""}),
    ],
    ids=[
        "unreadable",
        "no repomd",
        "another system",
        "no CPE_NAME",
        "no os-release",
        "source away",
        "no repository file",
    ],
)
def test_what_cannot_be_told_is_unknown(site: PlainMachine, capsys: pytest.CaptureFixture[str], make: Any) -> None:
    site.has_for_former_system("gdb", "strace")
    site.want("gdb")
    make(site)
    assert verdict(site, capsys) == "unknown"
    assert cli.main(["preflight"], machine=site.machine) == 0
    assert "is not known: " in capsys.readouterr().out


def test_a_fault_of_ours_keeps_no_update_away(
    site: PlainMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("injected")

    site.want("gdb")
    monkeypatch.setattr("tukit_sysext.preflight.repositories.statements", failing)
    assert cli.main(["preflight"], machine=site.machine) == 0
    assert "RuntimeError: injected" in "".join(capsys.readouterr())


def test_it_writes_nothing_but_the_cache(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    publish(site, "gdb", "1", VERSION_ID=NEXT)
    site.want("gdb")
    before = listing(site.root)
    verdict(site, capsys)
    assert {name for name in listing(site.root).keys() - before.keys() if not name.startswith("var")} == set()
    assert [name for name in listing(site.root) if name.startswith("var/lib")] == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "web").mkdir()
    with Server(tmp_path / "web") as made:
        yield made


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("repodata/repomd.xml", REPOMD.format(f"{CPE}{NEXT}")),
        ("media.1/products", f"/ openSUSE {NEXT}-0\n"),
    ],
)
def test_a_repository_on_a_server_is_asked(
    site: PlainMachine, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, content: str
) -> None:
    site.has_for_former_system("gdb", "strace")
    make_tree(tmp_path / "web", {"repodata/repomd.xml": "<repomd><tags/></repomd>", file: content})
    repositories(site, server.url)
    make_tree(site.root, {"var/cache/zypp/raw/oss/repodata/repomd.xml": REPOMD.format(f"{CPE}{RUNNING}")})
    publish(site, "gdb", "1", VERSION_ID=RUNNING)
    site.want("gdb")
    _, found = ask(site, capsys)
    assert (found["verdict"], found["offered"]) == ("would be refused", NEXT)


@pytest.mark.parametrize(("kept", "expected"), [(NEXT, "would be refused"), (RUNNING, "unknown"), (None, "unknown")])
def test_a_server_that_is_away(
    site: PlainMachine, server: Server, capsys: pytest.CaptureFixture[str], kept: str | None, expected: str
) -> None:
    """What zypper had last counts where it is newer; that it had nothing newer then says nothing of today."""
    site.has_for_former_system("gdb", "strace")
    repositories(site, f"{server.url}/nothing/")
    if kept is not None:
        path = "var/cache/zypp/raw/oss/repodata/repomd.xml"
        make_tree(site.root, {path: REPOMD.format(f"{CPE}{kept}")})
    publish(site, "gdb", "1", VERSION_ID=RUNNING)
    site.want("gdb")
    assert verdict(site, capsys) == expected


@pytest.mark.parametrize(
    ("status", "goes_on"), [(0, True), (75, False), (1, True), (2, True), (127, True), (203, True)]
)
def test_the_example_puts_off_what_would_be_refused_and_nothing_else(status: int, goes_on: bool) -> None:
    """A missing Python, a broken command line: systemd would skip the update for every one of these."""
    text = (SPEC / "examples/transactional-update-preflight.conf").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("ExecCondition=")]
    shell = (
        line.removeprefix("ExecCondition=")
        .replace("$$", "$")
        .replace("/usr/bin/tukit-sysext preflight --quiet", f"(exit {status})")
    )
    ended = subprocess.run(["sh", "-c", shell], check=False)
    assert (ended.returncode == 0) is goes_on
