# SPDX-License-Identifier: LGPL-2.1-or-later
"""``sources import``: transfers as publishers hand them out, and what becomes of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.documents import faults
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.machine import OS_RELEASE, PlainMachine
from tests.trees import Content, listing, make_tree
from tests.unit.sources.samples import offer, publish
from tukit_sysext import cli
from tukit_sysext.config.settings import load_configuration
from tukit_sysext.config.wanted import load_wanted
from tukit_sysext.system.tree import Tree

IMPORT = "etc/systemd/import-pubring.gpg"

BAKERY = """[Transfer]
Verify=false

[Source]
Type=url-file
Path={url}
MatchPattern=kubernetes-@v-%a.raw

[Target]
InstancesMax=3
Type=regular-file
Path=/opt/extensions/kubernetes
CurrentSymlink=/etc/extensions/kubernetes.raw
"""
"""As the sysext-bakery writes them: unsigned, three versions on the disk."""

FEDORA = """[Transfer]
Verify=false

[Source]
Type=url-file
Path={url}
MatchPattern=strace-@v-%w-%a.raw

[Target]
InstancesMax=2
Type=regular-file
Path=/var/lib/extensions.d/
MatchPattern=strace-@v-%w-%a.raw
CurrentSymlink=/var/lib/extensions/strace.raw
"""
"""As fedora-sysexts has them: the release of the system is in the name."""

MICROOS = """[Transfer]
Features=gcc
MinVersion=13.1
[Source]
Type=url-file
Path={url}
MatchPattern=gcc-@v.%a.raw gcc_@v.%a.raw
[Target]
Type=regular-file
Path=/var/lib/extensions
MatchPattern=gcc-@v.%a.raw
"""
"""As microos-sysext has them: of a feature, and into the folder itself."""

LOCAL = """[Transfer]
ProtectVersion=%A
Odd=1
[Source]
Type=regular-file
Path={folder}
MatchPattern=etcd-@v-@u.raw
[Target]
Type=regular-file
Path=/etc/extensions
MatchPattern=etcd-@v
CurrentSymlink=/etc/extensions/etcd.raw
"""

UKI = """[Source]
Type=url-file
Path=https://download.example.com/
MatchPattern=foobarOS_@v.efi.xz
[Target]
Type=regular-file
Path=/EFI/Linux
PathRelativeTo=boot
MatchPattern=foobarOS_@v.efi
"""
URL = "https://extensions.example.org/extensions/"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "transfers").mkdir()
    return tmp_path / "transfers"


@pytest.fixture
def run(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def command(*argv: str, status: int = 0) -> str:
        assert cli.main([*argv], machine=site.machine) == status, capsys.readouterr()
        return "".join(capsys.readouterr())

    return command


def configured(site: PlainMachine) -> tuple[Any, Any]:
    with Tree(site.root) as tree:
        configuration, wanted = load_configuration(tree), load_wanted(tree)
    assert (configuration.problems, wanted.problems) == ((), ())
    return configuration.sources, wanted.images


def state(site: PlainMachine) -> dict[str, Content]:
    found = {name: content for name, content in listing(site.root).items() if content is not None}
    return {name: content for name, content in found.items() if not name.startswith(("run", "var/cache"))}


def test_one_that_verifies(site: PlainMachine, folder: Path, tmp_path: Path, run: Callable[..., str]) -> None:
    """From the file to an image that can be had, by the pattern of the transfer."""
    images = Repository(tmp_path / "images")
    (images.folder / "kubernetes-1.31.0-x86-64.raw").write_bytes(b"kubernetes")
    offer(images, "other", "1")
    publish(images, SigningKey.shared())
    make_tree(site.root, {IMPORT: SigningKey.shared().public(), "etc/os-release": OS_RELEASE})
    with Server(images.folder) as server:
        text = BAKERY.format(url=server.url).replace("Verify=false\n", "")
        (folder / "kubernetes.transfer").write_text(text)
        before = state(site)
        assert "would be wanted" in run("sources", "import", str(folder / "kubernetes.transfer"), "-n")
        assert state(site) == before
        told = run("sources", "import", str(folder / "kubernetes.transfer"))
        assert "source kubernetes made: " in told and "kubernetes: 2 images, list signed" in told
        sources, wanted = configured(site)
        assert (sources["kubernetes"].urls, sources["kubernetes"].verify) == ((f"{server.url.rstrip('/')}/",), True)
        image = wanted["kubernetes"]
        assert (image.sources, image.patterns) == (("kubernetes",), ("kubernetes-@v-%a.raw",))
        assert "1.31.0" in run("list", "--all", "kubernetes")
        assert "from source kubernetes" in run("sources", "import", str(folder / "kubernetes.transfer"))


@pytest.mark.parametrize("text", [BAKERY, FEDORA])
def test_without_signatures_nothing_is_taken_over_unasked(
    site: PlainMachine, folder: Path, tmp_path: Path, run: Callable[..., str], text: str
) -> None:
    file = folder / "x.transfer"
    file.write_text(text.format(url=URL))
    before = state(site)
    told = run("sources", "import", str(file), "--no-check", status=1)
    assert "Verify=no" in told and f"sources import {file} --key FILE\n" in told
    assert f"    tukit-sysext sources import {file} --no-verify\n" in told
    assert state(site) == before
    (tmp_path / "key").write_bytes(SigningKey.shared().public(True))
    run("sources", "import", str(file), "--no-check", "--key", str(tmp_path / "key"), "--name", "signed")
    sources, _ = configured(site)
    assert sources["signed"].verify and sources["signed"].keyrings
    make_tree(site.root, before)
    (site.root / "etc/tukit-sysext/sources.d/signed.conf").unlink()
    told = run("sources", "import", str(file), "--no-check", "--no-verify")
    assert "not verified (Verify=no)" in told
    sources, wanted = configured(site)
    (name,) = sources
    assert not sources[name].verify
    assert (wanted[name].sources, wanted[name].patterns[0].startswith(f"{name}-@v-")) == ((name,), True)


def test_a_folder(site: PlainMachine, folder: Path, tmp_path: Path, run: Callable[..., str], capsys: Any) -> None:
    """What shares a place shares a source; what is of no use is told, and stays."""
    (tmp_path / "etcd").mkdir()
    make_tree(site.root, {IMPORT: SigningKey.shared().public()})
    make_tree(
        folder,
        {
            "a.transfer": MICROOS.format(url=URL),
            "b.transfer": FEDORA.format(url=URL).replace("Verify=false", "Verify=yes"),
            "c.transfer": LOCAL.format(folder=tmp_path / "etcd"),
            "d.conf": UKI,
            "e.transfer": BAKERY.format(url=URL),
            "f.transfer": FEDORA.format(url=URL).replace("Verify=false", ""),
            "g.transfer": "nonsense\n[Source]\nPath=/\n[Target]\nPath=/etc/extensions\n",
            "notes.txt": "",
        },
    )
    assert cli.main(["sources", "import", str(folder), "--no-check", "--json"], machine=site.machine) == 1
    document = json.loads(capsys.readouterr().out)
    assert faults("sources", document) == []
    taken = {Path(each["file"]).name: each for each in document["imported"]}
    left = {Path(each["file"]).name: each for each in document["not_imported"]}
    assert {name: (each["image"], each["source"]) for name, each in taken.items()} == {
        "b.transfer": ("strace", "strace"),
        "c.transfer": ("etcd", "etcd"),
    }
    assert "unknown key Odd= in [Transfer]" in taken["c.transfer"]["notes"][0]
    assert "its feature is not enabled: gcc" in left["a.transfer"]["reason"]
    assert left["d.conf"]["extension"] is False
    assert "Verify=no" in left["e.transfer"]["reason"]
    assert "brings strace already" in left["f.transfer"]["reason"]
    assert "it has a fault" in left["g.transfer"]["reason"]

    (folder / "gcc.feature").write_text("[Feature]\nEnabled=no\n")
    make_tree(folder, {"gcc.feature.d/on.conf": "[Feature]\nEnabled=yes\n", "c.transfer.d/more.conf": "[Transfer]\n"})
    run("sources", "import", str(folder), "--no-check", status=1)
    sources, wanted = configured(site)
    assert wanted["gcc"].sources == ("strace",), "there is a source with this place now"
    assert wanted["gcc"].patterns == ("gcc-@v.%a.raw", "gcc_@v.%a.raw")
    assert wanted["gcc"].constraint == ">=13.1"
    assert list(sources) == ["etcd", "strace"]


def test_what_shares_a_place_is_called_as_the_server(site: PlainMachine, folder: Path, run: Callable[..., str]) -> None:
    make_tree(folder, {"a.transfer": BAKERY.format(url=URL), "b.transfer": FEDORA.format(url=URL)})
    run("sources", "import", str(folder), "--no-check", "--no-verify", "--policy", "optional")
    sources, wanted = configured(site)
    assert list(sources) == ["extensions.example.org"]
    assert {image.policy for image in wanted.values()} == {"optional"}


def test_one_that_verifies_is_enough_for_its_source(site: PlainMachine, folder: Path, run: Callable[..., str]) -> None:
    make_tree(site.root, {IMPORT: SigningKey.shared().public()})
    signed = FEDORA.format(url=URL).replace("Verify=false", "Verify=yes")
    make_tree(folder, {"a.transfer": BAKERY.format(url=URL), "b.transfer": signed})
    run("sources", "import", str(folder), "--no-check", "--no-verify")
    sources, _ = configured(site)
    assert [source.verify for source in sources.values()] == [True]


def test_a_source_that_does_not_verify_is_no_place_for_one_that_does(
    site: PlainMachine, folder: Path, run: Callable[..., str]
) -> None:
    make_tree(site.root, {"etc/tukit-sysext/sources.d/loose.conf": f"[Source]\nURL={URL}\nVerify=no\n"})
    (folder / "a.transfer").write_text(FEDORA.format(url=URL).replace("Verify=false", ""))
    assert "does not verify what is there" in run("sources", "import", str(folder), "--no-check", status=1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("Path=https", "Path=ftp"), "expected the URL of a directory"),
        (("url-file", "url-tar"), "its source is url-tar"),
        (("strace-@v-%w-%a.raw", "@v.raw"), "MatchPattern=@v.raw"),
        (("MatchPattern=strace-@v-%w-%a.raw\n\n", "\n"), "no MatchPattern="),
        (("strace-@v-%w-%a.raw", "../x-@v.raw"), "without /"),
    ],
)
def test_what_cannot_be_taken_over(
    site: PlainMachine, folder: Path, run: Callable[..., str], change: tuple[str, str], reason: str
) -> None:
    before = state(site)
    (folder / "a.transfer").write_text(FEDORA.format(url=URL).replace(*change))
    assert reason in run("sources", "import", str(folder), "--no-check", "--no-verify", status=1)
    assert state(site) == before


def test_a_source_whose_list_is_not_good_is_not_made(
    site: PlainMachine, folder: Path, tmp_path: Path, run: Callable[..., str]
) -> None:
    (tmp_path / "etcd").mkdir()
    make_tree(site.root, {IMPORT: SigningKey.shared().public()})
    (folder / "a.transfer").write_text(LOCAL.format(folder=tmp_path / "etcd"))
    before = state(site)
    assert "SHA256SUMS: No such file" in run("sources", "import", str(folder), status=1)
    assert state(site) == before


def test_no_transfer(site: PlainMachine, folder: Path, run: Callable[..., str]) -> None:
    assert "found none" in run("sources", "import", str(folder), status=1)
    assert "/nowhere" in run("sources", "import", "/nowhere", status=1)


def test_adopt_takes_those_of_the_machine(site: PlainMachine, run: Callable[..., str], capsys: Any) -> None:
    """Of a name the strongest directory's; a component has a folder of its own. Nothing is fetched."""
    signed = FEDORA.format(url=URL).replace("Verify=false", "Verify=yes")
    make_tree(
        site.root,
        {
            IMPORT: SigningKey.shared().public(),
            "usr/lib/sysupdate.d/10-strace.transfer": signed.replace("strace", "weaker"),
            "etc/sysupdate.d/10-strace.transfer": signed,
            "etc/sysupdate.k8s.d/kubernetes.conf": BAKERY.format(url=URL),
            "usr/lib/sysupdate.d/20-uki.transfer": UKI,
        },
    )
    told = run("adopt", "--dry-run", status=1)
    assert "strace would be wanted, from source strace" in told
    told = run("adopt", status=1)
    assert "kubernetes.conf is not imported: Verify=no" in told and "20-uki" not in told
    sources, wanted = configured(site)
    assert (list(sources), list(wanted)) == (["strace"], ["strace"])
    assert cli.main(["adopt", "--json"], machine=site.machine) == 1
    document = json.loads(capsys.readouterr().out)
    assert faults("adopt", document) == []
    assert [each["new_source"] for each in document["transfers"]["imported"]] == [False]
