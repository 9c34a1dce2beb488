# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the commands that change trees do with one that cannot have what is asked for, and what they say of it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lab.images import make_image
from tests.machine import NEW, OLD, TOP, PlainMachine, with_source
from tests.trees import Content, listing, make_tree
from tukit_sysext import cli
from tukit_sysext.layout import SHARED_EXTENSIONS
from tukit_sysext.machine import Machine
from tukit_sysext.update.fetch import Fetching

Run = Callable[..., str]


@pytest.fixture
def offered_gdb(linked_gdb: PlainMachine) -> PlainMachine:
    """For the system that runs there is 1.1, too."""
    publish(linked_gdb, "gdb", "1.0")
    publish(linked_gdb, "gdb", "1.1")
    linked_gdb.want("gdb")
    return linked_gdb


def publish(site: PlainMachine, name: str, version: str, level: str = OLD) -> None:
    """A real image, which can be linked."""
    folder = site.source.with_name("made")
    folder.mkdir(exist_ok=True)
    release = {"ID": "opensuse-microos", "SYSEXT_LEVEL": level}
    site.publish(
        name, version, level, content=make_image(folder, name, version, release=release, manifest=None).read_bytes()
    )


@pytest.fixture
def run(offered_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str, status: int = 0) -> str:
        assert cli.main([*arguments], machine=offered_gdb.machine) == status, "".join(capsys.readouterr())
        return "".join(capsys.readouterr())

    return run


@pytest.mark.parametrize(
    "command",
    [
        "install gdb",
        "remove gdb",
        "update gdb",
        "hold gdb",
        "unhold gdb",
        "block gdb=1.0",
        "sources remove main",
        "adopt",
    ],
)
def test_an_etc_with_configuration_extensions(site: PlainMachine, run: Run, command: str) -> None:
    """An overlay of systemd-confext: what is written there is not the system's own."""
    (site.root / "etc/.systemd-confext").mkdir()
    (site.root / "etc/extensions/vim.raw").symlink_to("/var/lib/sysext-store/vim-1.raw")
    before = listing(site.root / "etc")
    for option in ("--dry-run", ""):
        said = run(*command.split(), *option.split(), status=1)
        assert "configuration extensions are merged into it" in said
        assert "next step:\n    systemd-confext unmerge" in said
    assert listing(site.root / "etc") == before


def linked(site: PlainMachine, name: str = "gdb") -> str | None:
    """The file that a link of the running system leads to."""
    link = site.root / f"etc/extensions/{name}.raw"
    return Path(os.readlink(link)).name if link.is_symlink() else None


def wanted(site: PlainMachine, name: str = "gdb") -> str:
    return (site.root / f"etc/tukit-sysext/images.d/{name}.conf").read_text()


class TestUpdate:
    @pytest.mark.parametrize("keys", [{"Hold": "9.9"}, {"Version": ">=3"}])
    def test_what_cannot_be_had_costs_no_image_that_fits(
        self, offered_gdb: PlainMachine, run: Run, keys: dict[str, str]
    ) -> None:
        offered_gdb.want("gdb", **keys)
        text = run("update", status=1)
        assert linked(offered_gdb) == "gdb-1.0.x86-64.raw"
        assert "1.0 stays linked: it fits this system" in text

    def test_nor_does_a_source_that_is_away(self, offered_gdb: PlainMachine, run: Run) -> None:
        offered_gdb.want("gdb", Hold="1.1")
        offered_gdb.away()
        assert "cannot be fetched" in run("update", status=1)
        assert linked(offered_gdb) == "gdb-1.0.x86-64.raw"

    @pytest.mark.root
    @pytest.mark.parametrize(
        ("more", "told"),
        [(1, "2 images are linked already: gdb 1.1, tool0 1.0"), (4, "5 images are linked already")],
    )
    def test_images_that_stay_are_told_in_one_line(
        self, offered_gdb: PlainMachine, run: Run, more: int, told: str
    ) -> None:
        for number in range(more):
            publish(offered_gdb, f"tool{number}", "1.0")
            offered_gdb.want(f"tool{number}")
        first = run("update").splitlines()
        assert [line for line in first if "already" in line] == []
        assert len([line for line in first if ", from source main" in line]) == more + 1
        assert run("update").splitlines() == [told]
        run("hold", "gdb")
        assert run("update", "gdb").splitlines() == ["gdb: 1.1 is linked already, held at 1.1"]
        assert run("update").splitlines() == [told.replace("gdb 1.1", "gdb 1.1 (held)")]
        run("unhold", "gdb")
        publish(offered_gdb, "tool0", "1.1")
        changed = run("update").splitlines()
        assert "tool0: 1.0 -> 1.1, from source main" in changed
        assert (f"{more} images are linked already" if more > 1 else "gdb: 1.1 is linked already") in changed

    def test_what_is_blocked_goes(self, offered_gdb: PlainMachine, run: Run) -> None:
        offered_gdb.want("gdb", Block="1.0 1.1")
        assert "1.0 left out" in run("update", status=1)
        assert linked(offered_gdb) is None

    @pytest.mark.root
    def test_a_source_that_is_asked_for_gives_an_older_one_too(
        self, offered_gdb: PlainMachine, run: Run, tmp_path: Path
    ) -> None:
        folder = tmp_path / "second"
        folder.mkdir()
        second = with_source(folder)
        publish(second, "gdb", "0.9")
        make_tree(
            offered_gdb.root,
            {"etc/tukit-sysext/sources.d/second.conf": f"[Source]\nPath={second.source}\nVerify=no\n"},
        )
        run("update")
        assert linked(offered_gdb) == "gdb-1.1.x86-64.raw"
        assert "gdb: 1.1 -> 0.9, from source second" in run("install", "--source", "second", "gdb")
        assert linked(offered_gdb) == "gdb-0.9.x86-64.raw"
        assert "0.9 is linked already" in run("update")

    def test_but_not_what_has_the_name_of_another_content(
        self, offered_gdb: PlainMachine, run: Run, tmp_path: Path
    ) -> None:
        folder = tmp_path / "second"
        folder.mkdir()
        second = with_source(folder)
        second.publish("gdb", "1.0", content=b"another one")
        make_tree(
            offered_gdb.root,
            {"etc/tukit-sysext/sources.d/second.conf": f"[Source]\nPath={second.source}\nVerify=no\n"},
        )
        text = run("install", "--source", "second", "gdb")
        assert ") of source second could not be had, broken: " in text, "it is no image"
        assert linked(offered_gdb) == "gdb-1.0.x86-64.raw"

    def test_a_good_version_is_named_where_the_linked_one_is_blocked_and_held(
        self, offered_gdb: PlainMachine, run: Run
    ) -> None:
        run("hold", "gdb")
        run("block", "gdb=1.0")
        text = run("check", status=75)
        assert re.search(r"held at 1\.0, which cannot be used \(.*\); 1\.1 of source main would fit", text)
        assert "tukit-sysext unhold gdb" in text

    def test_a_source_that_is_not_there_any_more(self, offered_gdb: PlainMachine, run: Run) -> None:
        offered_gdb.want("gdb", Source="gone")
        assert "source gone is not configured, so that it gets no update" in run("update")
        (offered_gdb.root / "etc/extensions/gdb.raw").unlink()
        assert "tukit-sysext sources add gone" in run("update", status=1)

    def test_a_hold_is_told_beside_a_source_that_is_away(self, offered_gdb: PlainMachine, run: Run) -> None:
        offered_gdb.want("gdb", Hold="1.1")
        offered_gdb.away()
        text = run("check", status=75)
        assert "cannot be fetched" in text
        assert re.search(r"held at 1\.1, which cannot be used \(.*\); 1\.0 would fit", text)
        assert "tukit-sysext unhold gdb" in text

    @pytest.mark.parametrize("folder", SHARED_EXTENSIONS)
    def test_what_takes_the_place_of_what_is_removed_is_said(
        self, offered_gdb: PlainMachine, run: Run, folder: str
    ) -> None:
        make_tree(offered_gdb.root, {f"{folder}/gdb.raw": "an image", f"{folder}/vim.raw": "another one"})
        said = run("remove", "gdb")
        assert f"/{folder}/gdb.raw takes the place of what is removed, and is not ours" in said
        assert f"next step:\n    mv /{folder}/gdb.raw /{folder}/gdb.raw.off" in said
        assert "vim" not in said

    def test_a_name_that_was_removed_is_unknown(self, offered_gdb: PlainMachine, run: Run) -> None:
        make_tree(offered_gdb.root, {"etc/tukit-sysext/images.d/gone.conf": "[Image]\nState=removed\n"})
        assert 'No image "gone" is wanted.' in run("update", "gone", status=1)
        assert 'No image "gone" is wanted.' in run("hold", "gone=1", status=1)
        assert "gone" not in run("update")


class TestRemembered:
    """What commands change is in the history, and who did it."""

    @pytest.mark.parametrize(
        ("command", "kind", "why"),
        [
            ("hold gdb=1.1", "held", "held at 1.1"),
            ("block gdb=1.0", "blocked", "1.0 is blocked"),
            ("install --optional gdb", "policy", "optional now (was required)"),
            ("install --version <9 gdb", "configured", "Version=<9 now (was not set)"),
            ("install gdb", "replaced", "1.0 -> 1.1, from source main"),
            ("remove gdb", "removed", "1.0 removed"),
            ("install --optional htop", "wanted", "wanted now"),
        ],
    )
    def test_a_change(self, offered_gdb: PlainMachine, run: Run, command: str, kind: str, why: str) -> None:
        publish(offered_gdb, "htop", "3.4", NEW)
        make_tree(offered_gdb.root, {"proc/self/loginuid": "0"})
        run(*command.split())
        rows = [re.split(r"  +", line) for line in run("history").splitlines()]
        assert rows[0][1:] == ["What happened", "#", "Image", "Who", "Why"]
        assert [kind, "1", "htop" if "htop" in command else "gdb", "root", why] in [row[1:] for row in rows]

    @pytest.mark.parametrize(
        ("before", "command", "kind", "why"),
        [("hold gdb", "unhold gdb", "unheld", "(was 1.0)"), ("block gdb=9", "unblock gdb=9", "unblocked", "9 is not")],
    )
    def test_a_change_back(self, run: Run, before: str, command: str, kind: str, why: str) -> None:
        run(*before.split())
        run(*command.split())
        last = run("history").splitlines()[2]
        assert f" {kind} " in last and why in last

    @pytest.mark.parametrize("command", ["hold gdb", "block gdb=9", "install gdb"])
    def test_what_changes_nothing_is_no_news(self, run: Run, command: str) -> None:
        run(*command.split())
        before = run("history")
        run(*command.split())
        assert run("history") == before

    def test_a_dry_run_is_no_news(self, run: Run) -> None:
        run("hold", "--dry-run", "gdb")
        assert "held" not in run("history")


class TestInstall:
    def test_what_required_means_is_said_once(self, offered_gdb: PlainMachine, run: Run) -> None:
        run("remove", "gdb")
        publish(offered_gdb, "strace", "6.1")
        said = run("install", "--dry-run", "gdb", "strace")
        assert "gdb, strace would be required: an update that one of them does not fit is refused." in said
        said = run("install", "gdb")
        assert "gdb is required: an update that it does not fit is refused. With --optional it is left out" in said
        assert "required:" not in run("install", "gdb"), "it is no news"

    @pytest.mark.parametrize("option", ["--optional", "--policy=optional", "--policy=required"])
    def test_who_says_the_policy_knows_what_it_means(self, offered_gdb: PlainMachine, run: Run, option: str) -> None:
        run("remove", "gdb")
        assert "With --optional" not in run("install", option, "gdb")

    def test_what_a_shipped_file_says_is_optional_is_not_called_required(
        self, offered_gdb: PlainMachine, run: Run
    ) -> None:
        run("remove", "gdb")
        make_tree(offered_gdb.root, {"usr/lib/tukit-sysext/images.d/gdb.conf": "[Image]\nPolicy=optional\n"})
        make_tree(offered_gdb.root, {"etc/tukit-sysext/images.d/gdb.conf": "[Image]\nState=removed\n"})
        assert "required" not in run("install", "gdb")

    @pytest.mark.parametrize(
        ("options", "before", "told", "after"),
        [
            ("--optional", {}, "optional now (was required)", "Policy=optional"),
            ("--policy=required", {"Policy": "optional"}, "required now (was optional)", "Policy=required"),
            ("--version=<2", {}, "Version=<2 now (was not set)", "Version=<2"),
            ("--version=<2", {"Version": "<9"}, "Version=<2 now (was <9)", "Version=<2"),
            ("--any-version", {"Version": "<9"}, "Version= removed (was <9)", ""),
            ("--any-version", {"Series": "1"}, "Series= removed (was 1)", ""),
            ("--any-source", {"Source": "main"}, "Source= removed (was main)", ""),
            ("--source=main", {}, "Source=main now (was not set)", "Source=main"),
        ],
    )
    def test_what_becomes_different_is_said(
        self, offered_gdb: PlainMachine, run: Run, options: str, before: dict[str, str], told: str, after: str
    ) -> None:
        run("update")
        offered_gdb.want("gdb", **before)
        said = run("install", options, "gdb")
        assert f"gdb: {told}" in said and "is linked already" not in said
        assert wanted(offered_gdb).splitlines() == list(filter(None, ["[Image]", after]))
        again = run("install", options, "gdb")
        assert "gdb: 1.1 is linked already" in again and told not in again

    def test_a_dry_run_says_that_nothing_is_different_yet(self, offered_gdb: PlainMachine, run: Run) -> None:
        offered_gdb.want("gdb", Version="<9")
        said = run("install", "--dry-run", "--any-version", "--optional", "gdb")
        assert "gdb: would be optional (was required)" in said and "gdb: Version= would be removed (was <9)" in said
        assert wanted(offered_gdb) == "[Image]\nVersion=<9\n"

    def test_what_becomes_different_is_in_the_document(self, offered_gdb: PlainMachine, run: Run) -> None:
        run("update")
        offered_gdb.want("gdb", Version="<9")
        (tree,) = json.loads(run("install", "--any-version", "--optional", "gdb=1.1", "--json"))["trees"]
        assert tree["configured"] == [
            {"image": "gdb", "key": "Policy", "before": "required", "after": "optional"},
            {"image": "gdb", "key": "Hold", "before": None, "after": "1.1"},
            {"image": "gdb", "key": "Version", "before": "<9", "after": None},
        ]
        (tree,) = json.loads(run("block", "gdb=9", "--json"))["trees"]
        assert tree["configured"] == [{"image": "gdb", "key": "Block", "before": None, "after": "9"}]
        (tree,) = json.loads(run("remove", "gdb", "--json"))["trees"]
        assert tree["configured"] == [{"image": "gdb", "key": "State", "before": "wanted", "after": None}]

    @pytest.mark.parametrize("option", ["--version=<2", "--series=1"])
    def test_any_version_is_not_some_version(self, run: Run, option: str) -> None:
        assert "--any-version takes away what --version and --series set" in run(
            "install", "--any-version", option, "gdb", status=2
        )

    def test_with_any_version_a_newer_one_comes(self, offered_gdb: PlainMachine, run: Run) -> None:
        offered_gdb.want("gdb", Version="<1.1")
        run("update")
        assert linked(offered_gdb) == "gdb-1.0.x86-64.raw"
        assert "gdb: 1.0 -> 1.1" in run("install", "--any-version", "gdb")
        assert linked(offered_gdb) == "gdb-1.1.x86-64.raw"

    @pytest.mark.root
    def test_after_a_removal_nothing_of_before_counts(self, offered_gdb: PlainMachine, run: Run) -> None:
        offered_gdb.snapshot_with(2, {"gdb": "1.0"}, default=True)
        run("install", "--optional", "gdb=1.0")
        run("remove", "gdb")
        assert "State=removed" in wanted(offered_gdb)
        run("install", "gdb")
        assert (linked(offered_gdb), wanted(offered_gdb)) == ("gdb-1.1.x86-64.raw", "[Image]\nPolicy=required\n")

    def test_after_a_removal_what_is_shipped_counts_again(self, offered_gdb: PlainMachine, run: Run) -> None:
        make_tree(
            offered_gdb.root,
            {"usr/lib/tukit-sysext/images.d/gdb.conf": "# ours\n[Image]\nPolicy=optional\nVersion=<1.1\n"},
        )
        run("remove", "gdb")
        assert linked(offered_gdb) is None
        run("install", "gdb")
        # what is published has another content than that of before
        assert str(linked(offered_gdb)).startswith("gdb-1.0.x86-64.raw.")
        assert wanted(offered_gdb) == "# ours\n[Image]\nPolicy=optional\nVersion=<1.1\n"

    @pytest.mark.root
    def test_what_is_not_ours_stands_in_the_way(self, offered_gdb: PlainMachine, run: Run) -> None:
        publish(offered_gdb, "htop", "1.0")
        image = (offered_gdb.source / "htop-1.0.x86-64.raw").read_bytes()
        make_tree(offered_gdb.root, {"etc/extensions/htop.raw": image})
        before = listing(offered_gdb.root / "etc")
        text = run("install", "htop", status=1)
        assert "/etc/extensions/htop.raw is not ours" in text
        assert "tukit-sysext adopt htop" in text
        assert listing(offered_gdb.root / "etc") == before

    @pytest.mark.parametrize("words", [["gdb=7"], ["--version", ">=9", "gdb"]])
    def test_what_is_asked_for_here_cannot_be_taken_back(
        self, offered_gdb: PlainMachine, run: Run, words: list[str]
    ) -> None:
        text = run("install", *words, status=1)
        assert "nothing was changed\n  next step:\n    tukit-sysext list --all gdb\n" in text
        assert "Hold=" not in wanted(offered_gdb) and "Version=" not in wanted(offered_gdb)

    @pytest.mark.root
    def test_another_snapshot_is_about_to_boot_when_it_has_fetched(
        self, offered_gdb: PlainMachine, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As when a transaction is closed meanwhile: it would come up without the image."""

        complete = Fetching.complete

        def slow(fetching: Fetching, **keywords: Any) -> Any:
            offered_gdb.snapshot_with(2, {"gdb": "1.0"}, default=True)
            return complete(fetching, **keywords)

        monkeypatch.setattr(Fetching, "complete", slow)
        publish(offered_gdb, "htop", "1.0")
        assert "nothing was changed, as another snapshot boots next" in run("install", "htop", status=1)
        assert linked(offered_gdb, "htop") is None
        assert not (offered_gdb.root / "etc/tukit-sysext/images.d/htop.conf").exists()


class TestHold:
    def test_a_version_that_nobody_has(self, offered_gdb: PlainMachine, run: Run) -> None:
        text = run("hold", "gdb=9.9")
        assert "gdb: held at 9.9 (1.0 is linked)" in text
        assert "no update has a version of gdb then: " in text
        assert "next step:\n    tukit-sysext unhold gdb" in text
        assert "update gdb brings it" not in text

    @pytest.mark.root
    def test_one_that_an_update_brings(self, offered_gdb: PlainMachine, run: Run) -> None:
        assert "To have it now:\n  tukit-sysext update gdb\n" in run("hold", "gdb=1.1")
        run("update", "gdb")
        assert linked(offered_gdb) == "gdb-1.1.x86-64.raw"

    def test_without_a_version_nothing_is_said_of_what_will_come(self, offered_gdb: PlainMachine, run: Run) -> None:
        """No source was asked."""
        run("block", "gdb=1.0")
        for command in ("hold", "unhold"):
            assert "no update has" not in run(command, "gdb")

    def test_no_image_changes_by_it(self, offered_gdb: PlainMachine, run: Run) -> None:
        (tree,) = json.loads(run("hold", "--json", "gdb"))["trees"]
        assert tree["images"] == []
        assert tree["files"] == [{"path": "/etc/tukit-sysext/images.d/gdb.conf", "written": True}]


class TestDryRun:
    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["remove", "gdb"], "gdb: 1.0 would be removed\n"),
            (["update"], "gdb: 1.0 -> 1.1 would be fetched from source main, 4.0 KiB\n"),
            (["hold", "gdb"], "gdb: would be held at 1.0\n"),
            (["unhold", "gdb"], "gdb: was not held\n"),
            (["block", "gdb=2"], "gdb: 2 would be blocked\n"),
        ],
    )
    def test_nothing_is_told_as_if_it_was_done(
        self, offered_gdb: PlainMachine, run: Run, words: list[str], told: str
    ) -> None:
        before = listing(offered_gdb.root)
        assert run(*words, "--dry-run") == f"{told}Dry run: nothing was changed.\n"
        assert listing(offered_gdb.root) == before

    def test_what_a_refresh_would_bring(
        self, offered_gdb: PlainMachine, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is not fetched yet as well."""
        publish(offered_gdb, "htop", "1.0")
        monkeypatch.setattr("tukit_sysext.system.merge.merged", lambda: frozenset({"gdb"}))
        assert "Would be merged: htop" in run("install", "--now", "--dry-run", "htop")

    def test_a_tree_that_cannot_be_changed(self, offered_gdb: PlainMachine, run: Run) -> None:
        """As the real run says it, with what to do."""
        offered_gdb.snapshot_with(2, {"gdb": "1.0"})
        info = offered_gdb.tree(2).parent / "info.xml"
        info.write_text(info.read_text().replace("</snapshot>", _IN_PROGRESS + "</snapshot>"))
        make_tree(offered_gdb.tree(2), {"etc/tukit-sysext/images.d/gdb.conf": "[Image]\n"})
        for dry_run in ((), ("--dry-run",)):
            text = run("remove", "--snapshot", "2", *dry_run, "gdb", status=1)
            assert "snapshot 2 cannot be changed: a transaction has the tree open" in text
            assert "tukit close 2" in text


_IN_PROGRESS = "<userdata><key>transactional-update-in-progress</key><value>yes</value></userdata>"


class TestAdopt:
    @pytest.mark.root
    def test_a_directory_gives_the_same_image_whenever_it_is_packed(self, offered_gdb: PlainMachine, run: Run) -> None:
        """As when it stands in two trees, or comes back with a rollback: one name of the store has one content."""
        release = f"ID=opensuse-microos\nSYSEXT_LEVEL={OLD}\n"
        folder: dict[str, Content] = {
            "etc/extensions/tool/usr/lib/extension-release.d/extension-release.tool": release,
            "etc/extensions/tool/usr/bin/tool": "tool",
        }
        make_tree(offered_gdb.root, folder)
        run("adopt", "tool")
        image = (offered_gdb.layout.store / str(linked(offered_gdb, "tool"))).read_bytes()
        assert image[8:12] == bytes(4), "when it was made (the superblock of squashfs)"

    @pytest.mark.root
    def test_two_contents_of_one_version(self, offered_gdb: PlainMachine, run: Run) -> None:
        publish(offered_gdb, "tool", "1.0")
        image = (offered_gdb.source / "tool-1.0.x86-64.raw").read_bytes()
        make_tree(offered_gdb.root, {"etc/extensions/tool.raw": image})
        run("adopt", "tool")
        run("remove", "tool")
        publish(offered_gdb, "tool", "1.1")
        make_tree(
            offered_gdb.root, {"etc/extensions/tool.raw": (offered_gdb.source / "tool-1.1.x86-64.raw").read_bytes()}
        )
        text = run("adopt", "tool", status=1)
        assert "tool 0 is in the store already, with other content" in text
        assert "tool-VERSION.x86-64.raw" in text


class TestUnblock:
    def test_a_block_of_the_image_itself(self, offered_gdb: PlainMachine, run: Run) -> None:
        offered_gdb.want("gdb", Block="1.1")
        text = run("unblock", "gdb=1.1", status=1)
        assert "gdb=1.1: blocked by /etc/tukit-sysext/images.d/gdb.conf" in text

    @pytest.mark.root
    def test_a_block_that_a_package_ships_does_not_come_to_light_again(
        self, offered_gdb: PlainMachine, run: Run
    ) -> None:
        make_tree(
            offered_gdb.root,
            {"usr/lib/tukit-sysext/tukit-sysext.conf.d/block-gdb.conf": "[Block]\nImage=gdb=1.1\n"},
        )
        run("block", "gdb=1.2")
        run("unblock", "gdb=1.1", "gdb=1.2")
        run("update")
        assert linked(offered_gdb) == "gdb-1.1.x86-64.raw"

    def test_another_file_blocks_it_all_the_same(self, offered_gdb: PlainMachine, run: Run) -> None:
        make_tree(
            offered_gdb.root,
            {"usr/lib/tukit-sysext/tukit-sysext.conf.d/50-vendor.conf": "[Block]\nImage=gdb=1.1\n"},
        )
        run("block", "gdb=1.1")
        text = run("unblock", "gdb=1.1")
        assert "by /usr/lib/tukit-sysext/tukit-sysext.conf.d/50-vendor.conf all the same" in text

    def test_it_may_be_spelt_otherwise(self, offered_gdb: PlainMachine, run: Run) -> None:
        """As UAPI.10 sees it, 1.00 is 1.0."""
        assert "it is linked" in run("block", "gdb=1.00")
        assert "gdb: 1.00 is no longer blocked" in run("unblock", "gdb=1.0")


class TestRemove:
    def test_what_another_tree_has_without_wanting_it(self, offered_gdb: PlainMachine, run: Run) -> None:
        offered_gdb.snapshot_with(2, {"gdb": "1.0"}, level=NEW, default=True)
        text = run("remove", "gdb")
        assert "snapshot 2 (boots next): gdb is in" in text
        assert "not wanted: it is not ours and stays" in text


def test_one_command_waits_for_the_other(offered_gdb: PlainMachine) -> None:
    """Else each would write what it made of the files that it read, and one of the changes would be lost."""
    lock = offered_gdb.layout.changes_lock
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        commands = [
            subprocess.Popen(
                offered_gdb.argv("block", f"gdb={number}.0"),
                cwd=TOP,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(2, 6)
        ]
        for command in commands:
            assert command.stderr is not None
            assert "waiting for another command" in command.stderr.readline()
        assert not (offered_gdb.root / "etc/tukit-sysext/tukit-sysext.conf.d").exists()
    assert [command.wait() for command in commands] == [0] * 4
    for command in commands:
        assert command.stderr is not None
        command.stderr.close()
    blocked = (offered_gdb.root / "etc/tukit-sysext/tukit-sysext.conf.d/block-gdb.conf").read_text()
    assert sorted(line for line in blocked.splitlines() if "=" in line) == [f"Image=gdb={n}.0" for n in range(2, 6)]


def test_a_dry_run_waits_for_nobody(offered_gdb: PlainMachine, run: Run) -> None:
    machine: Machine = offered_gdb.machine
    lock = machine.layout.changes_lock
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "would be removed" in run("remove", "-n", "gdb")
