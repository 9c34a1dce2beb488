# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images as they are found in a folder, made up."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tukit_sysext.publish.looking import DescriptionFile, FolderImage
from tukit_sysext.publish.memory import Content
from tukit_sysext.rules.image_names import read_image_name
from tukit_sysext.rules.release import ReleaseData

RELEASE = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.42", "ARCHITECTURE": "x86-64"}
SHA256 = "a" * 64


def image_file(
    name: str = "gdb-1.0.x86-64.raw",
    release: Mapping[str, str] = RELEASE,
    *,
    called: str | None = None,
    size: int = 4096,
    mode: int = 0o100644,
    broken: str = "",
    labels: tuple[int, int] = (7, 0),
    needs: tuple[str, ...] | None = None,
    said: Mapping[str, Mapping[str, str] | None] | None = None,
) -> FolderImage:
    """An image of this name with this extension-release; ``said`` is what its descriptions say."""
    hint = read_image_name(name, (called,) if called else ())
    assert hint is not None
    content = Content(
        merge_name=called or hint.name,
        release=ReleaseData(release),
        labelled=labels[0],
        unlabelled=labels[1],
        first_unlabelled="usr/bin/gdb" if labels[1] else None,
        needs=needs,
    )
    return FolderImage(
        file_name=name,
        hint=hint,
        sha256=SHA256,
        status=os.stat_result((mode, 1, 1, 1, 0, 0, size, 0, 0, 0)),
        content=None if broken else content,
        broken=broken,
        descriptions=tuple(
            DescriptionFile(
                file_name=file,
                sha256="d" * 64,
                release=ReleaseData(keys) if keys is not None else None,
            )
            for file, keys in (said or {}).items()
        ),
    )
