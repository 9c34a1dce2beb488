# SPDX-License-Identifier: LGPL-2.1-or-later
"""Manifests that mkosi 25.3 (Debian 13) and 26 wrote for extension images."""

from __future__ import annotations

from pathlib import Path

import pytest

from tukit_sysext.formats.manifest import DescriptionRefused, parse

FOLDER = Path(__file__).parents[2] / "data/mkosi"


def read(name: str, version: str) -> dict[str, str]:
    content = (FOLDER / f"{name}.of-{version}.manifest").read_bytes()
    return dict(parse(content, image=f"{name}.raw", where="MANIFEST").keys)


def test_of_26() -> None:
    assert read("hello-1.0.x86-64", "26") == {
        "ID": "_any",
        "SYSEXT_ID": "hello",
        "SYSEXT_VERSION_ID": "1.0",
        "SYSEXT_SCOPE": "initrd system portable",
        "ARCHITECTURE": "x86-64",
    }
    assert read("jq-1.7.1.x86-64", "26")["VERSION_ID"] == "13"


def test_one_that_says_nothing_of_an_extension_release() -> None:
    with pytest.raises(DescriptionRefused):
        read("jq-1.7.1.x86-64", "25.3")
