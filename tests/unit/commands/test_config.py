# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext config``: what counts, and which line of which file says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.machine import PlainMachine
from tests.trees import make_tree
from tukit_sysext import cli
from tukit_sysext.config.key_table import KEYS, File, of_file

MAIN = "etc/tukit-sysext/tukit-sysext.conf"


def document(site: PlainMachine, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert cli.main(["config", "--json", *arguments], machine=site.machine) == 0
    return json.loads(capsys.readouterr().out)


def text(site: PlainMachine, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(["config", *arguments], machine=site.machine) == 0
    return capsys.readouterr().out


def test_nothing_is_configured(snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    told = text(snapshot_7, capsys)
    assert "the defaults alone" in told and "No source" in told and "No image is wanted" in told
    assert document(snapshot_7, capsys)["settings"] == []


def test_all_has_every_key_of_the_settings(snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    rows = document(snapshot_7, capsys, "--all")["settings"]
    assert [(row["section"], row["key"]) for row in rows] == [(key.section, key.name) for key in of_file(File.MAIN)]
    assert all(row["default"] and row["file"] is None for row in rows)
    assert {row["key"]: row["value"] for row in rows}["Grace"] == "7d"


def test_where_each_value_comes_from(snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(
        snapshot_7.root,
        {
            MAIN: "[Store]\n# a comment\nGrace=1d\n",
            "usr/lib/tukit-sysext/tukit-sysext.conf.d/50-site.conf": "[Store]\nGrace=3d\n[Update]\nRefuseFor=14d\n",
            "etc/tukit-sysext/sources.d/main.conf": "[Source]\nURL=https://a.example/ https://b.example/\n",
            "usr/lib/tukit-sysext/images.d/gdb.conf": "[Image]\nPolicy=optional\n",
            "usr/lib/tukit-sysext/images.d/htop.conf": "[Image]\n",
            "etc/tukit-sysext/images.d/htop.conf": "",
        },
    )
    found = document(snapshot_7, capsys)
    drop_in = "/usr/lib/tukit-sysext/tukit-sysext.conf.d/50-site.conf"
    rows = [(row["key"], row["value"], row["file"], row["line"]) for row in found["settings"]]
    assert rows == [("RefuseFor", "14d", drop_in, 4), ("Grace", "3d", drop_in, 2)]
    (source,) = found["sources"]
    assert [(row["key"], row["value"]) for row in source["values"]] == [
        ("URL", "https://a.example/"),
        ("URL", "https://b.example/"),
    ]
    (image,) = found["images"]
    assert (image["name"], image["file"]) == ("gdb", "/usr/lib/tukit-sysext/images.d/gdb.conf")
    assert found["masked"] == [{"kind": "image", "name": "htop", "by": "/etc/tukit-sysext/images.d/htop.conf"}]
    told = text(snapshot_7, capsys)
    assert f"{drop_in}:4" in told and "Image htop is masked by" in told


def test_faults_are_told_with_their_line(snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(snapshot_7.root, {MAIN: "[Store]\nGrace=soon\nGarce=3d\n"})
    found = document(snapshot_7, capsys)
    assert found["settings"] == []
    assert [(item["line"], item["fault"]) for item in found["problems"]] == [(2, True), (3, False)]
    told = text(snapshot_7, capsys)
    assert f"Problem: /{MAIN}:2: Grace=soon" in told and f"Warning: /{MAIN}:3: unknown key Garce=" in told


def test_no_password_is_shown(snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(
        snapshot_7.root,
        {
            MAIN: "[Network]\nProxy=http://lab:geheim@proxy.example:3128\n",
            "etc/tukit-sysext/sources.d/main.conf": "[Source]\nURL=https://a.example/\nCredentials=/etc/secret\n",
            "etc/tukit-sysext/sources.d/bad.conf": "[Source]\nURL=https://lab:geheim@a.example/\n",
            "etc/secret": "lab:geheim\n",
        },
    )
    (snapshot_7.root / "etc/secret").chmod(0o600)
    for arguments in ((), ("--all",), ("--json",)):
        assert cli.main(["config", *arguments], machine=snapshot_7.machine) == 0
        told = "".join(capsys.readouterr())
        assert "geheim" not in told
        assert "...@proxy.example:3128" in told and "/etc/secret" in told


def test_the_proxy_of_the_system_counts_where_none_is_named(
    snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    proxy = 'PROXY_ENABLED="yes"\nHTTP_PROXY="http://lab:geheim@p.example:8080/"\nNO_PROXY="localhost"\n'
    make_tree(snapshot_7.root, {"etc/sysconfig/proxy": proxy})
    rows = {row["key"]: (row["value"], row["file"]) for row in document(snapshot_7, capsys)["settings"]}
    where = "/etc/sysconfig/proxy"
    assert rows == {"Proxy": ("...@p.example:8080/", where), "NoProxy": ("localhost", where)}
    make_tree(snapshot_7.root, {MAIN: "[Network]\nProxy=http://own.example:1\n"})
    rows = {row["key"]: (row["value"], row["file"]) for row in document(snapshot_7, capsys)["settings"]}
    assert rows == {"Proxy": ("http://own.example:1", f"/{MAIN}")}


def test_another_tree(snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(snapshot_7.tree(7), {"etc/tukit-sysext/images.d/gdb.conf": "[Image]\n"})
    assert document(snapshot_7, capsys)["images"] == []
    for arguments in (("--snapshot", "7"), ("--root", str(snapshot_7.tree(7)))):
        found = document(snapshot_7, capsys, *arguments)
        assert [image["name"] for image in found["images"]] == ["gdb"]
        assert found["tree"]["path"] == str(snapshot_7.tree(7))


def test_every_key_can_be_shown(snapshot_7: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(
        snapshot_7.root,
        {"etc/tukit-sysext/sources.d/main.conf": "[Source]\n", "etc/tukit-sysext/images.d/gdb.conf": "[Image]\n"},
    )
    told = text(snapshot_7, capsys, "--all")
    assert [key.title for key in KEYS if key.name not in told] == []
