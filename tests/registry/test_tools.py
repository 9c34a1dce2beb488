# SPDX-License-Identifier: LGPL-2.1-or-later
"""oras, skopeo and cosign, as Debian has them: what they push we read, what we push they read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.authority import Authority
from tests.lab.errors import LabError
from tests.lab.registry import LOGIN, Registry, tool
from tests.registry.reading import get, manifest
from tests.unit.publish.publisher import Publisher
from tukit_sysext.formats import oci

pytestmark = [pytest.mark.root, pytest.mark.lab, pytest.mark.tool("gpg", "mksquashfs")]

IMAGE = "gdb-1.0+1.x86-64.raw"
LISTS = ("SHA256SUMS", "SHA256SUMS.gpg", "SHA256SUMS.asc")
USER, _, PASSWORD = LOGIN.partition(":")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the tools run."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def pushed(publisher: Publisher, registry: Registry) -> Registry:
    """A registry with what we push: an image for two architectures, and one for all."""
    publisher.image("gdb", "1.0+1", size_mib=1)
    publisher.image("gdb", "1.0+1", architecture="arm64")
    publisher.image("scripts", "3", {"ID": "_any"}, file_name="scripts-3.raw", architecture="")
    publisher.run("--to", f"oci+http://{registry.host}/p")
    return registry


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def published(publisher: Publisher, *begin: str) -> dict[str, bytes]:
    return {name: content for name, content in files(publisher.folder).items() if name.startswith(begin)}


@pytest.mark.parametrize(
    ("reference", "begin"),
    [
        ("gdb:1.0_2b1-amd64", ("gdb-1.0+1.x86-64.",)),
        ("gdb:1.0_2b1-arm64", ("gdb-1.0+1.arm64.",)),
        ("sha256sums:latest", LISTS),
    ],
)
def test_oras_pulls_the_files_that_were_pushed(
    publisher: Publisher, pushed: Registry, folder: Path, reference: str, begin: tuple[str, ...]
) -> None:
    tool("oras", "pull", "--plain-http", "-o", "out", f"{pushed.host}/p/{reference}", folder=folder)
    assert files(folder / "out") == published(publisher, *begin)


def test_oras_pulls_what_is_for_a_platform(publisher: Publisher, pushed: Registry, folder: Path) -> None:
    argv = ["oras", "pull", "--plain-http", "--platform", "linux/arm64", "-o", "out", f"{pushed.host}/p/gdb:1.0_2b1"]
    tool(*argv, folder=folder)
    assert files(folder / "out") == published(publisher, "gdb-1.0+1.arm64.")


def test_oras_lists_tags(pushed: Registry, folder: Path) -> None:
    told = tool("oras", "repo", "tags", "--plain-http", f"{pushed.host}/p/gdb", folder=folder)
    assert set(told.split()) == {"1.0_2b1", "1.0_2b1-amd64", "1.0_2b1-arm64"}
    assert "p/sha256sums" in tool("oras", "repo", "ls", "--plain-http", pushed.host, folder=folder).split()


def as_source(publisher: Publisher, registry: Registry) -> None:
    """The machine has the project as its source."""
    configuration = publisher.machine.root / "etc/tukit-sysext/sources.d/main.conf"
    configuration.write_text(f"[Source]\nURL=oci+http://{registry.host}/p\nKeyring=/etc/tukit-sysext/key.gpg\n")


def installed(publisher: Publisher) -> bytes:
    """What the machine has of the image once it was installed."""
    done = publisher.machine.command("install", "gdb")
    assert done.returncode == 0, done.stdout + done.stderr
    return (publisher.machine.layout.store / IMAGE).read_bytes()


def test_skopeo_copies_a_project(publisher: Publisher, pushed: Registry, folder: Path, tmp_path: Path) -> None:
    """To another registry, which a machine takes the image from then."""
    raw = tool(
        "skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{pushed.host}/p/gdb:1.0_2b1", folder=folder
    )
    assert json.loads(raw) == manifest(pushed, "p/gdb/manifests/1.0_2b1")
    with Registry(tmp_path / "other") as other:
        for reference in ("gdb:1.0_2b1", "gdb:1.0_2b1-amd64", "scripts:3", "sha256sums:latest"):
            places = [f"docker://{each.host}/p/{reference}" for each in (pushed, other)]
            options = ["--insecure-policy", "copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false"]
            tool("skopeo", *options, *places, folder=folder)
        as_source(publisher, other)
        pushed.stop()
        assert set(publisher.offered()) == {"gdb", "scripts"}
        assert installed(publisher) == (publisher.folder / IMAGE).read_bytes()


def test_what_oras_pushes_we_read(publisher: Publisher, registry: Registry, folder: Path) -> None:
    """By hand: each file of the folder, under tags of somebody's own, and the list."""
    publisher.image("gdb", "1.0+1", size_mib=1)
    publisher.run()
    for name, content in files(publisher.folder).items():
        (folder / name).write_bytes(content)
    push = ["oras", "push", "--plain-http"]
    artifact = ["--artifact-type", oci.IMAGE_ARTIFACT]
    names = [f"{IMAGE}:{oci.IMAGE_LAYER}", "gdb-1.0+1.x86-64.manifest.gz"]
    tool(*push, *artifact, f"{registry.host}/p/gdb:newest", *names, folder=folder)
    tool(*push, f"{registry.host}/p/sha256sums:latest", "SHA256SUMS", "SHA256SUMS.gpg", folder=folder)
    as_source(publisher, registry)
    assert publisher.offered() == {"gdb": ["1.0+1"]}
    assert installed(publisher) == (publisher.folder / IMAGE).read_bytes()


@pytest.fixture
def keys(folder: Path) -> Iterator[Path]:
    """A pair of keys of cosign's in the folder, without a password."""
    tool("cosign", "generate-key-pair", folder=folder, environment={"COSIGN_PASSWORD": ""})
    yield folder / "cosign.pub"


def test_cosign_signs_and_verifies_what_we_push(pushed: Registry, folder: Path, keys: Path) -> None:
    """The index of a version, and the image of an architecture; we skip the tags that it leaves."""
    assert keys.exists()
    options = ["--key", "cosign.key", "--tlog-upload=false", "--allow-insecure-registry", "--yes"]
    verify = ["cosign", "verify", "--key", "cosign.pub", "--insecure-ignore-tlog", "--allow-insecure-registry"]
    for tag in ("1.0_2b1", "1.0_2b1-amd64"):
        place = f"{pushed.host}/p/gdb"
        with pytest.raises(LabError, match="no signatures found"):
            tool(*verify, f"{place}:{tag}", folder=folder)
        tool("cosign", "sign", *options, f"{place}:{tag}", folder=folder, environment={"COSIGN_PASSWORD": ""})
        told = json.loads(tool(*verify, "-o", "json", f"{place}:{tag}", folder=folder))
        digest = told[0]["critical"]["image"]["docker-manifest-digest"]
        assert get(pushed, f"p/gdb/manifests/{digest}") == get(pushed, f"p/gdb/manifests/{tag}")


def test_behind_tls_with_a_login(publisher: Publisher, folder: Path, tmp_path: Path) -> None:
    """As registries are in earnest: we push, oras pulls."""
    authority = Authority.make(tmp_path / "authority")
    publisher.image("gdb", "1.0+1")
    secret = tmp_path / "secret"
    secret.write_text(f"{LOGIN}\n")
    secret.chmod(0o600)
    (publisher.machine.root / "etc/tukit-sysext/tukit-sysext.conf").write_text(
        f"[Network]\nCAFile={authority.certificate_path}\n"
    )
    with Registry(tmp_path / "secure", login=True, authority=authority) as registry:
        publisher.run("--to", f"oci://{registry.host}/p", "--credentials", str(secret))
        argv = ["oras", "pull", "-u", USER, "-p", PASSWORD, "-o", "out", f"{registry.host}/p/gdb:1.0_2b1-amd64"]
        tool(*argv, folder=folder, authority=authority)
    assert files(folder / "out") == published(publisher, "gdb-")
