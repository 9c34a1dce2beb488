# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is in a folder that is to be published: its images, each hashed and looked into, with their descriptions."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tukit_sysext.errors import ImageBroken, NoSpace, NoVerdict, ToolBroken
from tukit_sysext.formats import manifest
from tukit_sysext.publish.memory import Content, Memory
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.rules.image_names import (
    ImageName,
    agreeing_reading,
    read_image_name,
    unpacked_name,
    unusable,
)
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.sources.repository import description_names, known_from
from tukit_sysext.store.digest import hash_of
from tukit_sysext.system.inspect_image import inspect_image
from tukit_sysext.system.look_through import look_through
from tukit_sysext.system.plain_image import plain_image
from tukit_sysext.system.small_file import read_small


@dataclass(frozen=True, kw_only=True, slots=True)
class DescriptionFile:
    """A file that may describe an image, its hash, and what it says (None: nothing).

    ``gives`` tells whether it says what the publisher alone knows, with a release or without one, ``refused`` why no
    client would understand that.
    """

    file_name: str
    sha256: str
    release: ReleaseData | None
    contents: Contents | None = None
    gives: bool = False
    refused: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderImage:
    """An image of the folder: what its name says, its hash, and what is inside (None: ``broken`` says why).

    Of several readings of the name ``hint`` is the one that the content agrees with, if any does. ``unknown`` says why
    its needs are unknown.
    """

    file_name: str
    hint: ImageName
    sha256: str
    status: os.stat_result
    content: Content | None
    broken: str
    descriptions: tuple[DescriptionFile, ...]
    unknown: str = ""

    @property
    def architecture(self) -> str | None:
        """systemd's word for it, as the content says, else the name; None for all."""
        said = self.content.release.get("ARCHITECTURE") if self.content is not None else None
        return said or self.hint.architecture


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderContent:
    """The images, and what looks like one and is none for clients: why, by its name."""

    images: tuple[FolderImage, ...]
    left_out: dict[str, str]


def look(folder: Path, memory: Memory, *, scratch: Path, before: Callable[[], None]) -> FolderContent:
    """Look at everything; ``before`` is called before images are looked into that the memory does not know.

    ``scratch`` is a directory of ours that may be written. Raises OSError, ToolBroken, NoSpace, and what ``before``
    does.
    """
    hints: dict[str, ImageName] = {}
    left_out: dict[str, str] = {}
    for entry in sorted(os.listdir(folder)):
        hint = read_image_name(entry)
        if entry.startswith(".") or not (hint or entry.endswith(".raw")) or not _is_file(folder / entry):
            continue
        if hint is None:
            left_out[entry] = "its name does not tell image and version: expected NAME-VERSION.ARCHITECTURE.raw"
        elif reason := unusable(entry):
            left_out[entry] = reason
        else:
            hints[entry] = hint
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        hashes = dict(zip(hints, threads.map(lambda name: _hash(folder / name), hints), strict=True))
        known = {name: _known(memory, name, hashes[name]) for name in hints}
        if any(content is None for content in known.values()):
            before()

        def whole(name: str) -> FolderImage:
            return _look(folder, name, hints[name], hashes[name], known[name], scratch)

        return FolderContent(images=tuple(threads.map(whole, hints)), left_out=left_out)


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.stat().st_mode)


def _known(memory: Memory, name: str, sha256: str) -> Content | None:
    known = memory.get(name)
    return known.content if known is not None and known.sha256 == sha256 else None


def _hash(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return hash_of(descriptor)
    finally:
        os.close(descriptor)


def _look(folder: Path, name: str, hint: ImageName, sha256: str, content: Content | None, scratch: Path) -> FolderImage:
    broken = unknown = ""
    try:
        if content is None:
            content, unknown = _look_into(folder / name, hint, scratch)
        elif content.needs is None and os.geteuid() == 0:  # a former version did not look, or it could not be done
            with plain_image(folder / name, hint.packing, scratch) as descriptor:
                content, unknown = _looked_through(content, descriptor, scratch)
    except (ImageBroken, NoVerdict) as error:
        broken = str(error)
    if content is not None:
        hint = agreeing_reading(content.merge_name, name) or hint
    return FolderImage(
        file_name=name,
        hint=hint,
        sha256=sha256,
        status=(folder / name).stat(),
        content=content,
        broken=broken,
        descriptions=tuple(_descriptions(folder, name)),
        unknown=unknown,
    )


def _look_into(path: Path, hint: ImageName, scratch: Path) -> tuple[Content, str]:
    """What is inside, and why it is not known what that needs."""
    with plain_image(path, hint.packing, scratch) as descriptor:
        inspection = inspect_image(descriptor, preferred=hint.name, scratch=scratch)
        content = Content(merge_name=inspection.merge_name, release=inspection.release)
        return _looked_through(content, descriptor, scratch)


def _looked_through(content: Content, descriptor: int, scratch: Path) -> tuple[Content, str]:
    try:
        found = look_through(descriptor, scratch=scratch)
    except (NoVerdict, ToolBroken, NoSpace) as error:
        return content, str(error)
    whole = replace(
        content,
        needs=found.needs,
        provides=found.provides,
        labelled=found.labelled,
        unlabelled=found.unlabelled,
        first_unlabelled=found.first_unlabelled,
    )
    return whole, ""


def _descriptions(folder: Path, image: str) -> Sequence[DescriptionFile]:
    found: list[DescriptionFile] = []
    for name in dict.fromkeys(description_names(image)):
        try:
            content = read_small(folder / name, limit=manifest.LIMIT + 1)
        except FileNotFoundError:
            continue
        said, gives, refused = known_from(content, image=image, where=name), False, ""
        try:
            gives = bool(given_in(content, image=image, where=name).keys() & {"requires", "packages"})
        except manifest.ContentsRefused as error:
            refused = str(error)
        except manifest.DescriptionRefused:
            pass
        found.append(
            DescriptionFile(
                file_name=name,
                sha256=hashlib.sha256(content).hexdigest(),
                release=said.release,
                contents=said.contents,
                gives=gives,
                refused=refused,
            )
        )
    return found


def given_in(content: bytes, *, image: str, where: str) -> Mapping[str, Any]:
    """What a description as it lies in the folder says of an image beside its release. Raises DescriptionRefused."""
    plain = manifest.unpack(content, where=where)
    return manifest.given_in(plain, image=unpacked_name(image)[0], where=where)
