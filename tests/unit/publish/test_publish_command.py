# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext publish`` with real images and a key: what is written, what clients make of it, what goes when."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.documents import faults
from tests.lab.images import ImageKind
from tests.lab.signing import SigningKey
from tests.packing import PACKINGS, pack
from tests.trees import listing
from tests.unit.publish.publisher import RELEASE, Publisher, days_later
from tukit_sysext.publish import publication
from tukit_sysext.publish.memory import FILE
from tukit_sysext.publish.switching import switch
from tukit_sysext.system.gpg import Gpg

pytestmark = [pytest.mark.root, pytest.mark.tool("gpg", "mksquashfs")]

NEWER = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.43"}


@pytest.mark.parametrize("kind", ["squashfs", "erofs", "gpt"])
def test_a_machine_finds_what_is_published(publisher: Publisher, kind: ImageKind) -> None:
    publisher.image("gdb", "1.0", kind=kind)
    publisher.image("gdb", "1.1", NEWER, kind=kind)
    publisher.run()
    assert publisher.offered() == {"gdb": ["1.1", "1.0"]}
    assert publisher.listed == [
        f"gdb-{version}.x86-64.{end}" for version in ("1.0", "1.1") for end in ("manifest.gz", "raw")
    ]
    described = json.loads(gzip.decompress((publisher.folder / "gdb-1.1.x86-64.manifest.gz").read_bytes()))
    assert described["extension"] == {**NEWER, "ARCHITECTURE": "x86-64"}
    assert described["config"]["name"] == "gdb"
    done = publisher.machine.command("list", "--json")
    assert [(image["name"], image["newest"]) for image in json.loads(done.stdout)["images"]] == [("gdb", "1.0")]


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_packed_image(publisher: Publisher, packing: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is unpacked to be looked into, and listed as it is; one that cannot be unpacked is refused."""
    packed = pack(publisher.image("gdb", "1.0", size_mib=1), packing)
    publisher.run()
    assert publisher.offered() == {"gdb": ["1.0"]}
    assert publisher.listed == ["gdb-1.0.x86-64.manifest.gz", packed.name]
    packed.write_bytes(packed.read_bytes()[:-100])
    publisher.run(status=1)
    assert f"{packed.name}: it cannot be unpacked" in capsys.readouterr().err


def test_both_signatures_are_good_and_the_list_is_that_of_sha256sum(publisher: Publisher) -> None:
    publisher.image("gdb", "1.0")
    publisher.run("--best-before", "14d")
    for signature in ("SHA256SUMS.gpg", "SHA256SUMS.asc"):
        argv = ["gpgv", "--keyring", str(publisher.keyring), signature, "SHA256SUMS"]
        subprocess.run(argv, cwd=publisher.folder, check=True, capture_output=True)
    subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=publisher.folder, check=True, capture_output=True)
    assert (publisher.folder / "SHA256SUMS").read_bytes().endswith(b"\n")


def test_a_list_says_when_it_goes_stale(publisher: Publisher) -> None:
    publisher.image("gdb", "1.0")
    publisher.run("--best-before", "14d")
    day = datetime.now(UTC).date() + timedelta(days=14)
    assert publisher.listed[0] == f"BEST-BEFORE-{day}"
    publisher.run("--best-before", "15d")
    assert publisher.listed[0] == f"BEST-BEFORE-{day + timedelta(days=1)}"
    publisher.run()
    assert not any("BEST-BEFORE" in name for name in listing(publisher.folder))


def test_again_with_nothing_new(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    """The same list, and no image is looked into: an ordinary user may do that."""
    publisher.image("gdb", "1.0")
    publisher.run()
    before = listing(publisher.folder)
    publisher.machine.as_user()
    capsys.readouterr()
    publisher.run()
    told = capsys.readouterr()
    assert ("new" in told.out.split(), told.err) == (False, "")
    after = listing(publisher.folder)
    assert {name for name in after if after[name] != before.get(name)} <= {"SHA256SUMS.gpg", "SHA256SUMS.asc"}
    assert after.keys() == before.keys()


def test_an_ordinary_user_and_a_new_image(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1.0")
    publisher.machine.as_user()
    before = listing(publisher.folder)
    publisher.run(status=1)
    assert "tukit-sysext: publish needs root\n  next step:\n    sudo tukit-sysext publish" in capsys.readouterr().err
    assert listing(publisher.folder) == before


def test_one_image_that_is_refused_keeps_all_from_being_published(
    publisher: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.image("gdb", "1.0")
    publisher.run()
    publisher.image("strace", "6.1", release_name="ltrace")
    (publisher.folder / "htop-3.4.x86-64.raw").write_bytes(b"half an upload")
    before = listing(publisher.folder)
    publisher.run(status=1)
    told = capsys.readouterr().err
    assert "strace-6.1.x86-64.raw: its content calls itself ltrace" in told
    assert "htop-3.4.x86-64.raw: cannot be read as an extension image" in told
    assert "clients would not take 2 of its images\n  next step: correct these images" in told
    assert listing(publisher.folder) == before


def test_nothing_to_publish(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1.0", file_name="gdb.raw")
    publisher.image("conf", "1.0", file_name="conf-1.0.x86-64.confext.raw")
    publisher.run(status=1)
    told = capsys.readouterr().err
    assert "expected images, NAME-VERSION.ARCHITECTURE.raw, found none" in told
    assert "gdb.raw: its name does not tell image and version" in told
    assert "conf-1.0.x86-64.confext.raw: it is a confext" in told
    assert "next step:\n    man tukit-sysext-repository\n" in told


def test_what_is_no_image_is_not_listed(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1.0", manifest="mkosi")
    for name in ("index.html", "gdb.raw", "gdb-1.0.x86-64.raw.sig", ".hidden-1.0.x86-64.raw"):
        (publisher.folder / name).write_text("something")
    publisher.run()
    assert publisher.listed == ["gdb-1.0.x86-64.manifest", "gdb-1.0.x86-64.raw"]
    assert "gdb.raw is not listed: its name does not tell" in capsys.readouterr().err


@pytest.mark.parametrize("manifest", ["mkosi", "mkosi.gz", "sysextmgr"])
def test_a_description_that_agrees_stays(publisher: Publisher, manifest: str) -> None:
    publisher.image("gdb", "1.0", manifest=manifest)
    before = listing(publisher.folder)
    publisher.run()
    after = listing(publisher.folder)
    assert after.keys() - before.keys() == {"SHA256SUMS", "SHA256SUMS.gpg", "SHA256SUMS.asc", FILE}
    assert len(publisher.listed) == 2


@pytest.mark.parametrize(
    ("name", "extension"), [("image", {}), ("main", None), ("gdb", {**RELEASE, "ID": "other"}), ("gdb", {})]
)
def test_a_description_that_says_nothing_or_something_else(publisher: Publisher, name: str, extension: object) -> None:
    """It is left as it is and out of the list, and another one is written: the machine looks at that alone."""
    publisher.image("gdb", "1.0")
    config = {"name": name, "architecture": "x86-64"}
    text = json.dumps({"manifest_version": 1, "config": config, "packages": [], "extension": extension})
    (publisher.folder / "gdb-1.0.x86-64.manifest").write_text(text)
    publisher.run()
    assert publisher.listed == ["gdb-1.0.x86-64.manifest.gz", "gdb-1.0.x86-64.raw"]
    assert (publisher.folder / "gdb-1.0.x86-64.manifest").read_text() == text
    assert publisher.offered() == {"gdb": ["1.0"]}


def test_three_descriptions_that_say_something_else(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1.0")
    for name in ("manifest", "manifest.gz", "raw.json"):
        (publisher.folder / f"gdb-1.0.x86-64.{name}").write_text("{}")
    before = listing(publisher.folder)
    publisher.run(status=1)
    told = capsys.readouterr().err
    assert "none of its descriptions says what is in it" in told
    assert f"next step: have publish write it anew, after:\n    rm {publisher.folder}/gdb-1.0.x86-64.manifest" in told
    assert listing(publisher.folder) == before


def test_old_versions_leave_the_list_at_once_and_the_folder_90_days_later(
    publisher: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    """P3: a machine that has an image brings it back by its hash, without the list."""
    old = publisher.image("gdb", "1.0")
    publisher.image("gdb", "1.1")
    publisher.run()
    days_later(publisher, 200)
    publisher.run("--keep", "1")
    until = date.today() + timedelta(days=90)
    assert f"gdb-1.0.x86-64.raw: not listed any more, stays until {until}" in capsys.readouterr().out
    assert publisher.offered() == {"gdb": ["1.1"]}
    days_later(publisher, 89)
    publisher.run("--keep", "1")
    assert old.exists()
    days_later(publisher, 1)
    publisher.run("--keep", "1", "--dry-run")
    assert "gdb-1.0.x86-64.raw: would be deleted" in capsys.readouterr().out
    assert old.exists()
    publisher.run("--keep", "1")
    assert sorted(listing(publisher.folder)) == [
        FILE,
        "SHA256SUMS",
        "SHA256SUMS.asc",
        "SHA256SUMS.gpg",
        "gdb-1.1.x86-64.manifest.gz",
        "gdb-1.1.x86-64.raw",
    ]


def test_without_its_memory_nothing_goes(publisher: Publisher) -> None:
    for version in ("1.0", "1.1"):
        publisher.image("gdb", version)
    publisher.run()
    publisher.run("--keep", "1")
    (publisher.folder / FILE).write_text('{"version": 1, "files": {"gdb-1.0.x86-64.raw": {"listed": "1970-01-01"}}}')
    publisher.run("--keep", "1")
    assert (publisher.folder / "gdb-1.0.x86-64.raw").exists()


def test_what_was_listed_is_remembered_before_the_list_changes(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed behind the change, the next run would know only that it was listed long ago."""
    for version in ("1.0", "1.1"):
        publisher.image("gdb", version)
    publisher.run()
    days_later(publisher, 200)

    def killed(folder: Path, names: Collection[str], files: Mapping[str, bytes]) -> None:
        switch(folder, names, files)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(publication, "switch", killed)
        publisher.run("--keep", "1", status=130)
    publisher.run("--keep", "1")
    assert (publisher.folder / "gdb-1.0.x86-64.raw").exists()


def test_a_dry_run_changes_nothing_and_needs_no_key(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1.0")
    before = listing(publisher.folder)
    publisher.run("--dry-run", key=False)
    assert "SHA256SUMS: would be written, 1 image\n" in capsys.readouterr().out
    assert listing(publisher.folder) == before


def test_what_a_machine_would_take(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1.0")
    publisher.image("gdb", "1.1", NEWER)
    publisher.image("gdb", "1.2~rc1")
    publisher.image("strace", "6.1", NEWER)
    system = publisher.folder.parent / "os-release"
    system.write_text("ID=opensuse-microos\nVERSION_ID=20261101\nSYSEXT_LEVEL=glibc-2.42\n")
    publisher.run("-n", "--for", str(system), "--json", key=False)
    document = json.loads(capsys.readouterr().out)
    assert faults("publish", document) == []
    (found,) = document["systems"]
    assert [(image["name"], image["version"]) for image in found["images"]] == [("gdb", "1.0"), ("strace", None)]
    assert "SYSEXT_LEVEL is glibc-2.43, the system has glibc-2.42" in found["images"][0]["reason"]
    publisher.run("-n", "--for", str(system), key=False)
    assert "nothing" in capsys.readouterr().out


def test_an_os_release_that_is_none(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1.0")
    publisher.run("-n", "--for", str(publisher.folder / "gdb-1.0.x86-64.raw"), key=False, status=1)
    assert "expected an os-release" in capsys.readouterr().err


def test_the_document(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    for version in ("1.0", "1.1"):
        publisher.image("gdb", version)
    publisher.image("gdb", "1.2", file_name="gdb.raw")
    publisher.run("--json", "--keep", "1", "--best-before", "30d")
    document = json.loads(capsys.readouterr().out)
    assert faults("publish", document) == []
    assert [key["fingerprint"] for key in document["signers"]] == [publisher.key.fingerprint]
    (image,) = document["images"]
    assert (image["file"], image["added"], image["labelled"]) == ("gdb-1.1.x86-64.raw", True, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "expected --key KEY"),
        (("--key", "x", "--keep", "0"), "expected at least one version"),
        (("--key", "x", "--best-before", "soon"), "expected a time span"),
        (("--key", "x", "--best-before", "2h"), "expected a day at least"),
    ],
)
def test_wrong_words(
    publisher: Publisher, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    publisher.run(*options, key=False, status=2)
    assert message in capsys.readouterr().err


def test_a_key_that_gpg_does_not_have(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1.0")
    before = listing(publisher.folder)
    publisher.run("--key", "nobody@example.org", "--homedir", str(publisher.key.folder), key=False, status=1)
    assert "gpg has no key nobody@example.org" in capsys.readouterr().err
    assert listing(publisher.folder) == before


def test_a_key_that_has_expired_changes_nothing(
    publisher: Publisher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.image("gdb", "1.0")
    publisher.key = SigningKey.make(tmp_path / "expired", expires=datetime.now(UTC) - timedelta(days=1))
    before = listing(publisher.folder)
    publisher.run(status=1)
    assert "gpg cannot sign" in capsys.readouterr().err
    assert listing(publisher.folder) == before


def test_a_signature_that_clients_would_refuse(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """N11: gpg makes it all the same, as its own configuration says, or a key that is too weak."""
    publisher.image("gdb", "1.0")
    before = listing(publisher.folder)

    def weak(_: object, content: bytes, keys: object) -> tuple[bytes, bytes]:
        return publisher.key.sign(content, digest="SHA1"), b"armoured"

    monkeypatch.setattr(Gpg, "sign", weak)
    publisher.run(status=1)
    assert "clients would refuse the signature that gpg made" in capsys.readouterr().err
    assert listing(publisher.folder) == before


def test_two_keys(publisher: Publisher, tmp_path: Path) -> None:
    """For a change of keys: who knows either believes the list."""
    publisher.image("gdb", "1.0")
    other = SigningKey.make(tmp_path / "other", name="other@example.org")
    both = tmp_path / "both"
    both.mkdir(0o700)
    for key in (publisher.key, other):
        argv = ["gpg", "--homedir", str(key.folder), "--batch", "--export-secret-keys"]
        exported = subprocess.run(argv, check=True, capture_output=True).stdout
        argv = ["gpg", "--homedir", str(both), "--batch", "--import"]
        subprocess.run(argv, input=exported, check=True, capture_output=True)
    keys = ("--key", publisher.key.fingerprint, "--key", other.fingerprint)
    publisher.run(*keys, "--homedir", str(both), key=False)
    assert publisher.offered() == {"gdb": ["1.0"]}
    other.write_keyring(publisher.keyring)
    assert publisher.offered() == {"gdb": ["1.0"]}


def test_two_at_once(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1.0")
    with publication._alone(publisher.folder, wanted=True):
        publisher.run(status=1)
    assert "is being published" in capsys.readouterr().err
