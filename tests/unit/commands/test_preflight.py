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
def next_system(tmp_path: Path) -> PlainMachine:
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


def test_an_image_for_the_new_version_is_there(next_system: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    publish(next_system, "gdb", "1", VERSION_ID=RUNNING)
    publish(next_system, "gdb", "2", VERSION_ID=NEXT)
    next_system.want("gdb")
    _, found = ask(next_system, capsys)
    assert (found["verdict"], found["running"], found["offered"], found["repository"]) == (
        "passes",
        RUNNING,
        NEXT,
        "oss",
    )
    assert [image["verdict"] for image in found["images"]] == ["passes"]
    assert cli.main(["preflight"], machine=next_system.machine) == 0
    assert f"An update to {NEXT} would pass" in capsys.readouterr().out


def test_none_for_the_new_version_is_there(next_system: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    next_system.has_for_former_system("gdb", "strace")
    publish(next_system, "gdb", "1", VERSION_ID=RUNNING)
    next_system.want("gdb")
    status, found = ask(next_system, capsys)
    assert (status, found["verdict"]) == (75, "would be refused")
    assert (
        found["images"][0]["reason"]
        == f"nothing published fits: 1 is the newest, VERSION_ID is {RUNNING}, the system has {NEXT}"
    )
    assert cli.main(["preflight", "--quiet"], machine=next_system.machine) == 75
    assert f"An update to {NEXT} would be REFUSED, because of gdb" in capsys.readouterr().out


def test_only_required_images_count(next_system: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    publish(next_system, "gdb", "1", VERSION_ID=RUNNING)
    next_system.want("gdb", Policy="optional")
    _, found = ask(next_system, capsys)
    assert (found["verdict"], found["offered"]) == ("passes", None), "no repository had to be asked"


def test_a_level_that_nobody_knows_yet(next_system: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    next_system.has_for_former_system("gdb", "strace")
    next_system.publish("gdb", "1", "glibc-2.42")
    next_system.want("gdb")
    _, found = ask(next_system, capsys)
    assert found["verdict"] == "unknown"
    assert (
        "it depends on SYSEXT_LEVEL of the new release, which no metadata says: glibc-2.42 fits"
        in found["images"][0]["reason"]
    )
    next_system.publish("gdb", "2", "glibc-2.43")
    _, found = ask(next_system, capsys)
    assert (found["verdict"], "glibc-2.43 or glibc-2.42 fits" in found["images"][0]["reason"]) == ("unknown", True)


def test_what_fits_no_level_at_all_is_refused(next_system: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    next_system.has_for_former_system("gdb", "strace")
    next_system.publish("strace", "1", "glibc-2.42")
    next_system.want("strace")
    next_system.want("gdb")
    status, found = ask(next_system, capsys)
    assert status == 75
    assert {image["name"]: image["verdict"] for image in found["images"]} == {
        "gdb": "would be refused",
        "strace": "unknown",
    }


def test_two_images_that_no_level_fits_together(next_system: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    next_system.has_for_former_system("gdb", "strace")
    for name, level in (("gdb", "glibc-2.42"), ("strace", "glibc-2.43")):
        next_system.publish(name, "1", level)
        next_system.want(name)
    status, found = ask(next_system, capsys)
    assert status == 75
    assert {image["verdict"] for image in found["images"]} == {"unknown"}


def test_a_system_without_a_level(next_system: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    running(next_system)
    publish(next_system, "gdb", "1", VERSION_ID=NEXT, SYSEXT_LEVEL="glibc-2.43")
    next_system.want("gdb")
    assert verdict(next_system, capsys) == "passes"


def test_nothing_newer_is_offered(next_system: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    offers(next_system, RUNNING)
    next_system.want("gdb")
    assert verdict(next_system, capsys) == "no update"
    assert cli.main(["preflight"], machine=next_system.machine) == 0
    assert capsys.readouterr().out.startswith("No update: ")


def test_a_release_that_gets_updates_within_itself(
    next_system: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    next_system.has_for_former_system("gdb", "strace")
    running(next_system, VERSION_ID="6.1", CPE_NAME="cpe:/o:suse:sl-micro:6.1", SYSEXT_LEVEL="glibc-2.42")
    make_tree(next_system.root, {"srv/repo/repodata/repomd.xml": REPOMD.format("cpe:/o:suse:sl-micro:6.1")})
    next_system.publish("gdb", "1", "glibc-2.42")
    next_system.want("gdb")
    assert verdict(next_system, capsys) == "passes"
    next_system.want("strace")
    assert verdict(next_system, capsys) == "would be refused"


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
def test_what_cannot_be_told_is_unknown(
    next_system: PlainMachine, capsys: pytest.CaptureFixture[str], make: Any
) -> None:
    next_system.has_for_former_system("gdb", "strace")
    next_system.want("gdb")
    make(next_system)
    assert verdict(next_system, capsys) == "unknown"
    assert cli.main(["preflight"], machine=next_system.machine) == 0
    assert "is not known: " in capsys.readouterr().out


def test_a_fault_of_ours_keeps_no_update_away(
    next_system: PlainMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("injected")

    next_system.want("gdb")
    monkeypatch.setattr("tukit_sysext.preflight.repositories.statements", failing)
    assert cli.main(["preflight"], machine=next_system.machine) == 0
    assert "RuntimeError: injected" in "".join(capsys.readouterr())


def test_it_writes_nothing_but_the_cache_and_its_answer(
    next_system: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(next_system, "gdb", "1", VERSION_ID=NEXT)
    next_system.want("gdb")
    before = listing(next_system.root)
    verdict(next_system, capsys)
    new = {name for name in listing(next_system.root).keys() - before.keys() if not name.startswith("var")}
    assert new == {"run", "run/tukit-sysext", "run/tukit-sysext/preflight.json"}
    assert [name for name in listing(next_system.root) if name.startswith("var/lib")] == []


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
    next_system: PlainMachine,
    server: Server,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    content: str,
) -> None:
    next_system.has_for_former_system("gdb", "strace")
    make_tree(tmp_path / "web", {"repodata/repomd.xml": "<repomd><tags/></repomd>", file: content})
    repositories(next_system, server.url)
    make_tree(next_system.root, {"var/cache/zypp/raw/oss/repodata/repomd.xml": REPOMD.format(f"{CPE}{RUNNING}")})
    publish(next_system, "gdb", "1", VERSION_ID=RUNNING)
    next_system.want("gdb")
    _, found = ask(next_system, capsys)
    assert (found["verdict"], found["offered"]) == ("would be refused", NEXT)


@pytest.mark.parametrize(("kept", "expected"), [(NEXT, "would be refused"), (RUNNING, "unknown"), (None, "unknown")])
def test_a_server_that_is_away(
    next_system: PlainMachine, server: Server, capsys: pytest.CaptureFixture[str], kept: str | None, expected: str
) -> None:
    """What zypper had last counts where it is newer; that it had nothing newer then says nothing of today."""
    next_system.has_for_former_system("gdb", "strace")
    repositories(next_system, f"{server.url}/nothing/")
    if kept is not None:
        path = "var/cache/zypp/raw/oss/repodata/repomd.xml"
        make_tree(next_system.root, {path: REPOMD.format(f"{CPE}{kept}")})
    publish(next_system, "gdb", "1", VERSION_ID=RUNNING)
    next_system.want("gdb")
    assert verdict(next_system, capsys) == expected


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
