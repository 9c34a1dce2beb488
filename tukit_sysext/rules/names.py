# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names of files: which ones we take, and those that an image gets in the store."""

from __future__ import annotations

import re

from tukit_sysext.errors import TukitSysextError

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
