# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext adopt``: the source of sysextmgr.conf, and what is told before anything is done."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.signing import SigningKey
from tests.machine import PlainMachine
from tests.trees import Link, listing, make_tree
from tukit_sysext import cli
from tukit_sysext.config import settings
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.system.tree import Tree

CONF = "etc/sysextmgr/sysextmgr.conf"
OURS = "etc/tukit-sysext/sources.d/sysextmgr.conf"
URL = "https://images.example.org/sysext/"


def configured(site: PlainMachine, more: str = "", url: str = URL) -> None:
    make_tree(site.root, {CONF: f"[default]\nurl={url}\n{more}"})


def source(site: PlainMachine) -> SourceSettings:
    with Tree(site.root) as tree:
        found = settings.load_configuration(tree)
    assert found.problems == ()
    return found.sources["sysextmgr"]


def told(site: PlainMachine, capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert cli.main(["adopt", *arguments], machine=site.machine) == status
    return "".join(capsys.readouterr())


def document(site: PlainMachine, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    cli.main(["adopt", "--json", *arguments], machine=site.machine)
    return json.loads(capsys.readouterr().out)


def test_the_source_of_sysextmgr(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    configured(site)
    make_tree(site.root, {"etc/systemd/import-pubring.gpg": SigningKey.shared().public()})
    assert f"/{OURS} written, as /{CONF} says: {URL}" in (text := told(site, capsys))
    assert "signed by a key of /etc/systemd/import-pubring.gpg" in text
    found = source(site)
    assert (found.urls, found.verify) == ((URL,), True)
    assert found.keyrings
    before = listing(site.root)
    assert "No entry could be taken over" in told(site, capsys)
    assert listing(site.root) == before, "there is a source with this URL now"


def test_without_a_key(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    configured(site, url=URL.rstrip("/"))
    text = told(site, capsys)
    assert "no signing key is known" in text
    assert f"next step:\n    tukit-sysext sources add sysextmgr {URL} --key FILE --force" in text
    assert source(site).verify


def test_it_is_verified_as_it_was_meant(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    configured(site, "verify_signature=false\n")
    assert "signatures are not verified (Verify=no), as sysextmgr did not" in told(site, capsys)
    assert not source(site).verify


@pytest.mark.parametrize("there", [URL, URL.rstrip("/")])
def test_a_source_with_this_url_is_there(site: PlainMachine, capsys: pytest.CaptureFixture[str], there: str) -> None:
    configured(site)
    make_tree(site.root, {"usr/lib/tukit-sysext/sources.d/vendor.conf": f"[Source]\nURL={there}\n"})
    told(site, capsys)
    assert not (site.root / OURS).exists()


@pytest.mark.parametrize(
    ("more", "url", "text"),
    [
        ("verify_signature=perhaps\n", URL, "not sure"),
        ("", "file:///srv/images", "expected the URL of a directory, http:// or https://"),
        ("", "https://lab:geheim@images.example.org/", "url=...@images.example.org/"),
    ],
)
def test_what_cannot_be_taken_over(
    site: PlainMachine, capsys: pytest.CaptureFixture[str], more: str, url: str, text: str
) -> None:
    configured(site, more, url)
    shown = told(site, capsys, status=1)
    assert text in shown and "next step:" in shown and "geheim" not in shown
    assert not (site.root / OURS).exists()


@pytest.mark.parametrize("content", ["[Source]\nURL=https://other.example/\n", Link("/dev/null")], ids=str)
def test_a_source_of_this_name_is_left_alone(
    site: PlainMachine, capsys: pytest.CaptureFixture[str], content: str | Link
) -> None:
    configured(site)
    make_tree(site.root, {OURS: content})
    before = listing(site.root)
    assert "there is a source sysextmgr already" in told(site, capsys, status=1)
    assert {name: text for name, text in listing(site.root).items() if name in before} == before


PACKAGED = "usr/share/sysextmgr/sysextmgr.conf"


def of_the_package(site: PlainMachine, number: int, url: str) -> None:
    """A snapshot with sysextmgr's package in it."""
    site.snapshot(number, {PACKAGED: f"[default]\nurl={url}\nverify_signature=no\n"})


def test_after_sysextmgr_gave_way_to_us(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    """Its package had the configuration: the newest snapshot of before that still has it."""
    of_the_package(site, 3, "https://older.example/")
    of_the_package(site, 12, URL)
    site.snapshot(13, {"etc/x": ""})
    make_tree(site.layout.snapshots, {"14": None, "notes": ""})
    assert f"/{OURS} written, as /{PACKAGED} of snapshot 12 says: {URL}" in told(site, capsys)
    assert (source(site).urls, source(site).verify) == ((URL,), False)
    assert "No entry could be taken over" in told(site, capsys)


def test_what_is_configured_now_is_stronger_than_what_was(
    site: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    of_the_package(site, 3, "https://older.example/")
    configured(site)
    told(site, capsys)
    assert source(site).urls == (URL,)


def test_who_has_a_source_needs_none_of_the_past(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    of_the_package(site, 3, URL)
    make_tree(site.root, {"etc/tukit-sysext/sources.d/main.conf": "[Source]\nURL=https://images.example/\n"})
    assert "No entry could be taken over" in told(site, capsys)
    assert not (site.root / OURS).exists()


def test_with_a_name_the_source_is_not_looked_at(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    configured(site)
    told(site, capsys, "gdb", status=1)
    assert not (site.root / OURS).exists()


def entries(site: PlainMachine) -> None:
    release = "usr/lib/extension-release.d/extension-release"
    make_tree(
        site.root,
        {
            f"etc/extensions/tools/{release}.tools": "ID=_any\nSYSEXT_VERSION_ID=3\n",
            f"etc/extensions/other/{release}.something": "ID=_any\n",
            "etc/extensions/gone.raw": Link("/srv/gone.raw"),
        },
    )


def test_a_dry_run_tells_and_changes_nothing(
    site: PlainMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configured(site)
    entries(site)
    monkeypatch.setattr("tukit_sysext.change.pack_folder._PACK", "/bin/true")
    before = listing(site.root)
    text = told(site, capsys, "--dry-run", status=1)
    assert "tools: would be adopted (version 3), required, linked as tools.raw" in text
    assert "gone.raw is not adopted: " in text and "adopted: gone.raw:" not in text
    assert "something: would be adopted (version unknown), required, linked as something.raw (was other)" in text
    assert f"/{OURS} would be written" in text
    found = document(site, capsys, "--dry-run", "--policy", "optional")
    assert (found["dry_run"], found["source"]["url"], found["source"]["verify"]) == (True, URL, True)
    named, done = found["adopted"]
    assert (named["entry"], named["name"], named["link"]) == ("other", "something", "something.raw")
    assert (done["name"], done["version"], done["link"], done["policy"]) == ("tools", "3", "tools.raw", "optional")
    assert {item["entry"] for item in found["failed"]} == {"gone.raw"}
    assert listing(site.root) == before


def test_a_dry_run_is_for_everybody(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    configured(site)
    site.as_user()
    assert "would be written" in told(site, capsys, "--dry-run")
    assert "sudo tukit-sysext adopt" in told(site, capsys, status=1)


def test_a_name_that_is_nearly_right(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    entries(site)
    assert "Did you mean tools?" in told(site, capsys, "tolls", status=1)
