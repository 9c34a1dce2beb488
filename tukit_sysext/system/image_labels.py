# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which files of an image have no SELinux label: where SELinux enforces, nobody may use them.

systemd-dissect(1) copies no labels out of an image: it is mounted, in a mount namespace that ends with the child.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tukit_sysext.errors import NoVerdict
from tukit_sysext.system.durable import make_directory
from tukit_sysext.system.inspect_image import DISSECT
from tukit_sysext.system.process import TimedOut, run

_UNSHARE = "/usr/bin/unshare"
_TIMEOUT = 60.0
_CPU_SECONDS = 60
_MOUNT = f'{DISSECT} --mount --read-only -- "$1" "$2" >&2 && exec "$3" -I -c "$4" "$2"'
_COUNT = """
import json, os, sys
top, counts, first = sys.argv[1], [0, 0], None
def look(path):
    global first
    try:
        label = os.getxattr(path, "security.selinux", follow_symlinks=False)
    except OSError:
        label = b""
    # what the kernel makes of none where SELinux is on
    missing = not label or b":unlabeled_t:" in label
    counts[missing] += 1
    if missing and first is None:
        first = os.path.relpath(path, top)
for base in ("usr", "opt"):
    if os.path.isdir(os.path.join(top, base)):
        look(os.path.join(top, base))
    for folder, folders, files in os.walk(os.path.join(top, base)):
        for name in sorted(folders) + sorted(files):
            look(os.path.join(folder, name))
print(json.dumps({"labelled": counts[0], "unlabelled": counts[1], "first": first}))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageLabels:
    """How many files of an image have a label, how many have none, and the first of these below the image's root."""

    labelled: int
    unlabelled: int
    first: str | None


def count_labels(image: int, *, scratch: Path) -> ImageLabels:
    """Look at all files below /usr and /opt of an image, given by descriptor. Raises NoVerdict, ToolBroken, OSError."""
    make_directory(scratch)
    with TemporaryDirectory(prefix="labels-", dir=scratch) as folder:
        where = [f"/proc/self/fd/{image}", folder, sys.executable, _COUNT]
        argv = [_UNSHARE, "--mount", "--propagation", "private", "--", "/bin/sh", "-c", _MOUNT, "sh", *where]
        try:
            result = run(argv, timeout=_TIMEOUT, cpu_seconds=_CPU_SECONDS, descriptors=[image])
        except TimedOut as error:
            raise NoVerdict(f"its SELinux labels cannot be looked at: {error}") from error
    if result.status != 0:
        raise NoVerdict(f"its SELinux labels cannot be looked at: {result.died or result.said}")
    return ImageLabels(**json.loads(result.output))
