# SPDX-License-Identifier: LGPL-2.1-or-later
"""Projects without a signed list: what cosign signed with a key, what oras pushed, and an ordinary container image."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.lab.registry import Registry, tool
from tests.unit.publish.publisher import RELEASE, Publisher
from tukit_sysext.formats import oci

pytestmark = [pytest.mark.root, pytest.mark.lab, pytest.mark.tool("gpg", "mksquashfs")]

IMAGE = "gdb-1.0.x86-64.raw"
NO_PASSWORD = {"COSIGN_PASSWORD": ""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the tools run, with two pairs of keys of cosign's: a.key, a.pub, b.key and b.pub."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name in "ab":
        tool("cosign", "generate-key-pair", "--output-key-prefix", name, folder=folder, environment=NO_PASSWORD)
    return folder


def as_source(publisher: Publisher, registry: Registry, lines: str) -> None:
    configuration = publisher.machine.root / "etc/tukit-sysext/sources.d/main.conf"
    configuration.write_text(f"[Source]\nURL=oci+http://{registry.host}/p\n{lines}\n")


def believing(publisher: Publisher, registry: Registry, folder: Path) -> None:
    """The machine believes cosign's key a."""
    (publisher.machine.root / "etc/tukit-sysext/main.pub").write_bytes((folder / "a.pub").read_bytes())
    as_source(publisher, registry, "CosignKey=/etc/tukit-sysext/main.pub")


def sign(registry: Registry, folder: Path, reference: str, key: str = "a.key") -> None:
    options = ["--key", key, "--tlog-upload=false", "--allow-insecure-registry", "--yes"]
    tool("cosign", "sign", *options, f"{registry.host}/p/{reference}", folder=folder, environment=NO_PASSWORD)


def install(publisher: Publisher, *, status: int = 0) -> str:
    """Install the image; what was told."""
    done = publisher.machine.command("install", "gdb")
    assert done.returncode == status, done.stdout + done.stderr
    # that of containers says nothing of its file's name
    stored = [path.read_bytes() for path in publisher.machine.layout.store.glob("gdb-1.0*.raw")]
    assert stored == ([(publisher.folder / IMAGE).read_bytes()] if status == 0 else [])
    return done.stdout + done.stderr


@pytest.mark.parametrize("tag", ["1.0", "1.0-amd64"])
def test_what_cosign_signed(publisher: Publisher, registry: Registry, folder: Path, tag: str) -> None:
    """The index of a version, or the image in it."""
    publisher.image("gdb", "1.0", size_mib=1)
    publisher.run("--to", f"oci+http://{registry.host}/p")
    believing(publisher, registry, folder)
    assert "expected a signature of cosign" in install(publisher, status=1)
    sign(registry, folder, f"gdb:{tag}", "b.key")
    install(publisher, status=1)
    sign(registry, folder, f"gdb:{tag}")
    install(publisher)


def test_a_signature_is_of_one_digest(publisher: Publisher, registry: Registry, folder: Path) -> None:
    """Who has the registry puts it beside another image."""
    publisher.image("gdb", "1.0")
    publisher.run("--to", f"oci+http://{registry.host}/p")
    sign(registry, folder, "gdb:1.0")
    argv = ["oras", "resolve", "--plain-http", f"{registry.host}/p/gdb:1.0"]
    signed = tool(*argv, folder=folder).strip().removeprefix("sha256:")
    publisher.image("gdb", "1.0", {**RELEASE, "SYSEXT_ID": "other"})
    publisher.run("--to", f"oci+http://{registry.host}/p")
    other = tool(*argv, folder=folder).strip().removeprefix("sha256:")
    assert other != signed
    place = f"{registry.host}/p/gdb"
    copy = ["oras", "copy", "--from-plain-http", "--to-plain-http"]
    tool(*copy, f"{place}:sha256-{signed}.sig", f"{place}:sha256-{other}.sig", folder=folder)
    believing(publisher, registry, folder)
    assert "its signature is of sha256:" in install(publisher, status=1)


def test_what_oras_pushes(publisher: Publisher, registry: Registry, folder: Path) -> None:
    image = publisher.image("gdb", "1.0", size_mib=1)
    (folder / IMAGE).write_bytes(image.read_bytes())
    tool("oras", "push", "--plain-http", f"{registry.host}/p/gdb:1.0", IMAGE, folder=folder)
    as_source(publisher, registry, "Verify=no")
    install(publisher)


def test_an_image_of_containers_with_one_file(publisher: Publisher, registry: Registry, folder: Path) -> None:
    image = publisher.image("gdb", "1.0", size_mib=1)
    write_layout(folder / "layout", {IMAGE: image.read_bytes()}, version="1.0")
    push_layout(registry, folder)
    as_source(publisher, registry, "Verify=no")
    install(publisher)


def test_an_image_of_containers_with_more(publisher: Publisher, registry: Registry, folder: Path) -> None:
    image = publisher.image("gdb", "1.0")
    write_layout(folder / "layout", {IMAGE: image.read_bytes(), "etc/passwd": b"root\n"}, version="1.0")
    push_layout(registry, folder)
    as_source(publisher, registry, "Verify=no")
    install(publisher, status=1)


def push_layout(registry: Registry, folder: Path) -> None:
    options = ["--insecure-policy", "copy", "--dest-tls-verify=false"]
    tool("skopeo", *options, "oci:/work/layout:1.0", f"docker://{registry.host}/p/gdb:1.0", folder=folder)


def write_layout(folder: Path, files: Mapping[str, bytes], *, version: str) -> None:
    """An image of containers with these files in one layer, as a folder that skopeo reads."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def add(content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        sha256 = hashlib.sha256(content).hexdigest()
        (blobs / sha256).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{sha256}", "size": len(content), **more}

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    plain = packed.getvalue()
    layer = add(gzip.compress(plain, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")
    configured = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": {oci.VERSION: version}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(plain).hexdigest()}"]},
    }
    config = add(json.dumps(configured).encode(), "application/vnd.oci.image.config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": config, "layers": [layer]}
    named = {"org.opencontainers.image.ref.name": version}
    index = {"schemaVersion": 2, "manifests": [add(json.dumps(manifest).encode(), oci.MANIFEST, annotations=named)]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
