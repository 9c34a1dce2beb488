# SPDX-License-Identifier: LGPL-2.1-or-later
"""The example of tukit-sysext-repository(7) that needs mksquashfs alone; the others run in a lab."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.unit.publish.publisher import Publisher, block

pytestmark = [pytest.mark.root, pytest.mark.tool("gpg", "mksquashfs")]


def test_an_image_with_mksquashfs_alone(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "hello.sh").write_text("#!/bin/sh\necho hello\n")
    commands = block("mkdir -p hello/usr/bin hello/usr/lib/extension-release.d").replace(
        "/srv/images", str(publisher.folder)
    )
    subprocess.run(["sh", "-ec", commands], cwd=tmp_path, check=True, capture_output=True)
    publisher.run()
    assert publisher.offered() == {"hello": ["1.0"]}
