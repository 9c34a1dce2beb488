# SPDX-License-Identifier: LGPL-2.1-or-later
"""The source that tukit-sysext-config-openSUSE brings: what it says, and what it does with such a folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.machine import TOP, PlainMachine
from tests.trees import make_tree
from tests.unit.sources.samples import offer
from tukit_sysext import cli
from tukit_sysext.config.settings import load_configuration
from tukit_sysext.system.tree import Tree

SHIPPED = TOP / "spec/config-openSUSE/opensuse.conf"
CONF = "usr/lib/tukit-sysext/sources.d/opensuse.conf"
KEY = TOP / "tests/data/opensuse/gpg-pubkey-29b700a4-6a17fa38.asc"
KEYRING = f"usr/lib/rpm/gnupg/keys/{KEY.name}"
OTHERS = (
    "openSUSE-MicroOS.x86_64-16.0.0-ContainerHost-kvm-and-xen-Snapshot20261127.qcow2",
    "openSUSE-MicroOS.x86_64-16.0.0-ContainerHost-SelfInstall-Snapshot20261127.raw.xz",
    "openSUSE-Tumbleweed-Minimal-VM.x86_64-1.0.0-Cloud-Snapshot20261127.qcow2.sha256.asc",
    "openSUSE-Tumbleweed-Minimal-VM.x86_64-1.0.0-kvm-and-xen-Snapshot20261127.packages",
)
"""How other appliances of that folder are called."""


def test_what_it_says(site: PlainMachine) -> None:
    make_tree(site.root, {CONF: SHIPPED.read_text(), KEYRING: KEY.read_bytes()})
    with Tree(site.root) as tree:
        configuration = load_configuration(tree)
    assert configuration.problems == ()
    source = configuration.sources["opensuse"]
    assert source.urls == ("https://download.opensuse.org/tumbleweed/appliances/",)
    assert source.verify and not source.doubt
    assert [ring.path for ring in source.keyrings] == [f"/{KEYRING}"]


def test_its_key_has_the_fingerprint_that_is_pinned(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(site.root, {CONF: SHIPPED.read_text(), KEYRING: KEY.read_bytes()})
    assert cli.main(["sources"], machine=site.machine) == 0
    shown = capsys.readouterr().out
    assert "key AD48 5664 E901 B867 051A B15F 35A2 F86E 29B7 00A4" in shown
    assert "openSUSE Project Signing Key <opensuse@opensuse.org>" in shown
    assert "problem" not in shown


def test_the_package_requires_the_key_that_it_names() -> None:
    spec = (TOP / "spec/tukit-sysext.spec").read_text()
    (path,) = re.findall(r"^%global build_key (.+)$", spec, re.M)
    assert path.replace("%{_prefix}", "/usr") == f"/{KEYRING}"
    assert "Requires:       %{build_key}\n" in spec


def test_among_a_folder_of_other_appliances(
    site: PlainMachine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With another address and another key, armoured as that of openSUSE; the signature is SHA256SUMS.asc."""
    key, folder = SigningKey.shared(), Repository(tmp_path / "appliances")
    for name, version in (("debug", "29.1"), ("gcc", "29.1"), ("git", "29.1")):
        offer(folder, name, version)
    for name in OTHERS:
        (folder.folder / name).write_text(name)
    folder.write_list()
    folder.sign(key, armoured=True)
    with Server(folder.folder) as server:
        text = re.sub(r"^URL=.*$", f"URL={server.url}", SHIPPED.read_text(), flags=re.M)
        conf = re.sub(r"^Fingerprint=.*$", f"Fingerprint={key.fingerprint}", text, flags=re.M)
        make_tree(site.root, {CONF: conf, KEYRING: key.public(armoured=True)})
        assert cli.main(["sources", "refresh"], machine=site.machine) == 0
        assert "opensuse: 3 images, list signed " in capsys.readouterr().out
        assert cli.main(["list"], machine=site.machine) == 0
        shown = capsys.readouterr().out
        assert all(name in shown for name in ("debug", "gcc", "git")) and "openSUSE-MicroOS" not in shown
        (site.root / CONF).write_text(text)  # the fingerprint of the real key, which did not sign this
        assert cli.main(["sources", "refresh"], machine=site.machine) == 1
        assert "expected AD485664E901B867051AB15F35A2F86E29B700A4" in capsys.readouterr().err
