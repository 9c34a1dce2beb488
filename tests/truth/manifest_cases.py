# SPDX-License-Identifier: LGPL-2.1-or-later
"""Descriptions as publishers have them, and what is in the images that they stand beside.

Facts of mkosi's manifest.py (what it records and when: before the finalize scripts), of openSUSE's images that are
built with it, and of sysextmgr's JSON. Whether an image fits is in none of the columns: systemd-sysext says so.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SYSTEM = {
    "ID": "opensuse-microos",
    "ID_LIKE": "suse opensuse",
    "VERSION_ID": "20261115",
    "SYSEXT_LEVEL": "glibc-2.43",
}
"""The os-release of who looks for images."""
IMAGE = "git-2.43.x86-64.raw"

FITTING = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.43", "VERSION_ID": "20261101", "SYSEXT_ID": "git",
           "SYSEXT_VERSION_ID": "2.43", "SYSEXT_SCOPE": "system", "ARCHITECTURE": "x86-64"}  # fmt: skip
"""As mkosi writes it of a base tree with this level."""
OLD = {**FITTING, "SYSEXT_LEVEL": "glibc-2.41"}
ANY = {**OLD, "ID": "_any"}
TUMBLEWEED = {"ID": "opensuse-tumbleweed", "VERSION_ID": "20261101", "SYSEXT_SCOPE": "system"}


@dataclass(frozen=True, slots=True)
class ManifestCase:
    """A description, and the extension-release inside of the image."""

    name: str
    description: bytes
    inside: Mapping[str, str]


def _mkosi(extension: Any = None, *, left_out: bool = False, **config: Any) -> bytes:
    said = {"name": "git", "distribution": "opensuse", "architecture": "x86-64", "output_format": "sysext", **config}
    document = {"manifest_version": 1, "config": said, "packages": [{"type": "rpm", "name": "git", "version": "2.43-1",
                "architecture": "x86_64", "size": 9}], "extension": extension}  # fmt: skip
    if left_out:
        del document["extension"]
    return json.dumps(document, indent=2).encode()


def _sysextmgr(*described: tuple[str, Mapping[str, str]]) -> bytes:
    entries = [{"image_name": name, "sysext": keys} for name, keys in described]
    return json.dumps(entries[0] if len(entries) == 1 else entries).encode()


CASES = (
    ManifestCase("mkosi with ImageId= and ImageVersion=", _mkosi(FITTING, version="2.43"), FITTING),
    ManifestCase("mkosi, packed", gzip.compress(_mkosi(FITTING, version="2.43")), FITTING),
    ManifestCase("mkosi without ImageId=", _mkosi(FITTING, name="image"), FITTING),
    ManifestCase("mkosi's main image", _mkosi(FITTING, name="main"), FITTING),
    ManifestCase("the version of the whole build", _mkosi(OLD, version="20261101"), FITTING),
    ManifestCase("the name of the whole build", _mkosi(OLD, name="sysexts"), FITTING),
    ManifestCase("Format=disk with Overlay=", _mkosi({}, output_format="disk"), FITTING),
    ManifestCase("no extension-release", _mkosi({}), FITTING),
    ManifestCase("extension is null", _mkosi(None), FITTING),
    ManifestCase("mkosi before 25", _mkosi(left_out=True), FITTING),
    ManifestCase("a confext of the same build", _mkosi({"ID": "_any"}, output_format="confext"), OLD),
    ManifestCase("ID=_any set by mkosi.finalize", _mkosi(OLD, version="2.43"), ANY),
    ManifestCase("ID=_any of a base tree", _mkosi(TUMBLEWEED, version="2.43"), {"ID": "_any"}),
    ManifestCase("scope set by mkosi.finalize", _mkosi({**FITTING, "SYSEXT_SCOPE": "initrd"}), FITTING),
    ManifestCase("of another distribution", _mkosi(TUMBLEWEED), TUMBLEWEED),
    ManifestCase("of an older level", _mkosi(OLD, version="2.43"), OLD),
    ManifestCase("promises what is not inside", _mkosi(FITTING, version="2.43"), OLD),
    ManifestCase("for an initrd", _mkosi({**FITTING, "SYSEXT_SCOPE": "initrd"}),
                 {**FITTING, "SYSEXT_SCOPE": "initrd"}),
    ManifestCase("another architecture inside", _mkosi(FITTING), {**FITTING, "ARCHITECTURE": "arm64"}),
    ManifestCase("sysextmgr", _sysextmgr((IMAGE, FITTING)), FITTING),
    ManifestCase("sysextmgr, any system", _sysextmgr((IMAGE, ANY)), ANY),
    ManifestCase("sysextmgr, an older level", _sysextmgr((IMAGE, OLD)), OLD),
    ManifestCase("sysextmgr, merged", _sysextmgr(("k3s-1.x86-64.raw", OLD), (IMAGE, FITTING)), FITTING),
    ManifestCase("sysextmgr of another image", _sysextmgr(("k3s-1.x86-64.raw", OLD)), FITTING),
    ManifestCase("a bill of materials", b'{"spdxVersion": "SPDX-2.3", "name": "git"}', FITTING),
    ManifestCase("a page", b"<!DOCTYPE html><title>Not found</title>\n", FITTING),
    ManifestCase("nothing", b"", OLD),
)  # fmt: skip
