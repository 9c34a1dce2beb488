# SPDX-License-Identifier: LGPL-2.1-or-later
"""A made-up image format of one line, and what looks into it in the place of systemd-dissect.

Steps have to be cheap. That the real thing tells good images from bad ones is checked elsewhere, against the real
systemd (tests/truth, tests/on_lab/test_bad_images.py).
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from tukit_sysext.errors import ImageBroken
from tukit_sysext.rules.link_names import MergeNameRefused
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.system.inspect_image import Inspection

LEVELS = ("1", "2")
"""SYSEXT_LEVEL of systems and images."""

_FORMAT = re.compile(rb"image ([a-z]+) level ([0-9]+) ")


def content_of(name: str, level: str, serial: int) -> bytes:
    """The content of a good image."""
    return f"image {name} level {level} serial {serial}\n".encode()


def is_image(content: bytes) -> bool:
    """Whether systemd could use it, in this format."""
    return _FORMAT.match(content) is not None


def sha256(content: bytes) -> str:
    """In lower-case hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def file_of(name: str, version: int) -> str:
    """The name of an image's file."""
    return f"{name}-{version}.x86-64.raw"


def name_of(file_name: str) -> str:
    """The image that a file's name speaks of."""
    return file_name.partition("-")[0]


def os_release(level: str) -> str:
    """/etc/os-release of a system."""
    return f"ID=os\nVERSION_ID={level}\nSYSEXT_LEVEL={level}\n"


def inspect_image(image: int | Path, **_: Any) -> Inspection:
    """In the place of the real one."""
    content = os.pread(image, 200, 0) if isinstance(image, int) else Path(image).read_bytes()
    found = _FORMAT.match(content)
    if found is None:
        raise ImageBroken("cannot be read as an extension image")
    name, level = found[1].decode(), found[2].decode()
    return Inspection(merge_name=name, release=ReleaseData({"ID": "os", "SYSEXT_LEVEL": level}))


def inspect_linked(image: int | Path, *, stem: str, **_: Any) -> Inspection:
    """In the place of the real one."""
    inspection = inspect_image(image)
    if inspection.merge_name != stem:
        raise MergeNameRefused(f"its content calls itself {inspection.merge_name}")
    return inspection
