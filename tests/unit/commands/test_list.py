# SPDX-License-Identifier: LGPL-2.1-or-later
"""``list`` and ``why-not``: what can be had, and why something is not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.machine import NEW, PlainMachine, with_source
from tests.trees import Link, make_tree
from tukit_sysext import cli
from tukit_sysext.update.considered import Option


@pytest.fixture
def offers(tmp_path: Path) -> PlainMachine:
    """Snapshot 1 runs: gdb and held are wanted and linked, late is wanted, by-hand is linked by hand."""
    site = with_source(tmp_path)
    for name in ("gdb", "held", "late", "other"):
        site.publish(name, "1.0")
        site.publish(name, "1.1")
    site.publish("gdb", "1.2", NEW)
    site.publish("future", "2.0", NEW)
    for name in ("gdb", "held", "late"):
        site.want(name, **({"Hold": "1.0"} if name == "held" else {}))
    site.snapshot_with(1, {"gdb": "1.0", "held": "1.0", "by-hand": "7"}, default=True)
    site.boot(1)
    return site


def rows(site: PlainMachine, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, list[str]]:
    """The rows of ``list``, by image."""
    cli.main(["--quiet", "list", *arguments], machine=site.machine)
    lines = capsys.readouterr().out.split("\n\n")[0].splitlines()
    cells = [re.split(r" {2,}", line) for line in lines[1:]]
    return {row[0]: [row[1], row[2], row[-1]] for row in cells}


def document(site: PlainMachine, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    cli.main([*arguments, "--json"], machine=site.machine)
    return json.loads(capsys.readouterr().out)


def test_what_is_listed(offers: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert rows(offers, capsys) == {
        "by-hand": ["7", "-", "linked, not wanted"],
        "future": ["-", "-", "does not fit: 2.0: SYSEXT_LEVEL is glibc-2.43, the system has glibc-2.42"],
        "gdb": ["1.0", "1.1", "update to 1.1"],
        "held": ["1.0", "1.1", "installed, held at 1.0; 1.1 fits too"],
        "late": ["-", "1.1", "wanted, not linked"],
        "other": ["-", "1.1", "available"],
    }
    assert set(rows(offers, capsys, "-i")) == {"by-hand", "gdb", "held", "late"}
    assert set(rows(offers, capsys, "-u")) == {"gdb"}
    assert set(rows(offers, capsys, "other", "gdb")) == {"gdb", "other"}


def test_all_versions_with_reasons(offers: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "--all", "gdb", "held"], machine=offers.machine) == 0
    table, _, summary = capsys.readouterr().out.partition("\n\n")
    found = [line.split(maxsplit=5) for line in table.splitlines()[1:]]
    assert summary.startswith("2 images, 2 installed, 1 update; for the running system")
    states = {(row[0], row[1]): row[5] for row in found}
    assert states == {
        ("gdb", "1.2"): "does not fit: SYSEXT_LEVEL is glibc-2.43, the system has glibc-2.42",
        ("gdb", "1.1"): "fits, the update",
        ("gdb", "1.0"): "installed",
        ("held", "1.1"): "not allowed: 1.0 is held",
        ("held", "1.0"): "installed",
    }


def test_sizes(offers: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder has those of all files; of servers they are known by descriptions, and of the store."""
    cli.main(["list"], machine=offers.machine)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["Image", "Installed", "Newest", "Size", "State"]
    (gdb,) = [line for line in lines if line.startswith("gdb")]
    assert re.split(r" {2,}", gdb)[3] == "6.8 KiB"
    assert re.split(r" {2,}", next(line for line in lines if line.startswith("future")))[3] == "-"
    sizes = {each["name"]: each["newest_size"] for each in document(offers, capsys, "list")["images"]}
    assert (sizes["gdb"], sizes["future"]) == (7000, None)


@pytest.mark.parametrize("all_versions", ["", "--all"])
def test_no_column_of_sizes_that_nobody_knows(
    offers: PlainMachine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, all_versions: str
) -> None:
    monkeypatch.setattr(Option, "size", None)
    cli.main(["list", *all_versions.split()], machine=offers.machine)
    head, *rest = capsys.readouterr().out.splitlines()
    assert "Size" not in head and head.split()[-1] == "State"
    assert rest[-1].startswith("6 images, 3 installed") or all_versions == ""


class TestNames:
    """Files whose names have to be understood: see tests/published_names.py for real ones."""

    @staticmethod
    def called(site: PlainMachine, *names: str) -> None:
        """Let the source have copies of gdb 1.1 under other names."""
        listed = site.source / "SHA256SUMS"
        (line,) = [line for line in listed.read_text().splitlines() if line.endswith("  gdb-1.1.x86-64.raw")]
        for name in names:
            listed.write_text(f"{listed.read_text()}{line.split()[0]}  {name}\n")

    def test_what_could_not_be_understood_is_said(
        self, offers: PlainMachine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.called(offers, "grype.sysext.raw", "motd-1.confext.raw", "install.iso", *(f"n{n}.raw" for n in range(6)))
        assert cli.main(["list", "--all"], machine=offers.machine) == 0
        said = capsys.readouterr().out
        assert "grype.sysext.raw, n0.raw, n1.raw, n2.raw, n3.raw and 2 more: its name does not tell" in said
        assert "motd-1.confext.raw: it is a confext" in said
        assert "install.iso" not in said
        files = {file["file"] for file in document(offers, capsys, "list")["not_understood"]}
        assert {"grype.sysext.raw", "motd-1.confext.raw", "n5.raw"} <= files
        assert "motd" not in rows(offers, capsys)
        sources = document(offers, capsys, "sources")["sources"]
        assert files == {file["file"] for file in sources[0]["not_understood"]}
        assert cli.main(["sources", "--all"], machine=offers.machine) == 0
        assert "motd-1.confext.raw: it is a confext" in capsys.readouterr().out
        assert cli.main(["sources"], machine=offers.machine) == 0
        assert "motd" not in capsys.readouterr().out

    def test_lines_that_name_nothing_of_ours_are_counted(
        self, offers: PlainMachine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.called(offers, "../else.raw", "a b.iso")
        assert document(offers, capsys, "sources")["sources"][0]["foreign_lines"] == 2
        assert cli.main(["sources", "--all"], machine=offers.machine) == 0
        assert "2 lines of its list name nothing that could be ours" in capsys.readouterr().out

    def test_a_file_that_may_be_what_was_typed(self, offers: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        self.called(offers, "k3sv1.32.1.sysext.raw")
        assert cli.main(["list", "k3s"], machine=offers.machine) == 1
        said = capsys.readouterr().err
        assert "k3sv1.32.1.sysext.raw of main may be it, but its name does not tell" in said
        assert "MatchPattern= in images.d/k3s.conf" in said

    def test_an_image_that_is_typed_is_meant(self, offers: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        self.called(offers, "htop-3.4.1-1.1.x86-64.raw")
        assert "htop-3.4.1" in rows(offers, capsys)
        assert rows(offers, capsys, "htop")["htop"][1] == "3.4.1-1.1"

    def test_a_pattern_of_the_source(self, offers: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        self.called(offers, "k3sv1.32.1.sysext.raw")
        source = offers.root / "etc/tukit-sysext/sources.d/main.conf"
        source.write_text(f"{source.read_text()}MatchPattern=k3s@v.sysext.raw gdb-@v.%a.raw\n")
        shown = rows(offers, capsys)
        assert (shown["k3s"][1], shown["gdb"][1]) == ("v1.32.1", "1.1")
        assert "other" not in shown

    def test_a_pattern_of_the_image(self, offers: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        self.called(offers, "k3sv1.32.1.sysext.raw", "k3s-9.x86-64.raw")
        offers.want("k3s", MatchPattern="k3s@v.sysext.raw")
        assert rows(offers, capsys)["k3s"][1] == "v1.32.1"


def test_what_is_not_offered_any_more_and_what_is_held_elsewhere(
    offers: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in ("1.0", "1.1", "1.2"):
        offers.unpublish("gdb", version)
    offers.want("held", Hold="1.1")
    offers.link_image(offers.root, "held", "1.2")
    assert rows(offers, capsys)["gdb"] == ["1.0", "-", "installed, not offered any more"]
    assert rows(offers, capsys)["held"] == ["1.2", "1.1", "1.1 is held, update goes back to it"]


def test_a_source_that_is_away_is_told_and_the_rest_is_listed(
    offers: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    offers.away()
    assert cli.main(["list"], machine=offers.machine) == 1
    told = capsys.readouterr()
    assert "next step:\n    tukit-sysext sources refresh main" in told.err
    assert "installed, its source could not be asked" in told.out
    assert "installed, updates not known; for " in told.out
    assert {line.split()[0] for line in told.out.splitlines()[1:5]} == {"by-hand", "gdb", "held", "late"}
    assert cli.main(["list", "nothing"], machine=offers.machine) == 1
    assert 'No image "nothing" (source main could not be asked).' in capsys.readouterr().err


def test_nothing_is_written_for_an_ordinary_user(offers: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    offers.as_user()
    before = sorted(path for path in offers.root.rglob("*"))
    assert rows(offers, capsys)["gdb"] == ["1.0", "1.1", "update to 1.1"]
    assert cli.main(["why-not", "gdb"], machine=offers.machine) == 0
    assert sorted(path for path in offers.root.rglob("*")) == before


@pytest.mark.root
@pytest.mark.parametrize(
    ("argv", "told", "next_step"),
    [
        (["list", "gbd"], 'No image "gbd".', "Did you mean gdb?"),
        (["why-not", "zzz"], 'No image "zzz".', "next step:\n    tukit-sysext list"),
        (["why-not", "gdb=1.3"], "there are 1.2, 1.1, 1.0", "did you mean gdb=1."),
        (["why-not", "gd\x1b"], 'No image "gd\\x1b".', "Did you mean gdb?"),
        (["snapshots", "gbd"], 'No image "gbd" in any snapshot', "Did you mean gdb?"),
        (["list", "--snapshot", "9"], "snapshot 9: expected one that is there, found 1", "tukit-sysext snapshots"),
        (["verify", "--snapshot", "9"], "snapshot 9: expected one that is there, found 1", "tukit-sysext snapshots"),
    ],
)
def test_unknown_names(
    offers: PlainMachine, capsys: pytest.CaptureFixture[str], argv: list[str], told: str, next_step: str
) -> None:
    assert cli.main(argv, machine=offers.machine) == 1
    err = capsys.readouterr().err
    assert told in err and next_step in err
    assert "\x1b" not in err


def rules(found: Any, version: str) -> dict[str, tuple[bool | None, str | None, str | None]]:
    """Rules of a version that were looked at."""
    item = next(each for each in found["versions"] if each["version"] == version)
    return {rule["rule"]: (rule["fits"], rule["system"], rule["image"]) for rule in item["rules"]}


@pytest.mark.root
def test_why_not_tells_every_rule_with_both_sides(offers: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(offers, capsys, "why-not", "gdb")
    assert found["usable"] and found["taken"] == "1.1"
    assert [item["version"] for item in found["versions"]] == ["1.2", "1.1", "1.0"]
    assert [item["usable"] for item in found["versions"]] == [False, True, True]
    assert rules(found, "1.2")["level"] == (False, "glibc-2.42", "glibc-2.43")
    assert rules(found, "1.2")["version-id"] == (None, None, None)
    assert rules(found, "1.1")["id"] == (True, "opensuse-microos", "opensuse-microos")
    assert found["versions"][2]["link"] == "gdb.raw"


@pytest.mark.root
def test_why_not_tells_what_the_configuration_says(offers: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    offers.want("gdb", Hold="1.0", Source="elsewhere", Version="<1.1", Block="1.1")
    found = document(offers, capsys, "why-not", "gdb")
    assert found["usable"] and found["taken"] == "1.0", "what fits is kept, whatever would be chosen now"
    assert not any(item["usable"] for item in found["versions"])
    assert rules(found, "1.1") | {
        "source": (False, "elsewhere", "main"),
        "hold": (False, "1.0", "1.1"),
        "version": (False, "<1.1", "1.1"),
        "block": (False, "/etc/tukit-sysext/images.d/gdb.conf", "1.1"),
        "level": (True, "glibc-2.42", "glibc-2.42"),
    } == rules(found, "1.1")
    assert rules(found, "1.0")["hold"][0]


@pytest.mark.root
def test_why_not_tells_what_has_nothing_to_do_with_a_version(
    offers: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tree(offers.root, {"etc/extensions/other/usr/file": ""})
    assert cli.main(["why-not", "other"], machine=offers.machine) == 1
    assert "/etc/extensions/other is not ours (directory)" in capsys.readouterr().out
    offers.want("late", State="removed")
    assert cli.main(["why-not", "late"], machine=offers.machine) == 1
    assert "State=removed" in capsys.readouterr().out
    damaged = offers.source / "other-1.1.x86-64.raw.json"
    damaged.write_text("{")
    found = document(offers, capsys, "why-not", "other=1.1")
    assert found["versions"][0]["standing"] == "no description, its content decides"
    assert "expected SHA-256" in (rules(found, "1.1")["content"][2] or "")


@pytest.mark.root
@pytest.mark.parametrize(
    ("image", "status", "told"),
    [
        ("gdb", 0, "gdb 1.1 would be fetched and used"),
        ("gdb=1.0", 0, "gdb 1.0 could be used, but 1.1 is preferred"),
        ("gdb=1.2", 1, "gdb 1.2 is not used"),
        ("held=1.1", 1, "1.0 is held"),
        ("other", 0, "  tukit-sysext install other"),
        ("future", 1, "SYSEXT_LEVEL is glibc-2.43, the system has glibc-2.42"),
    ],
)
def test_what_why_not_concludes(
    offers: PlainMachine, capsys: pytest.CaptureFixture[str], image: str, status: int, told: str
) -> None:
    assert cli.main(["why-not", image], machine=offers.machine) == status
    assert told in capsys.readouterr().out.splitlines()[-1]


def test_what_is_linked_and_not_whole_is_told_wherever_it_is_listed(
    offers: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("gdb", "held", "by-hand"):
        next(offers.layout.store.glob(f"{name}-*")).unlink()
    lost = "missing: not in the store"
    assert {name: row[-1] for name, row in rows(offers, capsys, "-i").items()} == {
        "by-hand": f"linked, not wanted, but {lost}",
        "gdb": f"update to 1.1; 1.0 is {lost}",
        "held": f"installed, but {lost}, held at 1.0; 1.1 fits too",
        "late": "wanted, not linked",
    }
    assert cli.main(["list"], machine=offers.machine) == 0
    assert "tukit-sysext verify --repair" in capsys.readouterr().out
    assert cli.main(["list", "--all", "gdb"], machine=offers.machine) == 0
    assert f"installed, but {lost}" in capsys.readouterr().out
    assert cli.main(["why-not", "gdb=1.0"], machine=offers.machine) == 0
    told = capsys.readouterr().out
    assert "main, linked, but missing" in told
    assert f"1.0 is linked, but {lost}\n  next step:\n    tukit-sysext verify --repair\n" in told
    found = {image["name"]: image for image in document(offers, capsys, "list", "--all")["images"]}
    assert (found["gdb"]["damage"], found["late"]["damage"]) == (lost, None)
    assert [item["damage"] for item in found["gdb"]["versions"]] == [None, None, lost]
    assert [item["damage"] for item in document(offers, capsys, "why-not", "gdb")["versions"]] == [None, None, lost]


@pytest.mark.root
def test_what_the_configuration_is_against_is_not_said_not_to_fit(
    offers: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert document(offers, capsys, "why-not", "held=1.1")["versions"][0]["standing"] == "not allowed"
    assert cli.main(["why-not", "held=1.1"], machine=offers.machine) == 1
    assert "not allowed" in capsys.readouterr().out
    assert cli.main(["check"], machine=offers.machine) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "held 1.0 1.0 stays, held at 1.0" in lines
    offers.want("gdb", Block="1.1")
    assert cli.main(["list", "--all", "gdb"], machine=offers.machine) == 0
    assert "not allowed: blocked by /etc/tukit-sysext/images.d/gdb.conf" in capsys.readouterr().out
    assert cli.main(["check"], machine=offers.machine) == 0
    assert "gdb 1.0 1.0 stays; 1.2: does not fit" in " ".join(capsys.readouterr().out.split())


def test_a_linked_version_that_is_blocked_is_why_it_goes(
    offers: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    offers.unpublish("gdb", "1.1")
    offers.want("gdb", Block="1.0")
    state = rows(offers, capsys)["gdb"][-1]
    assert state.startswith("would refuse an update: ") and "blocked by /etc/tukit-sysext/images.d/gdb.conf" in state


@pytest.mark.root
def test_a_version_that_pep_440_cannot_read_has_the_same_reason_everywhere(
    offers: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    offers.publish("late", "2.43~rc1")
    offers.want("late", Version=">=2.40,<3")
    reason = "Version=>=2.40,<3 does not allow it: it is a pre-release, which it has to name, as >=1.0rc0 does"
    for argv in (["check"], ["list", "--all", "late"], ["why-not", "late=2.43~rc1"]):
        cli.main(argv, machine=offers.machine)
        assert reason in capsys.readouterr().out, argv


@pytest.mark.root
def test_a_tombstone_without_links_is_nothing_to_tell(offers: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    offers.want("newtool", State="removed")
    for argv in (["check"], ["check", "--json"], ["list"], ["list", "-i"], ["list", "--all", "--json"]):
        cli.main(argv, machine=offers.machine)
        assert "newtool" not in capsys.readouterr().out, argv
    assert rows(offers, capsys, "newtool") == {"newtool": ["-", "-", "removed"]}
    offers.link_image(offers.root, "newtool", "1")
    assert rows(offers, capsys)["newtool"][-1] == "removed: its links go with the next update"
    cli.main(["check"], machine=offers.machine)
    assert "to be taken out" in capsys.readouterr().out


@pytest.mark.root
def test_why_not_of_what_is_masked(offers: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(offers.root, {"etc/tukit-sysext/images.d/tool.conf": Link("/dev/null")})
    assert cli.main(["why-not", "tool"], machine=offers.machine) == 1
    assert "tool cannot be used, whatever its version: masked by /etc/tukit-sysext/images.d/tool.conf" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("argv", [["list", "--snapshot", "1"], ["verify", "--snapshot", "1"], ["diff", "1", "default"]])
def test_what_an_ordinary_user_cannot_read_is_not_said_to_be_missing(
    offers: PlainMachine, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    offers.as_user()
    offers.layout.snapshots.rename(offers.root / "hidden")
    offers.layout.snapshots.symlink_to("snapshots")  # a loop: nobody can read it
    (offers.root / "snapshots").symlink_to(".snapshots")
    assert cli.main(argv, machine=offers.machine) == 1
    told = capsys.readouterr().err
    assert "not known: " in told and "cannot be read" in told and "none" not in told
    assert f"next step:\n    sudo tukit-sysext {' '.join(argv)}" in told
