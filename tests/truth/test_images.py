# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests/lab/images.py makes, looked at by the tools it is made for."""

from __future__ import annotations

import gzip
import json
import subprocess
from datetime import date
from pathlib import Path

import pytest

from tests.lab.images import ImageKind, make_image, make_release_rpm, release_text, write_checksums
from tests.truth.merge_truth import Machine

RELEASE = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.42"}


@pytest.mark.parametrize("kind", ["squashfs", "erofs", "gpt"])
def test_same_arguments_give_the_same_bytes(kind: ImageKind, tmp_path: Path) -> None:
    def made(folder: str, version: str) -> bytes:
        return make_image(tmp_path / folder, "gdb", version, release=RELEASE, kind=kind, strict=False).read_bytes()

    assert made("a", "1") == made("b", "1")
    assert made("a", "1") != made("c", "2")


def test_padding_cannot_be_compressed(tmp_path: Path) -> None:
    image = make_image(tmp_path, "big", "1", release=RELEASE, size_mib=2)
    assert len(gzip.compress(image.read_bytes())) > 2 * 1024 * 1024


@pytest.mark.parametrize("style", ["text", "binary"])
def test_checksums_are_what_sha256sum_takes(style: str, tmp_path: Path) -> None:
    make_image(tmp_path, "gdb", "1", release=RELEASE)
    make_image(tmp_path, "gdb", "2", release=RELEASE, manifest="mkosi")
    make_image(tmp_path, "gdb", "3", release=RELEASE, manifest="sysextmgr")
    written = write_checksums(tmp_path, style="text" if style == "text" else "binary")
    assert len(written.read_text().splitlines()) == 6
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", written.name], cwd=tmp_path, check=True)
    stale = write_checksums(tmp_path, best_before=date(2026, 12, 1), names=[]).read_text()
    assert stale.split() == [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "BEST-BEFORE-2026-12-01",
    ]


def test_manifests(tmp_path: Path) -> None:
    make_image(tmp_path, "gdb", "1", release=RELEASE)
    with gzip.open(tmp_path / "gdb-1.x86-64.manifest.gz") as file:
        manifest = json.load(file)
    assert manifest["manifest_version"] == 1
    assert manifest["config"]["name"] == "gdb"
    assert manifest["extension"] == {**RELEASE, "ARCHITECTURE": "x86-64"}
    make_image(tmp_path, "gdb", "2", release=RELEASE, manifest="sysextmgr", architecture="arm64")
    description = json.loads((tmp_path / "gdb-2.arm64.raw.json").read_text())
    assert description["image_name"] == "gdb-2.arm64.raw"
    assert description["sysext"]["ARCHITECTURE"] == "arm64"


@pytest.mark.lab
def test_release_rpm_changes_os_release(newer: Machine, tmp_path: Path) -> None:
    assert newer.lab is not None
    keys = {
        "ID": "opensuse-microos",
        "ID_LIKE": "suse opensuse",
        "VERSION_ID": "20261115",
        "SYSEXT_LEVEL": "glibc-2.43",
    }
    rpm = make_release_rpm(tmp_path, version_id="20261115", sysext_level="glibc-2.43")
    assert rpm.name == "openSUSE-release-20261115-1.noarch.rpm"
    inside = newer.lab.path("/var/tmp") / rpm.name
    inside.write_bytes(rpm.read_bytes())
    root = "/var/tmp/root"
    newer.lab.run(["rpm", f"--root={root}", "--initdb"])
    newer.lab.run(["rpm", f"--root={root}", "--upgrade", "--nodeps", f"/var/tmp/{rpm.name}"])
    assert newer.lab.path(f"{root}/usr/lib/os-release").read_text() == release_text({"NAME": "openSUSE", **keys})
