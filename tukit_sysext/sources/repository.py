# SPDX-License-Identifier: LGPL-2.1-or-later
"""A repository with SHA256SUMS, wherever it is: from a list to candidates, from a description's bytes to what it says.

The list is the authority over names and hashes. A description that it names must have the hash that it says; one that
it does not name only guides the search.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import ImageBroken, TukitSysextError
from tukit_sysext.formats import manifest
from tukit_sysext.formats.checksums import Checksums
from tukit_sysext.rules.image_names import read_image_name, unpacked_name, unusable
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.sources.candidate import Candidate, Description, Reading
from tukit_sysext.store.record import INDEX_ENDING
from tukit_sysext.system.small_file import read_small

LIST = "SHA256SUMS"
SIGNATURES = tuple(f"{LIST}.{ending}" for ending in ("gpg", "asc", "sig", "pgp", "sign", "sha256.asc"))
"""Where its signature may be, in the order in which they are looked for. gpgv takes each with and without armour."""
SIGNATURE_LIMIT = 64 * 1024
"""The most bytes that a signature may have."""
_BESIDE = (".manifest", ".manifest.gz", ".json", INDEX_ENDING, *SIGNATURES)
"""What files end in that are no images, but say something about one."""
BEST_BEFORE = "BEST-BEFORE-"
NOT_DESCRIBED = Description(reason="it has no description, its content decides")


def description_names(image: str) -> tuple[str, ...]:
    """The files that may describe an image, in the order in which they are looked for; always as many.

    mkosi names the manifest of ``git-2.43.x86-64.sysext.raw`` without ``.sysext``: where an image has no such ending,
    the last two are as the first.
    """
    image = unpacked_name(image)[0]
    stem = image.removesuffix(".raw")
    short = stem.removesuffix(".sysext")
    return tuple(
        f"{named}{ending}"
        for named, ending in (
            (stem, ".manifest.gz"),
            (stem, ".manifest"),
            (image, ".json"),
            (short, ".manifest.gz"),
            (short, ".manifest"),
        )
    )


def index_name(image: str) -> str:
    """The file that has the index of an image's chunks. A packed image has none: it has few chunks of its versions."""
    return f"{image}{INDEX_ENDING}"


def listed_index(hashes: Mapping[str, str], image: str) -> str | None:
    """The hash that the list has of the index of an image; None where there is none that is of use."""
    return hashes.get(index_name(image)) if not unpacked_name(image)[1] else None


def is_page(content: bytes) -> bool:
    """Whether this is a page for people, as servers and portals send it in the place of what they have not."""
    return content.lstrip()[:1] == b"<"


def check_freshness(listed: Checksums, where: str) -> None:
    """Raise ImageBroken for a list that says of itself that it is stale (threat N6)."""
    if listed.best_before is not None and datetime.now(UTC).date() > listed.best_before:
        raise ImageBroken(f"{where}: stale since {listed.best_before}", next_step="ask the publisher for a new list")


def candidates(
    listed: Checksums,
    settings: SourceSettings,
    *,
    signer: str | None,
    locations: Callable[[str], Sequence[str]],
    size: Callable[[str], int | None] = lambda _: None,
) -> list[Candidate]:
    """The files of a list, but descriptions; ``locations`` and ``size`` (bytes) by file name.

    Those whose names say no image that could be merged come without a name and a version.
    """
    offered: list[Candidate] = []
    for name in sorted(listed.hashes):
        if name.endswith(_BESIDE) or name.startswith(BEST_BEFORE):
            continue
        hint = read_image_name(name)
        if unusable(name):
            hint = None
        offered.append(
            Candidate(
                name=hint.name if hint is not None else "",
                version=hint.version if hint is not None else "",
                architecture=hint.architecture if hint is not None else None,
                file_name=name,
                sha256=listed.hashes[name],
                size=size(name),
                source=settings.name,
                priority=settings.priority,
                signer=signer,
                description=next((other for other in description_names(name) if other in listed.hashes), None),
                locations=tuple(locations(name)),
                reading=Reading.LIKELIEST,
                index=index_name(name) if listed_index(listed.hashes, name) else None,
            )
        )
    return offered


def parted(files: Sequence[Candidate]) -> tuple[Sequence[Candidate], Sequence[Candidate]]:
    """Files whose names say an image, and those whose names say none."""
    return [file for file in files if file.name], [file for file in files if not file.name]


def check_hash(hashes: Mapping[str, str], name: str, content: bytes, *, where: str) -> None:
    """Raise ImageBroken where the list has another hash for a file; one that it does not name passes (threat N9)."""
    listed = hashes.get(name)
    actual = hashlib.sha256(content).hexdigest()
    if listed is not None and listed != actual:
        raise ImageBroken(f"{where}: expected SHA-256 {listed[:16]}..., found {actual[:16]}...")


def known_from(content: bytes, *, image: str, where: str, sha256: str = "") -> Description:
    """What a description says of an image, of which ``sha256`` is the file's; one that cannot be read is as none."""
    try:
        plain = manifest.unpack(content, where=where)
        described = manifest.parse(plain, image=unpacked_name(image)[0], where=where, sha256=sha256)
    except ImageBroken as error:
        return undescribed(error)
    return Description(
        release=ReleaseData(described.keys),
        early=described.early,
        contents=described.contents,
        size=described.size,
    )


def described_beside(image: Path) -> Description:
    """What the first of the descriptions says that lie beside an image file and can be used. Raises nothing."""
    described = NOT_DESCRIBED
    for name in dict.fromkeys(description_names(image.name)):
        try:
            content = read_small(image.parent / name, limit=manifest.LIMIT)
        except FileNotFoundError:
            continue
        except OSError as error:
            described = replace(NOT_DESCRIBED, reason=f"{image.parent / name}: {error.strerror}")
            continue
        described = known_from(content, image=image.name, where=str(image.parent / name))
        if described.release is not None:
            break
    return described


def undescribed(why: TukitSysextError) -> Description:
    """A description of which nothing can be used: the content decides."""
    return replace(NOT_DESCRIBED, reason=f"{NOT_DESCRIBED.reason} ({why})")
