# SPDX-License-Identifier: LGPL-2.1-or-later
"""``sources add`` looks at what it adds; ``sources list``, ``refresh``, ``enable`` and ``disable``."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cosigning import CosignPair
from tests.documents import faults
from tests.lab.made_up_registry import MadeUpRegistry
from tests.lab.ports import unused_url
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.machine import PlainMachine
from tests.trees import Content, Link, listing, make_tree
from tests.unit.sources.samples import offer, publish
from tests.unit.sources.test_tagged import push
from tukit_sysext import cli
from tukit_sysext.config.settings import load_configuration
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.sources.health import HealthFile
from tukit_sysext.system.tree import Tree

ETC = "etc/tukit-sysext/sources.d/main.conf"
VENDOR = "usr/lib/tukit-sysext/sources.d/main.conf"
LONG_AGO = datetime.now(UTC) - timedelta(days=10)
WANTED = "etc/tukit-sysext/images.d/gdb.conf"


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.shared(created=LONG_AGO)


@pytest.fixture
def images(tmp_path: Path, key: SigningKey) -> Repository:
    """Two images, one of them in two versions."""
    made = Repository(tmp_path / "images")
    for name, version in (("gdb", "1"), ("gdb", "2"), ("strace", "1")):
        offer(made, name, version)
    publish(made, key)
    (tmp_path / "key").write_bytes(key.public(True))
    return made


@pytest.fixture
def run(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """A command that ends with a status; what it says."""

    def command(*argv: str, status: int = 0) -> str:
        assert cli.main(["sources", *argv], machine=site.machine) == status, capsys.readouterr()
        return "".join(capsys.readouterr())

    return command


@pytest.fixture
def document(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def command(*argv: str, status: int = 0) -> Any:
        assert cli.main(["sources", *argv, "--json"], machine=site.machine) == status, capsys.readouterr()
        printed = json.loads(capsys.readouterr().out)
        assert faults("sources", printed) == []
        return printed

    return command


def files(site: PlainMachine) -> dict[str, Content]:
    """What is on the machine, but for the lock, what may be lost, what is remembered, and folders."""
    passing = ("run", "var/cache", "var/lib/tukit-sysext/ledger")
    found = {name: content for name, content in listing(site.root).items() if content is not None}
    return {name: content for name, content in found.items() if not name.startswith(passing)}


def test_who_changed_which_source_is_in_the_history(
    site: PlainMachine,
    images: Repository,
    run: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Once for each change, and nothing of what changes nothing."""
    monkeypatch.setenv("SUDO_UID", "4711")
    add = ("add", "main", str(images.folder), "--key", str(tmp_path / "key"))
    changes = (
        (add, "added", f"main: {images.folder}"),
        ((*add, "--priority", "50", "--force"), "replaced", f"main: {images.folder}"),
        (("disable", "main"), "disabled", "main"),
        (("enable", "main"), "enabled", "main"),
        (("reset", "main"), "reset", "main"),
        (("remove", "main"), "removed", "main"),
    )
    for argv, _, _ in changes:
        run(*argv, "--dry-run")
        run(*argv)
        if argv[0] != "remove":
            run(*argv, *(["--force"] if argv is add else []))  # nothing more to do
    run("enable", "main", status=1)
    assert cli.main(["history", "--json"], machine=site.machine) == 0
    history = json.loads(capsys.readouterr().out)
    assert faults("history", history) == []
    assert [(event["kind"], event["detail"], event["uid"], event["image"]) for event in history["events"]] == [
        (f"source {what}", detail, 4711, None) for _, what, detail in changes
    ]
    assert cli.main(["history"], machine=site.machine) == 0
    assert "source disabled" in capsys.readouterr().out


def test_the_same_key_in_another_file_is_no_change_and_another_key_is_one(
    site: PlainMachine, images: Repository, key: SigningKey, run: Callable[..., str], tmp_path: Path
) -> None:
    add = ("add", "main", str(images.folder), "--no-check", "--force", "--key")
    (tmp_path / "binary").write_bytes(key.public(False))
    (tmp_path / "other").write_bytes(SigningKey.make(tmp_path / "gpg").public())
    for name in ("key", "binary", "other"):
        run(*add, str(tmp_path / name))
    with Ledger(site.layout.ledger, writable=False) as ledger:
        assert [event.kind for event in ledger.events()] == ["source added", "source replaced"]


def test_a_source_is_changed_where_nothing_can_be_remembered(
    site: PlainMachine,
    images: Repository,
    run: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def read_only(_: Ledger) -> Ledger:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Ledger, "__enter__", read_only)
    add = ("add", "main", str(images.folder), "--key", str(tmp_path / "key"))
    for argv, what in (
        (add, "added"),
        (("disable", "main"), "disabled"),
        (("enable", "main"), "enabled"),
        (("reset", "main"), "reset"),
        (("remove", "main"), "removed"),
    ):
        run(*argv)
        assert caplog.messages[-1].endswith(f"Read-only file system; that source main was {what} is not remembered")
    assert not (site.root / ETC).exists()


@pytest.mark.parametrize("kind", ["server", "directory", "registry"])
def test_adding_a_source_says_what_it_offers(
    site: PlainMachine,
    images: Repository,
    key: SigningKey,
    run: Callable[..., str],
    document: Callable[..., Any],
    kind: str,
) -> None:
    signed = datetime.now(UTC) - timedelta(hours=3)
    images.sign(key, time=signed)
    with Server(images.folder) as server, MadeUpRegistry() as registry:
        registry.publish(images.folder)
        where = {"server": server.url, "directory": str(images.folder), "registry": registry.url}[kind]
        told = run("add", "main", where, "--key", str(images.folder.parent / "key"))
        line = f"main: 2 images, list signed {signed.astimezone():%Y-%m-%d} by {key.fingerprint[:8]}...\n"
        assert line in told and "next step:\n    tukit-sysext list\n" in told
        assert HealthFile.of(site.machine).read()["main"].images == 2
        again = document("add", "main", where, "--key", str(images.folder.parent / "key"), "--force")
    assert (again["answer"]["images"], again["answer"]["signer"]) == (2, key.fingerprint)
    assert "not asked yet" not in run("list") == run()
    (listed,) = document("list")["sources"]
    assert (listed["kind"], listed["cosign_key"]) == (kind, None)


def wrong_key(images: Repository) -> list[str]:
    other = SigningKey.make(images.folder.parent / "gpg")
    (images.folder.parent / "key").write_bytes(other.public())
    return [str(images.folder)]


def nobody(_: Repository) -> list[str]:
    return [unused_url()]


def empty(images: Repository) -> list[str]:
    (images.folder.parent / "empty").mkdir()
    return [str(images.folder.parent / "empty")]


def unsigned(images: Repository) -> list[str]:
    (images.folder / "SHA256SUMS.gpg").unlink()
    return [str(images.folder)]


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [(wrong_key, "is refused"), (nobody, "127.0.0.1"), (empty, "No such file"), (unsigned, "it is not signed")],
)
def test_what_gives_no_good_list_is_not_added(
    site: PlainMachine,
    images: Repository,
    run: Callable[..., str],
    break_it: Callable[[Repository], list[str]],
    reason: str,
) -> None:
    """Nothing is written, of its key neither; who knows better says so."""
    argv = ["add", "main", *break_it(images), "--key", str(images.folder.parent / "key")]
    before = files(site)
    for more in ([], ["--dry-run"]):
        told = run(*argv, *more, status=1)
        assert reason in told and "main is not added" in told and "--no-check" in told
        assert files(site) == before
    told = run(*argv, "--no-check")
    assert "next step:\n    tukit-sysext sources refresh main" in told
    assert "not asked yet" in run()
    assert reason in run("refresh", status=1)
    assert reason in run()


def test_another_list_than_the_one_that_is_replaced(
    site: PlainMachine, images: Repository, key: SigningKey, run: Callable[..., str]
) -> None:
    """What --force keeps (a limit for the age of lists) counts already when it is looked at."""
    images.sign(key, time=datetime.now(UTC) - timedelta(hours=3))
    make_tree(site.root, {ETC: f"[Source]\nPath={images.folder}\nMaxAge=1h\n"})
    told = run("add", "main", str(images.folder), "--key", str(images.folder.parent / "key"), "--force", status=1)
    assert "MaxAge=" in told


def test_refresh(
    site: PlainMachine, images: Repository, key: SigningKey, run: Callable[..., str], document: Callable[..., Any]
) -> None:
    folder = "etc/tukit-sysext/sources.d"
    make_tree(
        site.root,
        {
            ETC: f"[Source]\nPath={images.folder}\n",
            f"{folder}/away.conf": "[Source]\nPath=/nowhere\nVerify=no\n",
            f"{folder}/off.conf": "[Source]\nPath=/nowhere\nEnabled=no\n",
            f"{folder}/nothing.conf": "[Source]\nVerify=no\n",
            "etc/systemd/import-pubring.gpg": key.public(),
        },
    )
    printed = document("refresh", status=1)
    assert [each["name"] for each in printed["sources"]] == ["away", "main", "nothing"]
    assert [each["reason"] is None for each in printed["sources"]] == [False, True, False]
    health = HealthFile.of(site.machine).read()
    assert (health["main"].failing, health["away"].good) == (None, None)
    assert "main: 2 images" in run("refresh", "main")
    assert "\n  next step: fix access to it, then:\n    tukit-sysext sources refresh away\n" in run("refresh", status=1)
    assert "sources enable off" in run("refresh", "off", status=1)
    assert "Did you mean main?" in run("refresh", "mian", status=1)


@pytest.mark.parametrize("vendor", [False, True], ids=["of /etc", "of a package"])
def test_disable_and_enable(
    site: PlainMachine, images: Repository, run: Callable[..., str], document: Callable[..., Any], vendor: bool
) -> None:
    conf = f"# mine\n[Source]\nPath={images.folder}\nVerify=no\n"
    make_tree(site.root, {VENDOR if vendor else ETC: conf, WANTED: "[Image]\nSource=main\n"})
    before = files(site)
    assert "/etc/tukit-sysext/sources.d/main.conf" in run("disable", "-n", "main")
    assert files(site) == before
    printed = document("disable", "main")
    assert printed["trees"][0]["wanted_by"] == ["gdb"]
    with Tree(site.root) as tree:
        assert load_configuration(tree).sources == {}
    assert "is disabled already" in run("disable", "main")
    assert "sources enable main" in run()
    listed = document("list")
    assert listed["masked"].keys() == ({"main"} if vendor else set())
    assert [each["enabled"] for each in listed["sources"]] == ([] if vendor else [False])
    assert "enabled: " in run("enable", "main")
    assert files(site) == before, "all of it is as it was"
    assert "is enabled already" in run("enable", "main")


def test_a_package_may_ship_it_disabled(site: PlainMachine, images: Repository, run: Callable[..., str]) -> None:
    text = f"[Source]\nPath={images.folder}\nEnabled=no\nVerify=no\n"
    make_tree(site.root, {VENDOR: text})
    for _ in range(2):
        run("enable", "main")
        assert (site.root / ETC).read_text() == f"[Source]\nPath={images.folder}\nVerify=no\n"
        run("disable", "main")
    make_tree(site.root, {ETC: ""})
    run("enable", "main")
    with Tree(site.root) as tree:
        assert list(load_configuration(tree).sources) == ["main"]


@pytest.mark.parametrize("mask", ["", Link("/dev/null")], ids=["empty file", "link"])
def test_what_hides_nothing_cannot_be_enabled(site: PlainMachine, run: Callable[..., str], mask: Content) -> None:
    make_tree(site.root, {ETC: mask})
    assert "no file behind it" in run("enable", "main", status=1)
    assert "is disabled already" in run("disable", "main")


def test_what_is_wrong_in_a_disabled_source_is_nobodys_business(site: PlainMachine) -> None:
    make_tree(site.root, {ETC: "[Source]\nEnabled=no\nKeyring=/nowhere\nOdd=1\n"})
    with Tree(site.root) as tree:
        configuration = load_configuration(tree)
    assert (configuration.problems, list(configuration.disabled)) == ((), ["main"])


class TestCosign:
    """``sources add --cosign-key``: a project of a registry whose images are signed, and no list."""

    @pytest.fixture
    def pair(self, tmp_path: Path) -> CosignPair:
        pair = CosignPair.make(tmp_path)
        (tmp_path / "cosign.pub").write_bytes(pair.public)
        return pair

    def add(self, tmp_path: Path, url: str, *more: str) -> tuple[str, ...]:
        return "add", "fleet", url, "--cosign-key", str(tmp_path / "cosign.pub"), *more

    def test_it_is_added_when_what_is_wanted_is_signed(
        self,
        site: PlainMachine,
        pair: CosignPair,
        run: Callable[..., str],
        document: Callable[..., Any],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        with MadeUpRegistry() as registry:
            pair.cosign(registry, "gdb", push(registry, "15.2").sha256)
            add = self.add(tmp_path, registry.url)
            told = run(*add)
            assert "fleet: no image that is wanted is there, so that no signature was checked\n" in told
            assert "next step:\n    tukit-sysext install --source fleet NAME\n" in told
            site.want("gdb")
            before = files(site)
            told = run(*add, "--force", "--dry-run")
            assert files(site) == before
            assert "fleet: 1 image of those that are wanted, each signed with cosign\n" in told
            assert "sources.d/fleet.conf would be written" in told
            der = subprocess.run(
                ["openssl", "pkey", "-pubin", "-outform", "DER"], input=pair.public, capture_output=True, check=True
            )
            fingerprint = hashlib.sha256(der.stdout).hexdigest().upper()
            assert f"  key of cosign, SHA-256 {fingerprint}\n" in told
            assert "next step: compare this fingerprint" in told
            added = document(*add, "--force")
            assert (added["cosign_key"], added["keys"], added["answer"]["images"]) == (fingerprint, [], 1)
            assert "each signed with cosign" in run("refresh", "fleet")
            assert cli.main(["install", "--dry-run", "--source", "fleet", "gdb"], machine=site.machine) == 0
            assert "gdb: 15.2 would be" in capsys.readouterr().out
        (listed,) = document("list")["sources"]
        key_file = "etc/tukit-sysext/keyrings/fleet.pub"
        assert (listed["cosign_key"], listed["problems"], listed["keyrings"]) == (f"/{key_file}", [], [])
        assert (site.root / key_file).read_bytes() == pair.public
        assert f"/{key_file} removed" in run("remove", "fleet")
        assert not (site.root / key_file).exists()

    @pytest.mark.parametrize("signed", [True, False])
    def test_what_another_key_signed_or_none_is_refused_and_nothing_written(
        self, site: PlainMachine, pair: CosignPair, run: Callable[..., str], tmp_path: Path, signed: bool
    ) -> None:
        site.want("gdb")
        before = files(site)
        (tmp_path / "other").mkdir()
        with MadeUpRegistry() as registry:
            pushed = push(registry, "15.2")
            if signed:
                CosignPair.make(tmp_path / "other").cosign(registry, "gdb", pushed.sha256)
            told = run(*self.add(tmp_path, registry.url), status=1)
        assert "fleet is not added: " in told and "keyrings/fleet.pub" in told
        assert files(site) == before

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "expected one public key in PEM form"),
            ("", "expected one public key in PEM form"),
            ("TWICE", "expected one public key in PEM form"),
            ("CUT", "the key is not whole"),
            ("ED25519", "expected a key of ECDSA or RSA"),
        ],
    )
    def test_what_is_no_key_of_cosign(
        self, site: PlainMachine, pair: CosignPair, run: Callable[..., str], tmp_path: Path, content: str, why: str
    ) -> None:
        lines = pair.public.splitlines(keepends=True)
        given = {
            "TWICE": pair.public * 2,
            "CUT": b"".join([lines[0], lines[1][:-5] + b"\n", lines[-1]]),
            "ED25519": _ED25519,
        }
        (tmp_path / "cosign.pub").write_bytes(given.get(content, content.encode()))
        before = files(site)
        told = run(*self.add(tmp_path, "oci://127.0.0.1/images", "--no-check"), status=1)
        assert f"{tmp_path}/cosign.pub is not a public key of cosign: {why}" in told
        assert "next step: the publisher has it, or:\n    cosign public-key --key cosign.key\n" in told
        assert files(site) == before

    @pytest.mark.parametrize("kind", ["ec", "rsa"])
    def test_both_kinds_of_keys_are_taken(
        self, site: PlainMachine, run: Callable[..., str], tmp_path: Path, kind: str
    ) -> None:
        (tmp_path / "cosign.pub").write_bytes(CosignPair.make(tmp_path, kind=kind).public)
        run(*self.add(tmp_path, "oci://127.0.0.1/images", "--no-check"))
        assert run("list").count("each image signed with cosign by /etc/tukit-sysext/keyrings/fleet.pub") == 1

    @pytest.mark.parametrize(
        ("words", "why"),
        [
            (["https://images.example.org/"], "--cosign-key is for images of a registry: oci://"),
            (["FOLDER"], "--cosign-key is for images of a registry: oci://"),
            (["oci://127.0.0.1/images", "--fingerprint", "A" * 40], "a signed list, which --cosign-key does without"),
        ],
    )
    def test_where_there_is_a_list(
        self, pair: CosignPair, run: Callable[..., str], tmp_path: Path, words: list[str], why: str
    ) -> None:
        url, *more = (str(tmp_path) if word == "FOLDER" else word for word in words)
        assert why in run(*self.add(tmp_path, url, *more), status=2)

    def test_a_list_gives_way_to_signatures_of_cosign_and_back(
        self, site: PlainMachine, images: Repository, pair: CosignPair, run: Callable[..., str], tmp_path: Path
    ) -> None:
        """What the file says of lists goes with the list, what it says of the server stays."""
        by_list = ("add", "fleet", "oci://127.0.0.1/images", "--key", str(tmp_path / "key"), "--no-check")
        run(*by_list)
        path = site.root / "etc/tukit-sysext/sources.d/fleet.conf"
        path.write_text(f"{path.read_text()}MaxAge=30d\nMatchPattern=@v.raw\n")
        run(*self.add(tmp_path, "oci://127.0.0.1/images", "--no-check", "--force"))
        lines = path.read_text().splitlines()
        assert lines[1:] == [
            "[Source]",
            "URL=oci://127.0.0.1/images/",
            "CosignKey=/etc/tukit-sysext/keyrings/fleet.pub",
            "MatchPattern=@v.raw",
        ]
        run(*by_list, "--force")
        assert "CosignKey" not in path.read_text() and "fleet.gpg" in path.read_text()
        assert run("remove", "fleet").count("/etc/tukit-sysext/keyrings/fleet.") == 2, "both keys go"

    def test_a_key_that_another_source_names_stays(
        self, site: PlainMachine, pair: CosignPair, run: Callable[..., str], tmp_path: Path
    ) -> None:
        run(*self.add(tmp_path, "oci://127.0.0.1/images", "--no-check"))
        key_file = "/etc/tukit-sysext/keyrings/fleet.pub"
        other = f"[Source]\nURL=oci://127.0.0.1/other\nCosignKey={key_file}\n"
        make_tree(site.root, {"etc/tukit-sysext/sources.d/other.conf": other})
        assert f"{key_file} stays, as other has it too" in run("remove", "fleet")


_ED25519 = b"""-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""
