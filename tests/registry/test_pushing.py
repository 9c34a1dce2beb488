# SPDX-License-Identifier: LGPL-2.1-or-later
"""``publish --to``: what real registries have afterwards, what is sent again, and what readers see meanwhile."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.lab.authority import Authority
from tests.lab.registry import LOGIN, Access, Registry
from tests.lab.server import Server
from tests.lab.token_server import TokenServer
from tests.packing import pack
from tests.registry.reading import get, layer, manifest, of_list
from tests.unit.publish.publisher import RELEASE, Publisher
from tukit_sysext.formats import oci

pytestmark = [pytest.mark.root, pytest.mark.lab, pytest.mark.tool("gpg", "mksquashfs")]

NEWER = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.43"}


def push(publisher: Publisher, registry: Registry, *options: str, status: int = 0) -> None:
    publisher.run("--to", f"oci{'' if registry.secure else '+http'}://{registry.host}/p", *options, status=status)


def changes(requests: Sequence[Access]) -> list[str]:
    return [f"{row.method} {row.path.partition('?')[0]}" for row in requests if row.method not in ("GET", "HEAD")]


def test_what_a_registry_has(publisher: Publisher, registry: Registry) -> None:
    publisher.image("gdb", "15.2~rc1")
    publisher.image("gdb", "15.2~rc1", architecture="arm64")
    scripts = publisher.image("scripts", "3", {"ID": "_any"}, file_name="scripts-3.raw", architecture=None)
    push(publisher, registry)

    index = manifest(registry, "p/gdb/manifests/15.2_7erc1")
    assert (index["mediaType"], index["artifactType"]) == (oci.INDEX, oci.IMAGE_ARTIFACT)
    assert index["annotations"] == {oci.VERSION: "15.2~rc1"}
    assert [each["platform"] for each in index["manifests"]] == [
        {"os": "linux", "architecture": "arm64"},
        {"os": "linux", "architecture": "amd64"},
    ]
    content = get(registry, "p/gdb/manifests/15.2_7erc1-amd64")
    assert index["manifests"][1]["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    found = json.loads(content)
    assert found["artifactType"] == oci.IMAGE_ARTIFACT
    assert found["annotations"] == {
        oci.VERSION: "15.2~rc1",
        **{f"{oci.RELEASE}{key}": value for key, value in {**RELEASE, "ARCHITECTURE": "x86-64"}.items()},
    }
    assert [(each["mediaType"], each["annotations"][oci.TITLE]) for each in found["layers"]] == [
        (oci.IMAGE_LAYER, "gdb-15.2~rc1.x86-64.raw"),
        (oci.DESCRIPTION_LAYER, "gdb-15.2~rc1.x86-64.manifest.gz"),
    ]
    for each in found["layers"]:
        name = each["annotations"][oci.TITLE]
        assert layer(registry, "gdb", found, name) == (publisher.folder / name).read_bytes()

    (only,) = manifest(registry, "p/scripts/manifests/3")["manifests"]
    assert "platform" not in only
    found = manifest(registry, f"p/scripts/manifests/{only['digest']}")
    assert layer(registry, "scripts", found, scripts.name) == scripts.read_bytes()
    tags = {name: set(manifest(registry, f"p/{name}/tags/list")["tags"]) for name in ("gdb", "scripts")}
    assert tags == {"gdb": {"15.2_7erc1", "15.2_7erc1-amd64", "15.2_7erc1-arm64"}, "scripts": {"3"}}
    names = ("SHA256SUMS", "SHA256SUMS.gpg", "SHA256SUMS.asc")
    assert of_list(registry) == {name: (publisher.folder / name).read_bytes() for name in names}


def test_a_packed_image(publisher: Publisher, registry: Registry) -> None:
    packed = pack(publisher.image("gdb", "1.0", size_mib=1), "zst")
    push(publisher, registry)
    found = manifest(registry, "p/gdb/manifests/1.0-amd64")
    assert found["layers"][0]["mediaType"] == "application/octet-stream"
    assert layer(registry, "gdb", found, packed.name) == packed.read_bytes()


def test_an_index_of_chunks_is_a_layer_too(publisher: Publisher, registry: Registry) -> None:
    pytest.importorskip("numpy")
    image = publisher.image("gdb", "1.0", size_mib=1)
    push(publisher, registry, "--chunks")
    found = manifest(registry, "p/gdb/manifests/1.0-amd64")
    assert found["layers"][2]["mediaType"] == oci.CHUNKS_LAYER
    index = image.with_name(f"{image.name}.caibx").read_bytes()
    assert layer(registry, "gdb", found, f"{image.name}.caibx") == index


def test_what_is_there_is_not_sent_again(
    publisher: Publisher, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.image("gdb", "1.0", size_mib=1)
    push(publisher, registry, "--json")
    first = json.loads(capsys.readouterr().out)["pushed"]
    assert first["to"] == f"oci+http://{registry.host}/p/"
    assert [each["file"] for each in first["sent"]] == ["gdb-1.0.x86-64.raw", "gdb-1.0.x86-64.manifest.gz"]
    assert first["sent"][0]["bytes"] == (publisher.folder / "gdb-1.0.x86-64.raw").stat().st_size
    publisher.image("gdb", "1.1", NEWER)
    push(publisher, registry, "--json", "--dry-run")
    foreseen = json.loads(capsys.readouterr().out)["pushed"]
    registry.stop()
    registry.start()
    push(publisher, registry, "--json")
    second = json.loads(capsys.readouterr().out)["pushed"]
    assert second == foreseen
    assert ([each["file"] for each in second["sent"]], second["unchanged"]) == (
        ["gdb-1.1.x86-64.raw", "gdb-1.1.x86-64.manifest.gz"],
        2,
    )
    registry.stop()
    sent = changes(registry.requests)
    assert len([line for line in sent if line.startswith("POST /v2/p/gdb/")]) == 2
    assert [line for line in sent if "manifests" in line] == [
        "PUT /v2/p/gdb/manifests/1.1-amd64",
        "PUT /v2/p/gdb/manifests/1.1",
        "PUT /v2/p/sha256sums/manifests/latest",
    ]


def test_a_dry_run_sends_nothing(publisher: Publisher, registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1.0")
    push(publisher, registry, "--dry-run")
    told = capsys.readouterr().out
    assert "gdb-1.0.x86-64.raw: would be sent, " in told
    assert f"oci+http://{registry.host}/p/: 2 files would be sent, 0 there already" in told
    registry.stop()
    assert changes(registry.requests) == []


def test_an_image_that_is_refused_keeps_all_back(publisher: Publisher, registry: Registry) -> None:
    publisher.image("gdb", "1.0")
    publisher.image("strace", "6.1", release_name="ltrace")
    push(publisher, registry, status=1)
    registry.stop()
    assert registry.requests == []


def test_two_files_of_one_version(publisher: Publisher, registry: Registry) -> None:
    """Both are in the index; the first one has the tag."""
    for name, level in (("gdb-1.0-x86-64.raw", "a"), ("gdb-1.0.x86-64.raw", "b")):
        publisher.image("gdb", "1.0", {"ID": "opensuse-microos", "SYSEXT_LEVEL": level}, file_name=name)
    push(publisher, registry)
    index = manifest(registry, "p/gdb/manifests/1.0")
    levels = [
        manifest(registry, f"p/gdb/manifests/{each['digest']}")["annotations"][f"{oci.RELEASE}SYSEXT_LEVEL"]
        for each in index["manifests"]
    ]
    assert levels == ["a", "b"]
    tagged = manifest(registry, "p/gdb/manifests/1.0-amd64")
    assert tagged["annotations"][f"{oci.RELEASE}SYSEXT_LEVEL"] == "a"
    registry.stop()
    registry.start()
    push(publisher, registry)
    registry.stop()
    assert [line for line in changes(registry.requests) if "/p/gdb/" in line] == []


def credentials(tmp_path: Path, text: str = f"{LOGIN}\n", mode: int = 0o600) -> str:
    path = tmp_path / "credentials"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_basic(publisher: Publisher, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1.0")
    with Registry(tmp_path / "basic", login=True) as registry:
        push(publisher, registry, status=1)
        told = capsys.readouterr().err
        assert "status 401 Unauthorized: it asks for credentials" in told
        assert "is published, oci+http://" in told
        push(publisher, registry, "--credentials", credentials(tmp_path, "lab:wrong\n"), status=1)
        assert "it does not allow that to these credentials" in capsys.readouterr().err
        push(publisher, registry, "--credentials", credentials(tmp_path))
        registry.stop()
    assert changes(registry.requests)[-1] == "PUT /v2/p/sha256sums/manifests/latest"


def test_bearer(publisher: Publisher, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1.0")
    with (
        TokenServer(tmp_path / "tokens", login=LOGIN, anonymous_pull=True) as tokens,
        Registry(tmp_path / "bearer", tokens=tokens) as registry,
    ):
        push(publisher, registry, status=1)
        assert "it asks for credentials" in capsys.readouterr().err
        tokens.asked.clear()
        push(publisher, registry, "--credentials", credentials(tmp_path))
        asked = [(scope.rpartition(":")[0], set(scope.rpartition(":")[2].split(","))) for (scope,) in tokens.asked]
        actions: list[set[str]] = [{"pull"}, {"pull", "push"}]
        assert asked == [(f"repository:p/{name}", each) for name in ("gdb", "sha256sums") for each in actions]
        push(publisher, registry, "--credentials", credentials(tmp_path, "lab:wrong\n"), status=1)


def test_tls(publisher: Publisher, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1.0")
    authority = Authority.make(tmp_path / "authority")
    configuration = publisher.machine.root / "etc/tukit-sysext/tukit-sysext.conf"
    with Registry(tmp_path / "tls", login=True, authority=authority) as registry:
        push(publisher, registry, "--credentials", credentials(tmp_path), status=1)
        assert "certificate" in capsys.readouterr().err
        configuration.write_text(f"[Network]\nCAFile={authority.certificate_path}\n")
        push(publisher, registry, "--credentials", credentials(tmp_path))
        registry.stop()
    assert changes(registry.requests)[-1] == "PUT /v2/p/sha256sums/manifests/latest"


def test_blobs_that_are_elsewhere_are_there(publisher: Publisher, tmp_path: Path) -> None:
    """A registry redirects to them, also who asks only whether they are there."""
    publisher.image("gdb", "1.0")
    place = tmp_path / "redirecting"
    with Server(place / "storage") as blobs, Registry(place, blobs_at=blobs.url) as registry:
        push(publisher, registry)
        publisher.image("gdb", "1.1", NEWER)
        push(publisher, registry)
        registry.stop()
    config = hashlib.sha256(oci.EMPTY).hexdigest()
    assert len([line for line in changes(registry.requests) if line == "POST /v2/p/gdb/blobs/uploads/"]) == 5
    assert [row.method for row in blobs.requests if config in row.path] == ["HEAD", "HEAD"]


def test_a_registry_that_is_away(publisher: Publisher, registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1.0")
    registry.stop()
    push(publisher, registry, status=1)
    told = capsys.readouterr().err
    assert "is published, oci+http://" in told
    assert "next step: the same command goes on with what is missing" in told


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--to", "https://registry.example.org/p"], "oci://HOST/PROJECT"),
        (["--to", "oci://registry.example.org/P"], "of lower-case letters"),
        (["--to", "oci://lab:secret@registry.example.org/p"], "without a user name or password"),
        (["--to", "oci:///p"], "or of a registry's project, oci://"),
        (["--credentials", "/etc/push"], "--credentials is for the registry of --to"),
    ],
)
def test_wrong_words(publisher: Publisher, options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1.0")
    publisher.run(*options, status=2)
    assert words in capsys.readouterr().err
    assert not (publisher.folder / "SHA256SUMS").exists()


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("lab:secret\n", 0o644, "expected a file of your own with mode 0600"),
        ("secret\n", 0o600, "expected one line, user:password"),
    ],
)
def test_credentials_that_are_not_taken(
    publisher: Publisher, tmp_path: Path, text: str, mode: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.image("gdb", "1.0")
    named = credentials(tmp_path, text, mode)
    publisher.run("--to", "oci://registry.example.org/p", "--credentials", named, status=1)
    told = capsys.readouterr().err
    assert (words in told, "secret" in told) == (True, False)


def test_a_version_that_can_be_no_tag(publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.image("gdb", "1" * 125)
    publisher.run("--to", "oci+http://127.0.0.1:1/p", status=1)
    assert "expected a tag of 1 to 128 characters" in capsys.readouterr().err
    assert not (publisher.folder / "SHA256SUMS").exists()
