# SPDX-License-Identifier: LGPL-2.1-or-later
"""Comparing two real images in the child."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lab.images import ImageKind, make_image
from tests.trees import make_tree
from tukit_sysext.errors import NoVerdict, ToolBroken
from tukit_sysext.system import compare_images, mounted_images
from tukit_sysext.system.compare_images import differing
from tukit_sysext.system.process import TimedOut

pytestmark = pytest.mark.root


def compare(one: Path, other: Path, paths: Sequence[str], scratch: Path) -> frozenset[str]:
    with ExitStack() as stack:
        a, b = (stack.enter_context(open(path, "rb", buffering=0)) for path in (one, other))
        return differing(a.fileno(), b.fileno(), paths, scratch=scratch)


Files = Mapping[str, str | bytes]


def images(folder: Path, one: Files, other: Files, kind: ImageKind) -> list[Path]:
    both = {"one": one, "other": other}
    return [make_image(folder, name, "1", release={"ID": "x"}, files=both[name], kind=kind) for name in both]


@pytest.mark.parametrize("kind", ["squashfs", "erofs", "gpt"])
def test_which_files_differ(kind: ImageKind, tmp_path: Path) -> None:
    large = os.urandom(3 * 1024 * 1024)
    one: dict[str, str | bytes] = {"bin/same": "x", "bin/other": "a", "share/large": large, "share/end": large}
    other = one | {"bin/other": "b", "share/end": large[:-1] + bytes([large[-1] ^ 1])}
    a, b = images(tmp_path, one, other, kind)

    paths = [f"usr/{path}" for path in one]
    assert compare(a, b, paths, tmp_path / "scratch") == {"usr/bin/other", "usr/share/end"}
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_cannot_be_compared_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = images(tmp_path, {"bin/x": "x"}, {"bin/x": "y"}, "squashfs")
    make_tree(tmp_path, {"broken.raw": "no image at all" * 1000})

    with pytest.raises(NoVerdict, match="images cannot be compared"):
        compare(a, tmp_path / "broken.raw", ["usr/bin/x"], tmp_path / "scratch")
    with pytest.raises(NoVerdict, match="usr/bin/none: No such file"):
        compare(a, b, ["usr/bin/none"], tmp_path / "scratch")
    with monkeypatch.context() as patched:
        patched.setattr(mounted_images, "CHILD", "import {module}, nothing")
        with pytest.raises(ToolBroken, match="images cannot be compared"):
            compare(a, b, ["usr/bin/x"], tmp_path / "scratch")
    monkeypatch.setattr(compare_images, "_TIMEOUT", 0.0)
    with pytest.raises(TimedOut):
        compare(a, b, ["usr/bin/x"], tmp_path / "scratch")
