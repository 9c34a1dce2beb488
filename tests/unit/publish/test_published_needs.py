# SPDX-License-Identifier: LGPL-2.1-or-later
"""What images need and provide stands in their descriptions, with what their publisher states."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any

import pytest

from tests.elf_files import elf_file
from tests.lab.server import Server
from tests.trees import listing
from tests.unit.publish.publisher import RELEASE, Publisher
from tukit_sysext.errors import NoVerdict
from tukit_sysext.publish import looking
from tukit_sysext.publish.memory import FILE
from tukit_sysext.quantities import size_text

pytestmark = [pytest.mark.root, pytest.mark.tool("gpg", "mksquashfs")]

IMAGE = "gdb-1.0.x86-64.raw"
FILES = {
    "bin/gdb": "#!/usr/bin/python3\n",
    "lib64/libgdb.so.1": elf_file(needs={"libc.so.6": ["GLIBC_2.38"]}, soname="libgdb.so.1"),
}
NEEDS = ["/usr/bin/python3", "libc.so.6()(64bit)", "libc.so.6(GLIBC_2.38)(64bit)"]
PROVIDES = ["libgdb.so.1()(64bit)"]
REQUIRES = ["glibc >= 2.40", "kernel-default = 6.16"]
PACKAGES = [{"type": "rpm", "name": "gdb", "version": "15.2-1", "architecture": "x86_64"}]


def described(publisher: Publisher, kind: str = "manifest.gz") -> Any:
    content = (publisher.folder / f"gdb-1.0.x86-64.{kind}").read_bytes()
    return json.loads(gzip.decompress(content) if kind.endswith("gz") else content)


def again(publisher: Publisher) -> None:
    """Publishing once more changes nothing but the signatures."""
    before = listing(publisher.folder)
    publisher.run()
    after = listing(publisher.folder)
    assert {name for name in after if after[name] != before.get(name)} <= {"SHA256SUMS.gpg", "SHA256SUMS.asc"}
    assert after.keys() == before.keys()


def test_of_an_image_without_a_description(publisher: Publisher) -> None:
    publisher.image("gdb", "1.0", files=FILES)
    publisher.run()

    said = described(publisher)
    assert (said["needs"], said["provides"]) == (NEEDS, PROVIDES)
    assert "requires" not in said
    again(publisher)


def test_sizes_are_said_of_the_content_that_was_published(publisher: Publisher) -> None:
    image = publisher.image("gdb", "1.0", files=FILES)
    publisher.run()
    content = (publisher.folder / IMAGE).read_bytes()
    former = {hashlib.sha256(content).hexdigest(): len(content)}
    assert described(publisher)["sizes"] == former

    image.write_bytes(content + bytes(4096))
    publisher.run()
    assert described(publisher)["sizes"] == former, "of another content nothing is said, which is better than the wrong"


def test_an_image_that_is_packed_too_has_both_sizes(publisher: Publisher) -> None:
    content = publisher.image("gdb", "1.0", files=FILES).read_bytes()
    packed = publisher.folder / f"{IMAGE}.gz"
    packed.write_bytes(gzip.compress(content))
    publisher.run()
    files = (content, packed.read_bytes())
    assert described(publisher)["sizes"] == {hashlib.sha256(each).hexdigest(): len(each) for each in files}
    again(publisher)


@pytest.mark.parametrize("has_release", [True, False])
def test_what_the_publisher_states_is_kept(publisher: Publisher, has_release: bool) -> None:
    """mkosi's manifest with a list of packages; before 26 it says nothing of a release."""
    publisher.image("gdb", "1.0", files=FILES, manifest="mkosi")
    path = publisher.folder / "gdb-1.0.x86-64.manifest"
    document = {**json.loads(path.read_bytes()), "requires": REQUIRES, "packages": PACKAGES}
    if not has_release:
        del document["extension"]
    path.write_text(json.dumps(document))
    publisher.run()

    said = described(publisher)
    assert {key: said[key] for key in ("extension", "needs", "provides", "requires", "packages")} == {
        "extension": {**RELEASE, "ARCHITECTURE": "x86-64"},
        "needs": NEEDS,
        "provides": PROVIDES,
        "requires": REQUIRES,
        "packages": PACKAGES,
    }
    assert json.loads(path.read_bytes()) == document, "what somebody else wrote stays as it is"
    again(publisher)


def test_requirements_in_the_form_of_sysextmgr(publisher: Publisher) -> None:
    publisher.image("gdb", "1.0", files=FILES, manifest="sysextmgr")
    path = publisher.folder / f"{IMAGE}.json"
    entry = json.loads(path.read_bytes())
    path.write_text(json.dumps([{**entry, "requires": REQUIRES}]))
    publisher.run()

    assert (described(publisher)["requires"], described(publisher)["needs"]) == (REQUIRES, NEEDS)
    assert path.name in publisher.listed, "others read it"
    again(publisher)


def test_requirements_that_no_machine_understands(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1.0", files=FILES, manifest="mkosi")
    path = publisher.folder / "gdb-1.0.x86-64.manifest"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "requires": ["glibc>=2.40"]}))
    publisher.run(status=1)

    assert f"{IMAGE}: {path.name}: requires: glibc>=2.40: expected white space" in capsys.readouterr().err
    assert not (publisher.folder / "SHA256SUMS").exists()


def test_one_that_was_published_before_needs_were_looked_for(publisher: Publisher) -> None:
    """Its description is in the list, which has its hash: a new one comes beside it, and in its place in the list."""
    publisher.image("gdb", "1.0", files=FILES)
    publisher.run()
    old = publisher.folder / "gdb-1.0.x86-64.manifest.gz"
    said = described(publisher)
    del said["needs"], said["provides"]
    old.write_bytes(gzip.compress(json.dumps(said).encode()))
    (publisher.folder / FILE).write_text(_former((publisher.folder / FILE).read_text()))
    publisher.run()

    assert publisher.listed == ["gdb-1.0.x86-64.manifest", IMAGE]
    assert described(publisher, "manifest")["needs"] == NEEDS
    assert old.exists(), "machines with the old list read it"
    again(publisher)


def _former(memory: str) -> str:
    document = json.loads(memory)
    for said in document["files"].values():
        del said["needs"], said["provides"]
    return json.dumps(document)


def test_an_image_that_nobody_can_look_through_is_published(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise NoVerdict("what it needs is not known: it has more than 200000 files")

    publisher.image("gdb", "1.0", files=FILES)
    with monkeypatch.context() as patch:
        patch.setattr(looking, "look_through", fail)
        publisher.run()
    said = capsys.readouterr().err
    assert f"{IMAGE}: its description does not say what it needs: what it needs is not known: it has more" in said
    assert "needs" not in described(publisher)

    publisher.run()
    assert described(publisher, "manifest")["needs"] == NEEDS, "once that can be done"
    again(publisher)


def test_more_than_a_description_may_say(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tukit_sysext.formats.manifest_contents.MOST_CHARACTERS", 50)
    publisher.image("gdb", "1.0", files=FILES)
    publisher.run()

    assert "needs" not in described(publisher)
    assert f"{IMAGE}: its description does not say what it needs, as that is more" in capsys.readouterr().err
    again(publisher)


def test_a_machine_knows_before_it_downloads(publisher: Publisher) -> None:
    """By what publish wrote: nothing is fetched to find it out."""
    publisher.image("gdb", "1.0", files=FILES, manifest="mkosi")
    path = publisher.folder / "gdb-1.0.x86-64.manifest"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "requires": ["libnone.so.1"]}))
    publisher.run()

    done = publisher.machine.command("why-not", "gdb", "--json")
    (version,) = json.loads(done.stdout)["versions"]
    rules = {rule["rule"]: rule for rule in version["rules"]}
    assert rules["stated"]["image"] == "libnone.so.1"


def test_how_much_a_server_would_send(publisher: Publisher) -> None:
    """The description says it before anything is fetched, as a server's list has no sizes."""
    size = publisher.image("gdb", "1.0", files=FILES).stat().st_size
    publisher.run()
    source, run = publisher.machine.root / "etc/tukit-sysext/sources.d/main.conf", publisher.machine.command
    with Server(publisher.folder) as server:
        source.write_text(f"[Source]\nURL={server.url}\nKeyring=/etc/tukit-sysext/key.gpg\n")
        (listed,) = json.loads(run("list", "--json").stdout)["images"]
        assert listed["newest_size"] == size
        assert size_text(size) in run("list").stdout
        (version,) = json.loads(run("list", "--all", "--json").stdout)["images"][0]["versions"]
        assert version["size"] == size
        for argv in (["install", "--dry-run", "gdb"], ["check"]):
            if argv == ["check"]:
                publisher.machine.want("gdb")
            assert size_text(size) in run(*argv).stdout, argv
        assert f"/{IMAGE}" not in [request.path for request in server.requests]
