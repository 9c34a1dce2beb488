# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an update would do to packages, by zypper's own solver and cache; nothing is refreshed, nothing is changed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from tukit_sysext.errors import ToolBroken
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.system.process import TimedOut, run

log = logging.getLogger(__name__)

ZYPPER = "/usr/bin/zypper"
_FROM_CACHE = ("--no-refresh", "--xmlout", "--non-interactive")
_UPDATE_TIMEOUT = 120.0
_SEARCH_TIMEOUT = 20.0
_SEARCHING = 30.0
"""Seconds for all searches together."""
_NOTHING_FOUND = 104
_COMES = ("to-install", "to-upgrade", "to-downgrade", "to-reinstall", "to-change-arch", "to-change-vendor")
_GOES = "to-remove"


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageChanges:
    """What an update does: the version that packages will have, by name, and names of those that go."""

    comes: Mapping[str, str]
    goes: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Provider:
    """A package that provides something: installed, or in a repository."""

    name: str
    evr: str
    installed: bool


def update() -> PackageChanges | None:
    """What a distribution upgrade would do; None where zypper does not tell."""
    output = _ask(["dup", "--dry-run", "--details"], _UPDATE_TIMEOUT)
    return None if output is None else changes(output)


def providers(requirements: Iterable[Requirement]) -> Mapping[Requirement, Sequence[Provider]]:
    """Who provides each; those for which there was no time, or no answer, are not in it."""
    found: dict[Requirement, Sequence[Provider]] = {}
    until = time.monotonic() + _SEARCHING
    for requirement in requirements:
        if time.monotonic() > until:
            log.info("zypper takes long: what provides %s and others was not asked", requirement)
            break
        output = _ask(["search", "--details", "--provides", "--match-exact", str(requirement)], _SEARCH_TIMEOUT)
        if output is not None:
            found[requirement] = solvables(output)
    return found


def _ask(arguments: Sequence[str], timeout: float) -> str | None:
    if not Path(ZYPPER).exists():
        return None
    try:
        result = run([ZYPPER, *_FROM_CACHE, *arguments], timeout=timeout)
    except (TimedOut, ToolBroken) as error:
        log.info("%s", error)
        return None
    if result.status not in (0, _NOTHING_FOUND):
        log.info("%s %s: status %d: %s", ZYPPER, arguments[0], result.status, result.said)
        return None
    return result.output


def changes(document: str) -> PackageChanges | None:
    """Read zypper's summary of an update; None where it is none."""
    comes: dict[str, str] = {}
    goes: set[str] = set()

    def solvable(path: Sequence[str], attributes: Mapping[str, str]) -> None:
        if len(path) < 2 or attributes.get("type") != "package":
            return
        if path[-2] in _COMES:
            comes[attributes.get("name", "")] = attributes.get("edition", "")
        elif path[-2] == _GOES:
            goes.add(attributes.get("name", ""))

    if not _read(document, solvable):
        return None
    return PackageChanges(comes=comes, goes=frozenset(goes - comes.keys()))


def solvables(document: str) -> Sequence[Provider]:
    """Read what a search has found."""
    found: list[Provider] = []

    def solvable(_: Sequence[str], attributes: Mapping[str, str]) -> None:
        if attributes.get("kind") == "package":
            name, evr = attributes.get("name", ""), attributes.get("edition", "")
            found.append(Provider(name=name, evr=evr, installed=attributes.get("status") == "installed"))

    _read(document, solvable)
    return found


def _read(document: str, solvable: Callable[[Sequence[str], Mapping[str, str]], None]) -> bool:
    """Call a function for each package of zypper's XML; whether it is a whole document."""
    path: list[str] = []
    parser = expat.ParserCreate()

    def start(name: str, attributes: Mapping[str, str]) -> None:
        path.append(name)
        if name == "solvable":
            solvable(path, attributes)

    def end(_: str) -> None:
        path.pop()

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        log.info("zypper's answer cannot be read: %s", error)
        return False
    return True
