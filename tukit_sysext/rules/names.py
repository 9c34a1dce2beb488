# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names of files that a repository publishes: which ones we take, and what they hint at."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.rules.architectures import ARCHITECTURES

MAX_LENGTH = 255
"""Bytes of a file name, NAME_MAX of Linux."""

_FIRST = "a letter, a digit or one of _ + ~ ^ @ = :"
_COMPONENT = re.compile(r"[A-Za-z0-9_+~^@=:][A-Za-z0-9_+~^@=:.-]*")


class NameRefused(TukitSysextError, ValueError):
    """A name is not one path component out of the small alphabet that we take."""


def check_component(name: str) -> str:
    """Give `name` back if it is one harmless path component; raises NameRefused otherwise (threat N1).

    ASCII letters, digits and `+ - . _ ~ ^ : @ =`, not beginning with `-` (an option for some tool) or `.`
    (hidden), without `..`, at most 255 bytes. `~` and `^` are needed for versions (UAPI.10).
    """
    if not name:
        raise NameRefused("name of a file: expected one path component, found an empty one")
    shown = ascii(name[:80])
    if len(name) > MAX_LENGTH:
        raise NameRefused(f"name {shown}...: expected at most {MAX_LENGTH} bytes, found {len(name)}")
    if name[0] in "-.":
        raise NameRefused(f"name {shown}: expected {_FIRST} at its beginning, found {name[0]!r}")
    if not _COMPONENT.fullmatch(name):
        found = next(c for c in name if not _COMPONENT.fullmatch("a" + c))
        raise NameRefused(f"name {shown}: expected ASCII letters, digits and + - . _ ~ ^ : @ = only, found {found!a}")
    if ".." in name:
        raise NameRefused(f"name {shown}: expected no '..' in it")
    return name


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageName:
    """What the name of an image's file hints at; metadata is right where there is any.

    `version` and `version_id` are UAPI.10 strings, `architecture` is systemd's name for it; None where not
    said.
    """

    name: str
    version: str
    architecture: str | None = None
    version_id: str | None = None


_HANDLE = re.compile(r"(.+\.raw)\.([0-9a-f]{16}|[0-9a-f]{64})")
_SHOWN_DIGITS = 6


def handle(file_name: str, sha256: str, *, whole: bool = False) -> str:
    """The name in the store of another content of an image, when its own name is taken.

    It ends in digits of the hash (all with ``whole``), and not in ".raw": neither we nor sysextmgr, which parse the end
    of a name, take it for a version, and no repository can publish it as an image.
    """
    return f"{file_name}.{sha256 if whole else sha256[:16]}"


def published_name(file_name: str) -> str:
    """The name under which a file of the store was published."""
    match = _HANDLE.fullmatch(file_name)
    return match[1] if match else file_name


def shown_version(version: str, file_name: str) -> str:
    """A version for people: another content under the same name has the first digits of its hash."""
    match = _HANDLE.fullmatch(file_name)
    return f"{version} ({match[2][:_SHOWN_DIGITS]}…)" if match else version


_SUFFIXES = (".sysext.raw", ".confext.raw", ".raw")
_SPELLINGS = sorted(
    [(word, word) for word in ARCHITECTURES] + [("x86_64", "x86-64"), ("aarch64", "arm64"), ("ppc64le", "ppc64-le")],
    key=lambda pair: len(pair[0]),
    reverse=True,  # ppc64-le before ppc64, arm64-be before arm64
)
_VERSION_BEGINS = re.compile(r"-(?=v?[0-9]+(?:[^a-zA-Z0-9]|$))")
_DISTRIBUTION_VERSION = re.compile(r"(.+)-([0-9]{2,}(?:\.[0-9]+)?)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_image_name(file_name: str) -> ImageName | None:
    """Read the name of an image's file, None if it hints at no version. The forms:

    `NAME-VERSION.ARCH.raw` (mkosi, sysextmgr; the version is behind the last `-`),
    `NAME-VERSION-VERSION_ID-ARCH.raw` (Fedora), `NAME-VERSION-ARCH.raw` (Flatcar), `NAME_VERSION.raw` and
    `NAME_VERSION_ARCH.raw` (systemd-sysupdate), `NAME-VERSION.raw`.
    """
    suffix = next((suffix for suffix in _SUFFIXES if file_name.endswith(suffix)), None)
    if suffix is None:
        return None
    stem, separator, arch = _split_architecture(file_name.removesuffix(suffix))
    version_id = None
    if separator == "-":
        begins = _VERSION_BEGINS.search(stem)
        if begins is None:
            name, _, version = stem.rpartition("-")
        else:
            name, version = stem[: begins.start()], stem[begins.end() :]
        with_release = _DISTRIBUTION_VERSION.fullmatch(version)
        if with_release and not _DATE.fullmatch(version):
            version, version_id = with_release.groups()
    elif separator == "_" or (separator is None and "_" in stem and "-" not in stem.partition("_")[2]):
        name, _, version = stem.partition("_")
    else:
        name, _, version = stem.rpartition("-")
    if not name or not version or (arch is None and not re.match(r"v?[0-9]", version)):
        return None
    return ImageName(name=name, version=version, architecture=arch, version_id=version_id)


def _split_architecture(stem: str) -> tuple[str, str | None, str | None]:
    """The stem without the architecture at its end, the character before it, and systemd's name for it."""
    for word, name in _SPELLINGS:
        if stem.endswith(word):
            rest, separator = stem[: -len(word) - 1], stem[-len(word) - 1 : -len(word)]
            if rest and separator in (".", "-", "_"):
                return rest, separator, name
    return stem, None, None
