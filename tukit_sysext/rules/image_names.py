# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the name of a published file hints at: which image it is, and which version of it.

The forms that publishers use, each of them also with ``.sysext`` before ``.raw``, and packed:

=================================== ================================================================================
``NAME-VERSION.ARCH.raw``           mkosi, sysextmgr: the version is behind the last ``-``, unless it is that of an RPM
``NAME-VERSION-ARCH.raw``           the bakery of Flatcar
``NAME-VERSION-VERSION_ID-ARCH.raw`` fedora-sysexts: VERSION_ID is that of the system
``NAME_VERSION_ARCH.raw``           examples of sysupdate.d(5)
``NAME_VERSION.raw``                mkosi, where nobody says how its output is named
``NAME-VERSION.raw``                without an architecture
=================================== ================================================================================

A name and a version may have the same characters in them, so that a file name may have several readings. The first one
is the likeliest; which of them counts depends on what is wanted, and the content of the image has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from tukit_sysext.rules.architectures import ARCHITECTURES
from tukit_sysext.rules.matching import Kind

PACKINGS = ("xz", "zst", "gz", "bz2")
"""What may stand behind ``.raw`` where the image is packed."""
LAYER = "layer"
"""What we write there of an image that is the one file in the layer of a container image; publishers do not."""


class ImageName(NamedTuple):
    """One reading of the name of an image's file.

    ``version`` and ``version_id`` are UAPI.10 strings, ``architecture`` is systemd's name for it; None where not said.
    ``packing`` is one of PACKINGS, empty for an image that is not packed.
    """

    name: str
    version: str
    architecture: str | None = None
    version_id: str | None = None
    kind: Kind = "sysext"
    packing: str = ""


_SUFFIX = re.compile(rf"(?P<stem>.+?)(?:\.(?P<kind>sysext|confext))?\.raw(?:\.(?P<packing>{'|'.join(PACKINGS)}))?")
_NO_ARCHITECTURE = ("alpha",)
"""Words that systemd has for an architecture, and publishers for a version."""
_ANY = ("noarch", "any", "all")
_SPELLINGS: dict[str, str | None] = {
    **{word: word for word in ARCHITECTURES if word not in _NO_ARCHITECTURE},
    **dict.fromkeys(("x86_64", "amd64"), "x86-64"),
    **dict.fromkeys(("i386", "i486", "i586", "i686"), "x86"),
    "aarch64": "arm64",
    **dict.fromkeys(("armhf", "armel", "armv6l", "armv6hl", "armv7", "armv7l", "armv7hl"), "arm"),
    **dict.fromkeys(("ppc64le", "ppc64el"), "ppc64-le"),
    "loong64": "loongarch64",
    "mipsel": "mips-le",
    "mips64el": "mips64-le",
    **dict.fromkeys(_ANY),
}
_WORDS = "|".join(sorted(map(re.escape, _SPELLINGS), key=len, reverse=True))  # ppc64-le before ppc64
_ARCHITECTURE = re.compile(rf"(?P<stem>.+)(?P<separator>[._-])(?P<word>{_WORDS})")
_LEVEL = re.compile(r".+[._-]x86[-_]64[-_]v[2-4]")
"""A level of x86-64, of which it is unknown whether the machine has it."""

_SPLIT = re.compile(r"(?<!x86)[-_](?=v?[0-9])")
_LIKELY = re.compile(r"v?[0-9]+(?:[^a-zA-Z0-9]|$)")
_SERIES = re.compile(r"v?([0-9]+(?:\.[0-9]+)*)")
_LETTERS = re.compile(r"[-_]([a-zA-Z]+)(?=[0-9]*[-_])")
_OF_VERSION = frozenset(("rc", "alpha", "beta", "pre", "dev", "git", "post", "p", "r", "v", "snapshot", "build"))
_RPM = re.compile(r"[0-9][a-zA-Z0-9.~^+]*\.(?:fc|el|lp|suse|sle|mga|amzn|azl)[0-9.]*")
_WORD = re.compile(r"latest|stable|edge|nightly|current|testing|main|[a-zA-Z.]*[0-9].*")
_DISTRIBUTION_VERSION = re.compile(r"(.+)-([0-9]{2,}(?:\.[0-9]+)?)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def unpacked_name(file_name: str) -> tuple[str, str]:
    """The name of an image's file once it is unpacked, and by what it is packed; empty where it is not."""
    name, _, packing = file_name.rpartition(".")
    return (name, packing) if packing in (*PACKINGS, LAYER) and name.endswith(".raw") else (file_name, "")


def stem_of(file_name: str) -> str:
    """The name of an image's file without what says that it is one."""
    match = _SUFFIX.fullmatch(file_name)
    return match["stem"] if match is not None else file_name.rpartition(".")[0] or file_name


def looks_like_image(file_name: str) -> bool:
    """Whether a file may be meant as an image for systemd-sysext, by the end of its name."""
    return file_name.endswith(".img") or _SUFFIX.fullmatch(file_name) is not None


def unusable(file_name: str) -> str:
    """Why a file could not be merged as it is, by the end of its name; empty where it could."""
    match = _SUFFIX.fullmatch(file_name)
    return "it is a confext, for /etc, and no sysext" if match is not None and match["kind"] == "confext" else ""


def calls_itself(merge_name: str, *, name: str, version: str, file_name: str, by_stem: bool = True) -> bool:
    """Whether content that is accepted as ``merge_name`` is the image ``name``.

    It calls itself so, or so with its version behind that, or as mkosi has it by the stem of its published file.
    The last is no proof where that file's name was read as another image than the likeliest (not ``by_stem``).
    """
    own = (name, f"{name}-{version}", f"{name}_{version}")
    return merge_name in own or (by_stem and merge_name == stem_of(file_name))


def agrees(merge_name: str, reading: ImageName, file_name: str) -> bool:
    """Whether content that is accepted as ``merge_name`` is what a reading of the name of its published file says."""
    by_stem = reading == readings(file_name)[0]
    return calls_itself(merge_name, name=reading.name, version=reading.version, file_name=file_name, by_stem=by_stem)


def agreeing_reading(merge_name: str, file_name: str) -> ImageName | None:
    """The likeliest reading of the name of a published file with which content agrees, if any does."""
    return next((reading for reading in readings(file_name) if agrees(merge_name, reading, file_name)), None)


def read_image_name(file_name: str, wanted: Collection[str] = ()) -> ImageName | None:
    """What the name of a file says, None where it is that of no image.

    Of several readings it is the one whose name is among ``wanted``, of several wanted ones the longest.
    """
    possible = readings(file_name)
    return meant_reading(possible, wanted) if possible else None


def meant_reading(possible: Sequence[ImageName], wanted: Collection[str]) -> ImageName:
    """Which of the readings of a name, the likeliest first and at least one, is meant where these images are wanted."""
    meant = [reading for reading in possible if reading.name in wanted]
    return max(meant, key=lambda reading: len(reading.name)) if meant else possible[0]


@lru_cache(maxsize=16384)
def readings(file_name: str) -> tuple[ImageName, ...]:
    """Every reading of the name of a file, the likeliest first; none where it is no name of an image."""
    match = _SUFFIX.fullmatch(file_name)
    if match is None or _LEVEL.fullmatch(match["stem"]):
        return ()
    stem, separator, architecture = _without_architecture(match["stem"])
    names: dict[str, ImageName] = {}
    for name, version in _parted(stem, separator):
        if not name or _ARCHITECTURE.fullmatch(name):  # a whole system's, as "openSUSE-MicroOS.x86_64-16.0"
            continue
        version_id = None
        of_system = _DISTRIBUTION_VERSION.fullmatch(version) if separator == "-" else None
        if of_system and not _DATE.fullmatch(version):
            version, version_id = of_system.groups()
        reading = ImageName(
            name=name,
            version=version,
            architecture=architecture,
            version_id=version_id,
            kind="confext" if match["kind"] == "confext" else "sysext",
            packing=match["packing"] or "",
        )
        names.setdefault(name, reading)
    return tuple(names.values())


def _without_architecture(stem: str) -> tuple[str, str, str | None]:
    """The stem without the architecture at its end, what stands before that, and systemd's name for it."""
    match = _ARCHITECTURE.fullmatch(stem)
    if match is None:
        return stem, "", None
    return match["stem"], match["separator"], _SPELLINGS[match["word"]]


def _parted(stem: str, separator: str) -> Iterator[tuple[str, str]]:
    """A stem as name and version, the likeliest way first; ``separator`` stands before the architecture."""
    places = [match.start() for match in _SPLIT.finditer(stem)]
    parts = [(stem[:place], stem[place + 1 :]) for place in places if not _is_series(stem, place, places)]
    likely = [part for part in parts if _LIKELY.match(part[1]) and not _goes_on(part[1])]
    if separator == "." and "-" in stem and likely and not _RPM.fullmatch(stem.rpartition("-")[2]):
        likely.sort(key=lambda part: (stem[len(part[0])] == "-", len(part[0])), reverse=True)
    yield from likely or parts
    if separator and not parts:
        name, _, word = stem.rpartition("_" if separator == "_" and "_" in stem else "-")
        if _WORD.fullmatch(word):
            yield name, word


def _is_series(stem: str, place: int, places: list[int]) -> bool:
    """Whether what begins here belongs to the name, because the version repeats it: ``gcc-13-13.4.0``."""
    following = next((other for other in places if other > place), None)
    if following is None:
        return False
    series = _SERIES.fullmatch(stem[place + 1 : following])
    return series is not None and stem[following + 1 :].removeprefix("v").startswith(f"{series[1]}.")


def _goes_on(version: str) -> bool:
    """Whether a word of the name stands behind this, and the version behind that: ``2-tools-1.0``."""
    last = max((match.start() for match in _SPLIT.finditer(version) if _LIKELY.match(version, match.end())), default=0)
    return any(match[1].lower() not in _OF_VERSION for match in _LETTERS.finditer(version, 0, last + 1))
