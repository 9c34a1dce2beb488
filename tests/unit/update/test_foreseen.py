# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether the next update would be refused, by what is known without asking a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.machine import NEW, PlainMachine, with_source
from tests.trees import make_tree
from tests.unit.sources.samples import offer, publish
from tukit_sysext import cli
from tukit_sysext.update import foreseen

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
