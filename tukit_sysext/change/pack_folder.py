# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packing a folder into a squashfs image (mksquashfs(1)), on a system with SELinux with the labels of a /usr.

Files below /etc/extensions have labels of /etc, with which nothing that SELinux confines may run them. mksquashfs puts
labels from a list into the image, for which neither the folder changes nor the kernel has to know them.
"""

from __future__ import annotations

import os
import re
import stat
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

from tukit_sysext.errors import ImageBroken, TukitSysextError
from tukit_sysext.system.process import TimedOut, run

_PACK = "/usr/bin/mksquashfs"
_PACK_TIMEOUT = 3600.0
_VERSION_TIMEOUT = 10.0
_LABELS_SINCE = (4, 6)
_PLAIN = frozenset(string.ascii_letters + string.digits + "/._+-")
_VERSION = re.compile(r"version (\d+)\.(\d+)")

Lookup = Callable[[str, int], str | None]
"""The label that a policy has for a path and a type of file; None for none."""


def check_packable(folder: Path) -> None:
    """Raises TukitSysextError where a directory cannot be packed."""
    if not os.access(_PACK, os.X_OK):
        raise TukitSysextError(
            f"{folder}: a directory has to be packed into an image, which needs {_PACK}",
            next_step=(
                "install squashfs (squashfs-tools on Debian), or remove the directory and install a published image"
            ),
        )


def pack(folder: Path, image: Path, lookup: Lookup | None) -> str:
    """Make an image of a folder, labelled as ``lookup`` says (None: there is no SELinux).

    Returns what is to be known of it, empty for nothing. Raises ImageBroken, TukitSysextError, OSError.
    """
    check_packable(folder)
    # the same directory gives the same image: it may be in another tree, or come back with a rollback
    argv = [_PACK, str(folder), str(image), "-mkfs-time", "0", "-noappend", "-no-progress", "-quiet"]
    try:
        if lookup is None:
            _run(argv, folder)
            return ""
        version = _VERSION.search(run([_PACK, "-version"], timeout=_VERSION_TIMEOUT).output)
        if version is None or (int(version[1]), int(version[2])) < _LABELS_SINCE:
            _run(argv, folder)
            return (
                "its files do not have the SELinux labels of /usr, so that services may not run them: "
                "mksquashfs 4.6 or later sets them"
            )
        with NamedTemporaryFile(dir=image.parent, prefix=f"{image.name}.") as labels:
            labels.writelines(labels_of(folder, lookup))
            labels.flush()
            _run([*argv, "-xattrs-exclude", "^security[.]selinux$", "-pf", labels.name], folder)
        return ""
    except TimedOut as error:
        raise ImageBroken(f"{folder}: cannot be packed: {error}") from error


def _run(argv: list[str], folder: Path) -> None:
    result = run(argv, timeout=_PACK_TIMEOUT)
    if result.status != 0:
        raise ImageBroken(f"{folder}: cannot be packed: {result.messages.strip() or result.output.strip()}")


def labels_of(folder: Path, lookup: Lookup) -> Iterator[bytes]:
    """The labels of all that is in a folder, as lines for mksquashfs: those of the same paths below /."""
    for place, folders, files in os.walk(folder):
        for name in sorted(folders) + sorted(files):
            path = os.path.join(place, name)
            inside = os.path.relpath(path, folder)
            try:
                label = lookup(f"/{inside}", stat.S_IFMT(os.lstat(path).st_mode))
            except (OSError, TypeError):  # TypeError: a name that is no text for the bindings
                label = None
            if label is not None and inside.isprintable():
                escaped = "".join(each if each in _PLAIN else f"\\{each}" for each in inside)
                yield f"{escaped} x security.selinux={label}\n".encode()
