# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an image takes the place of: newer packages of the system, and other files of another image. Pure.

A file of an image over one of the system is what images are made for, as long as its package is not the older one.
Of two images systemd-sysext shows the files of the one whose name is the last, in the order of versions (UAPI.10).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from tukit_sysext.requirements.capabilities import Capabilities, Package
from tukit_sysext.requirements.contents import Contents, ImageFolder
from tukit_sysext.requirements.evr import compare_evr, meets
from tukit_sysext.requirements.ground import Ground, Kind, in_both
from tukit_sysext.requirements.requirement import Requirement

_MOST_OWNERS = 1000
"""So many files that the system has too are looked up: whose they are."""
_SHOWN = 3


def downgrades(contents: Contents, system: Ground) -> Iterator[str]:
    """Each older package of an image that hides files of the system's newer one, as a sentence.

    Where the image's files are not known, that its package is older is all that can be said.
    """
    if not contents.packages:
        return
    system.packages.prepare((), [package.name for package in contents.packages])
    older = {package.name: package for package in contents.packages if _is_older(package, system.packages)}
    if not older:
        return
    files = contents.files
    paths = list(islice(_files_in_both(files, system), _MOST_OWNERS + 1)) if files is not None else []
    sure = files is not None and len(paths) <= _MOST_OWNERS
    hidden = _by_owner(paths[:_MOST_OWNERS], system.packages)
    for name, package in sorted(older.items()):
        if name in hidden or not sure:
            which = f", and hides {in_short(hidden[name])}" if name in hidden else ""
            yield f"its {package} is older than {system.packages.installed(name)} of the system{which}"


def _is_older(package: Package, system: Capabilities) -> bool:
    there = system.installed(package.name)
    if not isinstance(there, Package) or not (package.evr and there.evr):
        return False
    as_new = meets(Requirement(package.name, "=", package.evr), Requirement(package.name, "=", there.evr))
    return compare_evr(package.evr, there.evr) < 0 and not as_new


def _files_in_both(files: ImageFolder, system: Ground) -> Iterator[str]:
    """What an image and the system have under one path, but for directories."""
    for path, node, kind in in_both(files, system):
        if not isinstance(node, ImageFolder) and kind is not Kind.DIRECTORY:
            yield path


def _by_owner(paths: Sequence[str], system: Capabilities) -> dict[str, list[str]]:
    """Paths by the name of the package that has them."""
    system.prepare([Requirement(f"/{path}") for path in paths])
    owned: dict[str, list[str]] = {}
    for path in paths:
        owner = system.provides(Requirement(f"/{path}"))
        if isinstance(owner, Package):
            owned.setdefault(owner.name, []).append(path)
    return owned


class Overlap(NamedTuple):
    """Paths that two images have: of them ``differ`` by what was found out when they were looked through.

    Of ``as_large`` (regular files of one size in both) only the contents tell.
    """

    differ: tuple[str, ...]
    as_large: tuple[str, ...]


@lru_cache(maxsize=256)
def overlap(one: Contents, other: Contents) -> Overlap:
    """The paths that two images have, but for directories of both, and what is the same for certain."""
    a, b = one.files, other.files
    paths = list(_compared(a, b)) if a is not None and b is not None else []
    return Overlap(
        differ=tuple(path for path, differs in paths if differs),
        as_large=tuple(path for path, differs in paths if not differs),
    )


def _compared(one: ImageFolder, other: ImageFolder, path: str = "") -> Iterator[tuple[str, bool]]:
    for name in sorted(one.entries.keys() & other.entries.keys()):
        a, b, here = one.entries[name], other.entries[name], f"{path}{name}"
        if isinstance(a, ImageFolder) and isinstance(b, ImageFolder):
            yield from _compared(a, b, f"{here}/")
        elif isinstance(a, ImageFolder) or isinstance(b, ImageFolder) or a != b:
            yield here, True
        elif isinstance(a, int) and a > 0:
            yield here, False


def in_short(paths: Sequence[str]) -> str:
    """Paths for a person, the first ones where they are many."""
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(f"/{path}" for path in paths[:_SHOWN]) + more
