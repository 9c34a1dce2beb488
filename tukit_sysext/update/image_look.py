# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is known of one image, in the store or in any file: all that can be found out without changing anything.

An ordinary user may not look into it (that takes root): then the description beside it is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.errors import ImageBroken, NoSpace, NoVerdict, StoreError, ToolBroken, TukitSysextError
from tukit_sysext.machine import Machine
from tukit_sysext.requirements.contents import Contents, completed
from tukit_sysext.rules.image_names import agreeing_reading, read_image_name, unpacked_name
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.sources.candidate import Description
from tukit_sysext.sources.repository import described_beside
from tukit_sysext.store.image_store import Condition, Stored
from tukit_sysext.store.record import Record
from tukit_sysext.system.inspect_image import Inspection, inspect_image
from tukit_sysext.system.look_through import look_through
from tukit_sysext.system.plain_image import plain_image

_NEEDS_ROOT = "it was not looked into: that needs root"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageLook:
    """One image: ``name`` and ``version`` as its record or its file's name tell, ``size`` of its file in bytes.

    ``merge_name``, ``release`` and ``contents`` are None where not known; ``unknown`` says why. ``record`` is that
    of the store, None for any other file.
    """

    path: Path
    name: str
    version: str
    architecture: str | None
    size: int
    merge_name: str | None = None
    release: ReleaseData | None = None
    contents: Contents | None = None
    record: Record | None = None
    unknown: tuple[str, ...] = ()


def look_at_file(machine: Machine, path: Path) -> ImageLook:
    """An image file that need not be published yet. Raises ImageBroken where it is none, TukitSysextError."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise TukitSysextError(f"{path}: expected an image file")
        described = described_beside(path)
        look = _Looking(machine, preferred=_stem(path.name))
        look.look_into(lambda scratch: _look_plain(path, scratch, look))
    except OSError as error:
        raise TukitSysextError(f"{path}: cannot be read: {error.strerror}") from error
    except ImageBroken as error:
        raise ImageBroken(f"{path}: {error}") from error
    name, version, architecture = _named(path.name, look.inspection)
    release = look.inspection.release if look.inspection is not None else described.release
    return ImageLook(
        path=path,
        name=name,
        version=version,
        architecture=(release.get("ARCHITECTURE") if release is not None else None) or architecture,
        size=size,
        merge_name=look.inspection.merge_name if look.inspection is not None else None,
        release=release,
        contents=completed(look.contents, described.contents),
        unknown=(*look.unknown, *_not_described(described, look)),
    )


def look_at_stored(machine: Machine, stored: Stored) -> ImageLook:
    """An image of the store, by its record as far as that goes. Raises StoreError where it is damaged."""
    path, record = machine.layout.store / stored.file_name, stored.record
    if record is None:
        return look_at_file(machine, path)
    if stored.condition is not Condition.WHOLE:
        raise StoreError(f"{path}: {stored.condition}: {stored.reason}", next_step="tukit-sysext verify --repair")
    look = _Looking(machine, preferred=record.merge_name)
    contents = record.contents
    if contents is None or contents.described:
        look.look_through(path)
        contents = completed(look.contents, contents)
    hint = read_image_name(stored.file_name)
    return ImageLook(
        path=path,
        name=record.name,
        version=record.version,
        architecture=record.release.get("ARCHITECTURE") or (hint.architecture if hint is not None else None),
        size=record.size,
        merge_name=record.merge_name,
        release=ReleaseData(record.release),
        contents=contents,
        record=record,
        unknown=tuple(look.unknown),
    )


class _Looking:
    """Looks into one image, as far as we may; ``unknown`` is what could not be found out."""

    def __init__(self, machine: Machine, *, preferred: str) -> None:
        self._machine = machine
        self.preferred = preferred
        self.inspection: Inspection | None = None
        self.contents: Contents | None = None
        self.unknown: list[str] = []

    def look_into(self, look: Callable[[Path], None]) -> None:
        """Do it with our scratch folder. Raises ImageBroken, OSError."""
        if not self._machine.privileged:
            self.unknown.append(_NEEDS_ROOT)
            return
        try:
            look(self._machine.layout.cache)
        except (NoVerdict, ToolBroken, NoSpace) as error:
            self.unknown.append(str(error))

    def look_through(self, path: Path) -> None:
        def look(scratch: Path) -> None:
            self.contents = look_through(path, scratch=scratch)

        self.look_into(look)


def _look_plain(path: Path, scratch: Path, look: _Looking) -> None:
    with plain_image(path, unpacked_name(path.name)[1], scratch) as descriptor:
        look.inspection = inspect_image(descriptor, preferred=look.preferred, scratch=scratch)
        look.contents = look_through(descriptor, scratch=scratch)


def _not_described(described: Description, look: _Looking) -> tuple[str, ...]:
    """Why its description is of no help, where that is asked for."""
    return () if look.inspection is not None or described.release is not None else (described.reason,)


def _stem(file_name: str) -> str:
    hint = read_image_name(file_name)
    return hint.name if hint is not None else os.path.splitext(file_name)[0]


def _named(file_name: str, inspection: Inspection | None) -> tuple[str, str, str | None]:
    """Name, version and architecture: the reading of the file's name with which its content agrees, else the first."""
    hint = read_image_name(file_name)
    if inspection is not None:
        hint = agreeing_reading(inspection.merge_name, file_name)
        if hint is None:
            return inspection.merge_name, inspection.release.get("SYSEXT_VERSION_ID") or "?", None
    return (hint.name, hint.version, hint.architecture) if hint is not None else (_stem(file_name), "?", None)
