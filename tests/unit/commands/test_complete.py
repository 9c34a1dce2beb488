# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext complete``: names for shells, whatever cannot be read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.machine import PlainMachine, with_source
from tests.trees import make_tree
from tukit_sysext import cli
from tukit_sysext.grammar.machine_commands import COMPLETED
from tukit_sysext.sources.cache import LISTS, Cache


@pytest.fixture
def known_names(tmp_path: Path) -> PlainMachine:
    site = with_source(tmp_path)
    site.publish("gdb", "15.1")
    site.publish("gdb", "15.2")
    site.want("strace")
    site.want("gone", State="removed")
    site.snapshot_with(1, {"htop": "3.4"})
    site.snapshot_with(12, {})
    return site


def names(site: PlainMachine, capsys: pytest.CaptureFixture[str], kind: str) -> list[str]:
    assert cli.main(["complete", kind], machine=site.machine) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return [str(line) for line in out.splitlines()]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("wanted", ["strace"]),
        ("images", ["gdb", "htop", "strace"]),
        ("versions", ["gdb", "gdb=15.1", "gdb=15.2", "htop", "htop=3.4", "strace"]),
        ("stored", ["htop", "htop-3.4.x86-64.raw"]),
        ("snapshots", ["1", "12"]),
        ("trees", ["1", "12", "default\twhat boots next", "running\tthe running system"]),
        ("sources", ["main"]),
        ("entries", []),
        ("blocked", []),
    ],
)
def test_names(known_names: PlainMachine, capsys: pytest.CaptureFixture[str], kind: str, expected: list[str]) -> None:
    assert names(known_names, capsys, kind) == expected


def test_the_list_of_a_server_is_the_one_that_was_fetched_last(
    known_names: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody is asked: the server of this source does not exist."""
    make_tree(known_names.root, {"etc/tukit-sysext/sources.d/web.conf": "[Source]\nURL=http://192.0.2.1/\n"})
    cache = Cache(known_names.layout.cache, writable=True)
    line = f"{hashlib.sha256(b'').hexdigest()}  perf-6.12.x86-64.raw\n"
    cache.put_note(LISTS, "web", {"list": cache.put_content(line.encode())})
    assert "perf=6.12" in names(known_names, capsys, "versions")


@pytest.mark.parametrize("kind", COMPLETED)
def test_what_cannot_be_read_has_no_names(
    known_names: PlainMachine, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """An ordinary user, a store that is none, a ledger that is damaged, a source that is away, odd names."""
    known_names.as_user()
    known_names.away()
    known_names.layout.ledger.parent.mkdir(parents=True, exist_ok=True)
    known_names.layout.ledger.write_text("no ledger")
    known_names.layout.store.rename(known_names.root / "store")
    known_names.layout.store.write_text("a file")
    make_tree(known_names.root, {"etc/extensions/with a space.raw": "", "etc/extensions/\033[31m.raw": ""})
    before = sorted(known_names.root.rglob("*"))
    assert all(line.isprintable() or "\t" in line for line in names(known_names, capsys, kind))
    assert sorted(known_names.root.rglob("*")) == before


def test_it_is_not_shown(known_names: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"], machine=known_names.machine)
    assert "complete" not in capsys.readouterr().out
