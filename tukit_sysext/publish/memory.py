# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a published folder remembers in a file of its own: when each image was listed last, and what is in it.

The file may be lost, or damaged: images are looked into again then, and each counts as listed today.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.system.durable import write_file
from tukit_sysext.system.small_file import read_small

FILE = ".tukit-sysext-published.json"
_VERSION = 1
_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What is inside of an image: its name for systemd-sysext, its extension-release, how many programs and libraries
    have an SELinux label and how many have none, and the first of these (former versions counted all files); what its
    programs need and its libraries provide (None: nobody could look through it).
    """

    merge_name: str
    release: ReleaseData
    labelled: int = 0
    unlabelled: int = 0
    first_unlabelled: str | None = None
    needs: tuple[str, ...] | None = None
    provides: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    """What is known of one file of this hash, and the hash of the index of its chunks (None: it had none)."""

    sha256: str
    listed: date
    content: Content
    index: str | None = None


Memory = Mapping[str, Remembered]
"""By the name of the file."""


def read_memory(folder: Path) -> Memory:
    """What a folder remembers. Raises OSError where the file is there and cannot be read."""
    try:
        document = json.loads(read_small(folder / FILE, limit=_LIMIT))
        if document["version"] != _VERSION:
            return {}
        return {name: _remembered(said) for name, said in document["files"].items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, LookupError, AttributeError):
        return {}


def _remembered(said: Mapping[str, Any]) -> Remembered:
    needs = said.get("needs")
    content = Content(
        **{**said["content"], "release": ReleaseData(said["content"]["release"])},
        needs=tuple(map(str, needs)) if needs is not None else None,
        provides=tuple(map(str, said.get("provides", ()))),
    )
    return Remembered(
        sha256=said["sha256"],
        listed=date.fromisoformat(said["listed"]),
        content=content,
        index=said.get("index"),
    )


def write_memory(folder: Path, memory: Memory) -> None:
    """Remember this and nothing else. Raises OSError."""
    files = {
        name: {
            "sha256": known.sha256,
            "listed": known.listed.isoformat(),
            "content": {
                "merge_name": known.content.merge_name,
                "release": dict(known.content.release),
                "labelled": known.content.labelled,
                "unlabelled": known.content.unlabelled,
                "first_unlabelled": known.content.first_unlabelled,
            },
            # beside the content, of which former versions know each key
            "needs": list(known.content.needs) if known.content.needs is not None else None,
            "provides": list(known.content.provides),
            "index": known.index,
        }
        for name, known in sorted(memory.items())
    }
    write_file(folder / FILE, json.dumps({"version": _VERSION, "files": files}, indent=1).encode())
