# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether an image's programs and libraries have the labels without which SELinux lets no service use them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from tukit_sysext.requirements.contents import Contents
from tukit_sysext.requirements.ground import Ground


def missing_labels(contents: Contents, system: Ground) -> Iterator[str]:
    """What is wrong with them in a system with SELinux, as a sentence with what its publisher can do."""
    if contents.unlabelled and (policy := system.selinux):
        count = f"{contents.unlabelled} of its programs and libraries have"
        count = "a program or library of it has" if contents.unlabelled == 1 else count
        labels = f"/etc/selinux/{policy}/contexts/files/file_contexts"
        yield (
            f"{count} no SELinux label, with which no service of this system may start it; its publisher packs it with "
            f"mkfs.erofs --file-contexts={labels}"
        )
