# SPDX-License-Identifier: LGPL-2.1-or-later
"""A source that fails is seen: by the transaction, by status, sources, doctor and the metrics, until it is mended."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.documents import faults
from tests.lab.ports import unused_url
from tests.lab.repository import Repository
from tests.lab.signing import SigningKey
from tests.machine import PlainMachine
from tests.trees import make_tree
from tests.unit.metrics.exposition import check
from tests.unit.sources.samples import offer, publish
from tukit_sysext import cli, entry
from tukit_sysext.metrics import metrics
from tukit_sysext.sources.health import HealthFile, SourceHealth

pytestmark = pytest.mark.usefixtures("hook_process")

CONF = "etc/tukit-sysext/sources.d/main.conf"
PROM = "run/tukit-sysext/tukit-sysext.prom"
IMPORT = "etc/systemd/import-pubring.gpg"


class Fleet:
    """A machine with a signed source and one wanted image, which a transaction asks for."""

    def __init__(self, site: PlainMachine, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.site = site
        self.images = Repository(folder / "images")
        self.key = SigningKey.shared()
        self._capsys = capsys
        offer(self.images, "gdb", "1")
        publish(self.images, self.key)
        site.snapshot(7)
        configured = {
            CONF: f"[Source]\nPath={self.images.folder}\n",
            "etc/tukit-sysext/images.d/gdb.conf": "[Image]\nPolicy=optional\n",
            IMPORT: self.key.public(),
        }
        self.write({**configured, "etc/tukit-sysext/tukit-sysext.conf": f"[Metrics]\nFile=/{PROM}\n"})

    def write(self, files: dict[str, Any]) -> None:
        for root in (self.site.root, self.site.tree(7)):
            make_tree(root, files)

    def update(self) -> list[str]:
        """What a transaction says on standard error."""
        entry.main(["tukit", "finalize-pre", str(self.site.tree(7)), "7"], machine=self.site.machine)
        return self._capsys.readouterr().err.splitlines()

    def json(self, *argv: str) -> Any:
        cli.main([*argv, "--json"], machine=self.site.machine)
        document = json.loads(self._capsys.readouterr().out)
        assert faults(argv[0], document) == []
        return document

    def text(self, *argv: str) -> str:
        cli.main(list(argv), machine=self.site.machine)
        return self._capsys.readouterr().out

    def health(self) -> Any:
        """What ``sources`` says, which is what ``status`` says."""
        (row,) = self.json("sources")["sources"]
        assert self.json("status")["sources"] == ({"main": row["health"]} if row["health"] is not None else {})
        return row["health"]

    def diagnosis(self) -> Any:
        return next(result for result in self.json("doctor")["results"] if result["check"] == "lists")

    def metric(self, name: str) -> float | None:
        metrics.update(self.site.machine)
        return check((self.site.root / PROM).read_text()).get((f"tukit_sysext_{name}", 'source="main"'))


@pytest.fixture
def fleet(site: PlainMachine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Fleet:
    return Fleet(site, tmp_path, capsys)


def expired(fleet: Fleet, folder: Path) -> None:
    now = datetime.now(UTC)
    key = SigningKey.make(folder / "gpg", expires=now - timedelta(days=1))
    fleet.images.sign(key, time=now - timedelta(days=2))
    fleet.write({IMPORT: key.public()})


def nobody_listens(fleet: Fleet, _: Path) -> None:
    fleet.write({CONF: f"[Source]\nURL={unused_url()}\n", "etc/tukit-sysext/tukit-sysext.conf": SHORT})


def empty_folder(fleet: Fleet, folder: Path) -> None:
    (folder / "empty").mkdir()
    fleet.write({CONF: f"[Source]\nPath={folder}/empty\n"})


def no_signature(fleet: Fleet, _: Path) -> None:
    (fleet.images.folder / "SHA256SUMS.gpg").unlink()


def not_a_list(fleet: Fleet, _: Path) -> None:
    (fleet.images.folder / "SHA256SUMS").write_text("<html>\n")
    fleet.images.sign(fleet.key)


SHORT = f"[Update]\nDeadline=1s\n[Network]\nDeadline=1s\nConnectTimeout=1s\n[Metrics]\nFile=/{PROM}\n"
FAILURES: dict[str, tuple[Callable[[Fleet, Path], None], str, str]] = {
    "expired key": (expired, "has expired", "problem"),
    "nobody listens": (nobody_listens, "http://127.0.0.1", "warning"),
    "empty folder": (empty_folder, "SHA256SUMS: No such file", "warning"),
    "no signature": (no_signature, "it is not signed", "problem"),
    "not a list": (not_a_list, "SHA256SUMS", "problem"),
}


@pytest.mark.root
@pytest.mark.parametrize(("fail", "reason", "severity"), FAILURES.values(), ids=FAILURES)
def test_a_source_that_fails_is_seen_everywhere(
    fleet: Fleet, tmp_path: Path, fail: Callable[[Fleet, Path], None], reason: str, severity: str
) -> None:
    assert fleet.diagnosis()["severity"] == "hint", "it was not asked yet"
    assert "not asked yet" in fleet.text("sources") and fleet.health() is None
    fleet.update()
    good = fleet.health()
    assert (good["images"], good["failing_since"], good["last_good"]) == (1, None, good["asked"])
    assert (fleet.diagnosis()["severity"], fleet.metric("source_failing")) == ("good", 0)
    when = fleet.metric("source_last_good_timestamp_seconds")

    fail(fleet, tmp_path)
    fleet.site.snapshot(8)
    lines = [line for line in fleet.update() if reason in line]
    assert len(lines) == 1 and lines[0].startswith("tukit-sysext: source main fails: "), lines
    failed = fleet.health()
    assert reason in failed["reason"] and failed["failing_since"] and failed["last_good"] == good["last_good"]
    for command in ("status", "sources"):
        shown = fleet.text(command)
        assert reason in shown and "its last good list is from" in shown and "next step:" in shown
    diagnosis = fleet.diagnosis()
    assert (diagnosis["severity"], reason in diagnosis["text"], bool(diagnosis["next_step"])) == (severity, True, True)
    assert fleet.metric("source_failing") == 1
    assert fleet.metric("source_last_good_timestamp_seconds") == when

    since = failed["failing_since"]
    fleet.update()
    assert fleet.health()["failing_since"] == since, "it did not begin anew"
    publish(fleet.images, fleet.key)
    fleet.write({CONF: f"[Source]\nPath={fleet.images.folder}\n", IMPORT: fleet.key.public()})
    assert not [line for line in fleet.update() if "source main" in line]
    assert (fleet.health()["failing_since"], fleet.health()["reason"]) == (None, None)
    assert "source main" not in fleet.text("status")


@pytest.mark.root
def test_out_of_reach_is_a_problem_after_some_days(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk may be put away, and a server be down for a night."""
    fleet.update()
    (fleet.images.folder / "SHA256SUMS").unlink()
    fleet.update()
    assert fleet.diagnosis()["severity"] == "warning"
    later = datetime.now(UTC).timestamp() + 4 * 86400
    monkeypatch.setattr("tukit_sysext.doctor.lists.time.time", lambda: later)
    assert fleet.diagnosis()["severity"] == "problem"


@pytest.mark.root
def test_a_list_without_an_image_is_told(fleet: Fleet) -> None:
    fleet.images.withdraw("gdb")
    (fleet.images.folder / "notes").write_text("x")
    publish(fleet.images, fleet.key)
    fleet.update()
    assert "names no image" in fleet.diagnosis()["text"]
    assert fleet.health()["images"] == 0


@pytest.mark.root
@pytest.mark.parametrize("argv", [["check"], ["list"], ["install", "gdb", "--dry-run"]], ids=" ".join)
def test_who_only_looks_notes_nothing(fleet: Fleet, argv: list[str]) -> None:
    fleet.text(*argv)
    assert not fleet.site.layout.sources.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"sources": []}',
        b'{"sources": {"main": 1}}',
        b'{"sources": {"../main": {}}}',
        b'{"sources": {"main": {"asked": -1, "good": null}}}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_a_file_that_cannot_be_read_is_as_none(fleet: Fleet, content: bytes) -> None:
    make_tree(fleet.site.root, {"var/lib/tukit-sysext/sources.json": content})
    assert HealthFile.of(fleet.site.machine).read() == {}
    assert fleet.health() is None
    fleet.update()
    assert fleet.health()["images"] == 1


def test_a_note_that_cannot_be_written_stops_nothing(fleet: Fleet) -> None:
    make_tree(fleet.site.root, {"var/lib/tukit-sysext": None})
    (fleet.site.root / "var/lib/tukit-sysext/sources.json").mkdir()
    assert not [line for line in fleet.update() if "FAULT" in line]
    assert fleet.health() is None


def test_what_a_newer_version_adds_is_passed_over(fleet: Fleet) -> None:
    fleet.update()
    file = fleet.site.layout.sources
    document = json.loads(file.read_text())
    document["newer"] = document["sources"]["main"]["newer"] = {"more": 1}
    file.write_text(json.dumps(document))
    assert fleet.health()["images"] == 1


def test_since_when_and_why() -> None:
    health = SourceHealth(asked=30, good=10, images=2, failing=20, reason="it is dark")
    assert health.failure(str) == "fails since 20 (its last good list is from 10): it is dark"
    assert replace(health, good=None).failure(str) == "fails since 20 (no list of it was good): it is dark"
