# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a description says of an image beyond systemd's rule: what it requires, needs and provides, and its packages.

``packages`` are mkosi's own key, ``requires``, ``needs`` and ``provides`` are lists of strings in RPM's spelling. What
is of another type, and what cannot be understood of ``requires``, makes the description none; needs, provides and
packages that are more than is kept in memory of a thousand versions are left out, since the content tells them as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tukit_sysext.requirements.capabilities import Package
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.requirements.requirement import Requirement, parse_requirement
from tukit_sysext.rules.printable import excerpt

MOST_CHARACTERS = 256 * 1024
"""Of needs and provides together; more are neither written nor taken."""
_MOST_OF_PACKAGES = 64 * 1024
_MOST_REQUIRED = 100
_CAPABILITY = re.compile(r"[!-~]{1,1024}")
_REQUIREMENT = re.compile(r"[ -~]{1,1024}")
_PACKAGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+~^:@%-]{0,254}")
_EVR = re.compile(r"(?:[0-9]{1,10}:)?[A-Za-z0-9_.+~^]{1,255}(?:-[A-Za-z0-9_.+~^]{1,255})?")


def described_contents(document: Mapping[str, Any]) -> Contents | None:
    """What a description says of an image's contents; None where it says nothing. Raises ValueError."""
    needs, provides = (tuple(_strings(document, key, _CAPABILITY)) for key in ("needs", "provides"))
    if is_too_much(needs, provides):
        needs = provides = ()
    stated = tuple(_stated(document))
    packages = tuple(sorted(set(_packages(document))))
    if sum(len(package.name) + len(package.evr) for package in packages) > _MOST_OF_PACKAGES:
        packages = ()
    if not (needs or provides or stated or packages):
        return None
    return Contents(needs=needs, provides=provides, stated=stated, packages=packages, described=True)


def is_too_much(needs: Sequence[str], provides: Sequence[str]) -> bool:
    """Whether these are more than a description may say."""
    return sum(map(len, (*needs, *provides))) > MOST_CHARACTERS


def _strings(document: Mapping[str, Any], key: str, form: re.Pattern[str]) -> Iterator[str]:
    for text in _list(document, key):
        if not isinstance(text, str):
            raise ValueError(f"{key}: expected strings, found {type(text).__name__}")
        if not form.fullmatch(text):
            raise ValueError(f"{key}: expected what RPM calls a capability, found {excerpt(text)}")
        yield text


def _stated(document: Mapping[str, Any]) -> Iterator[Requirement]:
    texts = list(_strings(document, "requires", _REQUIREMENT))
    if len(texts) > _MOST_REQUIRED:
        raise ValueError(f"requires: expected at most {_MOST_REQUIRED} requirements, found {len(texts)}")
    for text in texts:
        try:
            yield parse_requirement(text)
        except ValueError as error:
            raise ValueError(f"requires: {excerpt(text)}: {error}") from error


def _packages(document: Mapping[str, Any]) -> Iterator[Package]:
    """Those that are RPM's: the versions of other packages are compared in another way."""
    for package in _list(document, "packages"):
        if not isinstance(package, dict):
            raise ValueError(f"packages: expected objects, found {type(package).__name__}")
        name, evr = package.get("name"), package.get("version")
        if package.get("type", "rpm") != "rpm" or name == "gpg-pubkey":
            continue
        if not isinstance(name, str) or not isinstance(evr, str):
            raise ValueError("packages: expected a name and a version of each")
        if _PACKAGE.fullmatch(name) and _EVR.fullmatch(evr):
            yield Package(name, evr)


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    value = document.get(key, [])
    if not isinstance(value, list):
        raise ValueError(f"{key}: expected an array, found {type(value).__name__}")
    return value
