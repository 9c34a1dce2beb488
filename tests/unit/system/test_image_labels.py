# SPDX-License-Identifier: LGPL-2.1-or-later
"""SELinux labels in images: counted by a child that mounts the image, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.lab.images import make_image
from tukit_sysext.errors import NoVerdict
from tukit_sysext.system.image_labels import ImageLabels, count_labels

pytestmark = [pytest.mark.root, pytest.mark.tool("mksquashfs")]


def counted(image: Path, scratch: Path) -> ImageLabels:
    descriptor = os.open(image, os.O_RDONLY)
    try:
        return count_labels(descriptor, scratch=scratch)
    finally:
        os.close(descriptor)
        assert os.listdir(scratch) == []


def test_without_labels(tmp_path: Path) -> None:
    image = make_image(tmp_path, "gdb", "1.0", release={"ID": "_any"}, kind="gpt")
    assert counted(image, tmp_path / "scratch") == ImageLabels(labelled=0, unlabelled=7, first="usr")


@pytest.mark.parametrize("label", ["system_u:object_r:bin_t:s0", "system_u:object_r:unlabeled_t:s0"])
def test_with_a_label(tmp_path: Path, label: str) -> None:
    tree = tmp_path / "tree"
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/gdb").write_text("")
    for path in ("usr", "usr/bin"):
        try:
            os.setxattr(tree / path, "security.selinux", label.encode())
        except OSError as error:
            pytest.skip(f"no labels can be written here: {error.strerror}")
    subprocess.run(["mksquashfs", tree, tmp_path / "image.raw", "-quiet", "-no-progress"], check=True)
    good = "unlabeled" not in label
    assert counted(tmp_path / "image.raw", tmp_path / "scratch") == ImageLabels(
        labelled=2 * good, unlabelled=1 + 2 * (not good), first="usr/bin/gdb" if good else "usr"
    )


def test_what_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "image.raw").write_bytes(b"no image" * 1000)
    with pytest.raises(NoVerdict, match="its SELinux labels cannot be looked at"):
        counted(tmp_path / "image.raw", tmp_path / "scratch")
