# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether the next update would be refused, by what is known without asking a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.machine import NEW, OLD, PlainMachine, with_source
from tests.trees import make_tree
from tests.unit.sources.samples import offer, publish
from tukit_sysext import cli
from tukit_sysext.all_plugins import Advisers
from tukit_sysext.machine import Machine
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.snapshots.grounds import open_ground
from tukit_sysext.store.record import Records
from tukit_sysext.system.tree import Tree
from tukit_sysext.update import foreseen, refusal
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.search import Resolver

pytestmark = pytest.mark.root


@pytest.fixture
def site(tmp_path: Path) -> PlainMachine:
    """gdb 1.0 is linked and in the source."""
    made = with_source(tmp_path)
    made.snapshot_with(1, {"gdb": "1.0"}, default=True)
    made.boot(1)
    made.want("gdb")
    made.publish("gdb", "1.0")
    return made


def hold(version: str) -> Callable[[PlainMachine], None]:
    return lambda site: site.want("gdb", Hold=version)


def block(*versions: str) -> Callable[[PlainMachine], None]:
    lines = "".join(f"Image=gdb={version}\n" for version in versions)

    def write(site: PlainMachine) -> None:
        make_tree(site.root, {"etc/tukit-sysext/tukit-sysext.conf.d/block-gdb.conf": f"[Block]\n{lines}"})

    return write


def optional(site: PlainMachine) -> None:
    site.want("gdb", Hold="9", Policy="optional")


def keys(**values: str) -> Callable[[PlainMachine], None]:
    return lambda site: site.want("gdb", **values)


def other_system(site: PlainMachine) -> None:
    """What runs is none that any version is for; the one that boots next has its image."""
    site.snapshot_with(2, {"gdb": "1.0"}, default=True)
    release = site.root / "etc/os-release"
    release.write_text(release.read_text().replace(OLD, "glibc-2.44"))


def nobody_has_it(site: PlainMachine) -> None:
    site.unpublish("gdb", "1.0")


def source_is_away(site: PlainMachine) -> None:
    hold("9")(site)
    site.away()


@pytest.mark.parametrize(
    ("what", "refused"),
    [
        (lambda _: None, False),
        (hold("1.0"), False),
        (hold("9"), True),
        (hold("1.1"), False),
        (hold("2.0"), True),
        (block("1.0"), False),
        (block("1.0", "1.1"), True),
        (optional, False),
        (nobody_has_it, False),
        (source_is_away, False),
        (keys(Version=">=2.0"), True),
        (keys(Version=">=1.1"), False),
        (keys(Series="2"), True),
        (keys(Block="1.0\nBlock=1.1"), True),
        (other_system, True),
    ],
    ids=[
        "all is well",
        "the linked version is held",
        "a version is held that nobody has",
        "a version is held that the source has",
        "a version is held that does not fit",
        "another version is not blocked",
        "all versions that fit are blocked",
        "an optional image",
        "a linked image that no source has any more",
        "what a source has is not known",
        "no version that fits is allowed",
        "one that is not linked is allowed",
        "no version of the series fits",
        "its file blocks all versions that fit",
        "the linked version does not fit",
    ],
)
def test_a_refusal_is_foreseen(site: PlainMachine, what: Callable[[PlainMachine], None], *, refused: bool) -> None:
    site.publish("gdb", "1.1")
    site.publish("gdb", "2.0", NEW)
    what(site)
    before = sorted(site.layout.state.rglob("*"))
    assert set(foreseen.refusals(site.machine, site.root)) == ({"gdb"} if refused else set())
    assert sorted(site.layout.state.rglob("*")) == before, "nothing is noted"
    asked = cli.main(["check"], machine=site.machine)
    assert (asked == 75) == (refused or what is source_is_away)


def rotten(site: PlainMachine) -> None:
    (site.layout.store / "gdb-1.0.x86-64.raw").write_bytes(b"rotten")


def linked_otherwise(site: PlainMachine) -> None:
    (site.root / "etc/extensions/gdb.raw").rename(site.root / "etc/extensions/other.raw")


NARROWING: Mapping[str, Callable[[PlainMachine], object]] = {
    "Hold=": hold("1.0"),
    "Version=": keys(Version=">=1"),
    "Series=": keys(Series="1"),
    "Block=": keys(Block="7"),
    "Source=": keys(Source="main"),
    "MatchPattern=": keys(MatchPattern="gdb-@v.x86-64.raw"),
    "Requires=": keys(Requires="glibc"),
    "Needs=": keys(Needs="refuse"),
    "Shadow=": keys(Shadow="refuse"),
    "[Block]": block("7"),
    "it does not fit": other_system,
    "it is damaged": rotten,
    "it is missing": lambda site: (site.layout.store / "gdb-1.0.x86-64.raw").unlink(),
    "it has no record": lambda site: Records(site.layout.records).remove("gdb-1.0.x86-64.raw"),
    "it is not linked": lambda site: (site.root / "etc/extensions/gdb.raw").unlink(),
    "it has another link": linked_otherwise,
    "others have its name": lambda site: (site.root / "etc/extensions/gdb").mkdir(),
}


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Trees for which sources were asked."""
    trees: list[str] = []
    real = Resolver.resolve

    def resolve(resolver: Resolver, **arguments: Any) -> Facts:
        trees.append(str(resolver.facts.tree.path))
        return real(resolver, **arguments)

    monkeypatch.setattr(Resolver, "resolve", resolve)
    return trees


@pytest.mark.parametrize("what", NARROWING)
def test_what_may_keep_an_image_away_is_looked_at(site: PlainMachine, resolved: list[str], what: str) -> None:
    NARROWING[what](site)
    foreseen.refusing(site.machine, site.root)
    assert resolved == [str(site.root)]


@pytest.mark.parametrize(
    "what",
    [
        lambda _: None,
        optional,
        nobody_has_it,
        keys(PreReleases="yes"),
        block(),
        lambda site: site.want("vim", Policy="optional"),
    ],
    ids=["all is well", "optional", "nobody has it", "pre-releases", "nothing is blocked", "one of no importance"],
)
def test_what_stays_whatever_sources_have_is_not_resolved(
    site: PlainMachine, resolved: list[str], what: Callable[[PlainMachine], None]
) -> None:
    """`status` asks at each run."""
    what(site)
    assert foreseen.refusing(site.machine, site.root) == ()
    assert cli.main(["status"], machine=site.machine) == 0
    assert resolved == []


def said(site: PlainMachine, capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    capsys.readouterr()
    assert cli.main(argv, machine=site.machine) == 0
    return " ".join("".join(capsys.readouterr()).split())


def test_a_block_that_refuses_updates_is_told_at_once(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    """And by `status`, until it is taken back."""
    would = "the next update would be refused"
    site.publish("gdb", "1.1")
    assert would not in said(site, capsys, "block", "gdb=1.0")
    assert would not in said(site, capsys, "status").lower()
    foreseen_by_dry_run = said(site, capsys, "block", "-n", "gdb=1.1")
    assert would not in said(site, capsys, "status").lower(), "nothing was changed"
    warned = said(site, capsys, "block", "gdb=1.1")
    assert foreseen_by_dry_run[foreseen_by_dry_run.index(f"gdb: {would}") :] == warned[warned.index(f"gdb: {would}") :]
    assert (
        f"gdb: {would}: 1.1 of source main would fit, but it is blocked by" in warned
        and "next step: tukit-sysext unblock" in warned
    )
    shown = said(site, capsys, "status")
    assert "THE NEXT UPDATE WOULD BE REFUSED: gdb: 1.1 of source main would fit, but it is blocked by" in shown
    assert f"gdb 1.0 required unknown ok {would}" in shown
    assert would not in said(site, capsys, "unblock", "-n", "gdb=1.0").lower(), "it would not be after it"
    assert would in said(site, capsys, "status").lower()
    assert would not in said(site, capsys, "unblock", "gdb=1.0").lower()
    assert would not in said(site, capsys, "status").lower()


def test_a_dry_run_of_a_hold_foresees_too(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    site.want("gdb", Version=">=1.0")
    site.publish("gdb", "0.9")
    before, real = (said(site, capsys, "hold", *options, "gdb=0.9") for options in (["-n"], []))
    assert ("would be refused" in before) == ("would be refused" in real)
    assert "Version=" in before and "Version=" in real


def test_a_hold_is_told_once(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(site, capsys, "hold", "gdb=9").count("no such version") == 1
    assert "ok held at 9; the next update would be refused" in said(site, capsys, "status")


def refused_before(site: PlainMachine) -> None:
    """An update was refused, as gdb was blocked."""
    held = {"reason": "kept away", "since": 1793534400, "next_step": "tukit-sysext unblock gdb=1.1"}
    mark = {"last": 1793534400, "times": 1, "system": "MicroOS", "images": {"gdb": held}, "missed": {"gdb": held}}
    make_tree(site.root, {"run/tukit-sysext/refused.json": json.dumps(mark)})


def test_a_next_step_that_was_taken_is_not_shown_again(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    said(site, capsys, "block", "gdb=1.1")
    refused_before(site)
    assert "next step: tukit-sysext unblock gdb=1.1" in said(site, capsys, "status")
    said(site, capsys, "block", "strace=9")
    assert "next step: tukit-sysext unblock gdb=1.1" in said(site, capsys, "status"), "that was about another image"
    said(site, capsys, "unblock", "gdb=1.1")
    shown = said(site, capsys, "status")
    assert "AN UPDATE IS REFUSED since" in shown, "it has to be tried again"
    assert "unblock gdb" not in shown


@pytest.mark.parametrize("command", ["remove gdb", "install --optional gdb"])
def test_an_image_that_is_not_required_any_more_refuses_nothing(
    site: PlainMachine, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    refused_before(site)
    said(site, capsys, *command.split())
    assert refusal.known(site.machine) is None
    assert "no longer required: gdb" in said(site, capsys, "history")


def test_a_server_is_not_asked(site: PlainMachine, tmp_path: Path) -> None:
    """What it had when it was asked last counts, for its list and for what the images say."""
    repository, key = Repository(tmp_path / "repository"), SigningKey.shared()
    offer(repository, "gdb", "3")
    publish(repository, key)
    with Server(repository.folder) as server:
        source = f"[Source]\nURL={server.url}\nKeyring=/etc/ours.gpg\n"
        make_tree(site.root, {"etc/tukit-sysext/sources.d/main.conf": source, "etc/ours.gpg": key.public()})
        hold("3")(site)
        assert foreseen.refusals(site.machine, site.root) == {}, "nothing of it is remembered"
        cli.main(["list"], machine=site.machine)
        asked = len(server.requests)
        assert foreseen.refusals(site.machine, site.root) == {}
        hold("9")(site)
        assert set(foreseen.refusals(site.machine, site.root)) == {"gdb"}
        assert len(server.requests) == asked


def test_what_plugins_are_asked_is_answered_however_it_is_asked(
    site: PlainMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What images need and hide is asked with names, of an image that says what it has."""
    asked: list[Advisers] = []

    class Asking(Resolver):
        def __init__(self, machine: Machine, tree: Tree, plugins: Advisers, **options: Any) -> None:
            asked.append(plugins)
            super().__init__(machine, tree, plugins, **options)

    monkeypatch.setattr("tukit_sysext.update.search.Resolver", Asking)
    site.want("gdb", Hold="9")
    foreseen.refusals(site.machine, site.root)
    contents, ground = Contents(), open_ground(site.machine, site.root)
    (memory,) = asked
    assert memory.lacks(contents, ground=ground, name="gdb", version="1") == frozenset()
    assert memory.shadows(contents, ground=ground, name="gdb", version="1") == ()
    assert memory.warns(contents, ground=ground, name="gdb", version="1") == ()
