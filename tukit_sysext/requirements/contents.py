# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an image has and needs: found out once for each content, and kept in its record as JSON has it."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from tukit_sysext.requirements.capabilities import Package
from tukit_sysext.requirements.requirement import Requirement, parse_requirement

FORMAT = 1
"""Grows where more is found out: what was kept in another format is looked at again."""
LIMIT = 640 * 1024
"""The most characters that are kept of one image: a record has to stay below the limit that former versions have."""
_UNPACKED = 32 * 1024 * 1024
_MOST_LINKS = 40
_DEEPEST = 100


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """A directory of an image: its mode (permission bits alone), and what is in it by name."""

    mode: int
    entries: Mapping[str, Node]


Node = ImageFolder | str | int | None
"""Something in an image: a directory, a link (its target), a regular file (its size in bytes); None: anything else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What an image has and needs.

    ``needs`` are capabilities in RPM's spelling, and paths of interpreters, less what the image has itself;
    ``provides`` those of its libraries. ``stated`` is required by who publishes it. ``packed`` is what :func:`pack`
    made of its files, None where only a manifest is known, or they are too many to be kept. ``refused`` are programs
    and libraries that cannot be understood (a part of them, where they are many), ``labelled`` how many programs and
    libraries have an SELinux label, ``unlabelled`` how many have none, and ``first_unlabelled`` is the first of these.
    ``described``: a description says it, nobody looked through the image.
    """

    needs: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    stated: tuple[Requirement, ...] = ()
    packages: tuple[Package, ...] = ()
    packed: str | None = None
    refused: tuple[str, ...] = ()
    labelled: int = 0
    unlabelled: int = 0
    first_unlabelled: str = ""
    described: bool = False

    @property
    def files(self) -> ImageFolder | None:
        """The image's root with usr/ and opt/; unpacked where it is asked for alone."""
        return _unpacked(self.packed) if self.packed is not None else None

    def document(self) -> dict[str, Any]:
        """The contents as JSON has them; without the files where they are too many."""
        document: dict[str, Any] = {
            "format": FORMAT,
            "needs": list(self.needs),
            "provides": list(self.provides),
            "stated": [str(requirement) for requirement in self.stated],
            "packages": [[package.name, package.evr] for package in self.packages],
            "refused": list(self.refused),
            "labelled": self.labelled,
            "unlabelled": self.unlabelled,
            "first_unlabelled": self.first_unlabelled,
        }
        if self.described:
            document["described"] = True
        if self.packed is not None and len(self.packed) + len(json.dumps(document)) <= LIMIT:
            document["files"] = self.packed
        return document

    def packed_document(self) -> str:
        """The same in little room, for what keeps those of many versions."""
        return _packed(json.dumps(self.document(), separators=(",", ":")))

    @classmethod
    def of_packed(cls, packed: Any) -> Contents | None:
        """Read what :meth:`packed_document` made; None where that is nothing, damaged, or of another format."""
        try:
            return cls.of(json.loads(_plain_text(packed)))
        except (ValueError, TypeError, zlib.error, RecursionError):
            return None

    @classmethod
    def of(cls, document: Any) -> Contents | None:
        """Read what was kept; None where that is nothing, damaged, or of another format."""
        try:
            if document["format"] != FORMAT:
                return None
            packed = document.get("files")
            if packed is not None and not isinstance(packed, str):
                raise TypeError("expected a string")
            return cls(
                needs=_names(document["needs"]),
                provides=_names(document["provides"]),
                stated=tuple(parse_requirement(text) for text in _names(document["stated"])),
                packages=tuple(Package(str(name), str(evr)) for name, evr in document["packages"]),
                packed=packed,
                refused=_names(document["refused"]),
                labelled=_whole(document.get("labelled", 0)),
                unlabelled=_whole(document["unlabelled"]),
                first_unlabelled=str(document.get("first_unlabelled", "")),
                described=document.get("described") is True,
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


def completed(looked: Contents | None, described: Contents | None) -> Contents | None:
    """What looking through an image found, with what its publisher states; that alone where nobody could look."""
    if looked is None or described is None:
        return looked or described
    return replace(looked, stated=described.stated, packages=described.packages)


def less_own(needs: Iterable[str], provides: Iterable[str], files: ImageFolder) -> tuple[str, ...]:
    """Needs but for those that the image meets itself."""
    own = frozenset(provides)
    return tuple(sorted(need for need in set(needs) - own if not (need.startswith("/") and _has(files, need))))


def _has(files: ImageFolder, path: str) -> bool:
    """Whether an image has a path; a link that leads out of it counts as what it leads to."""
    parts = path.strip("/").split("/")
    folder, links, at = files, 0, list[str]()
    while parts:
        name = parts.pop(0)
        if name in ("", "."):
            continue
        if name == "..":
            at = at[:-1]
            folder = _folder(files, at) or files
            continue
        if name not in folder.entries:
            return links > 0 and folder is files
        node = folder.entries[name]
        if isinstance(node, str):
            links += 1
            if links > _MOST_LINKS:
                return True
            parts = [*node.split("/"), *parts]
            if node.startswith("/"):
                at, folder = [], files
        elif isinstance(node, ImageFolder):
            at, folder = [*at, name], node
        else:
            return not parts
    return True


def _folder(files: ImageFolder, path: Iterable[str]) -> ImageFolder | None:
    for name in path:
        node = files.entries.get(name)
        if not isinstance(node, ImageFolder):
            return None
        files = node
    return files


def walk(files: ImageFolder, path: str = "") -> Iterator[tuple[str, Node]]:
    """Everything in an image by its path without a slash in front, a directory before what is in it."""
    for name, node in files.entries.items():
        here = f"{path}{name}"
        yield here, node
        if isinstance(node, ImageFolder):
            yield from walk(node, f"{here}/")


def _plain(node: Node) -> Any:
    if isinstance(node, ImageFolder):
        return [node.mode, {name: _plain(each) for name, each in node.entries.items()}]
    return node


@lru_cache(maxsize=64)
def _unpacked(packed: str) -> ImageFolder | None:
    """The files; None where what was kept is damaged."""
    try:
        node = node_of(json.loads(_plain_text(packed)))
    except (ValueError, TypeError, AttributeError, zlib.error, RecursionError):
        return None
    return node if isinstance(node, ImageFolder) else None


def _packed(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _plain_text(packed: str) -> bytes:
    """What was packed. Raises ValueError, TypeError, zlib.error."""
    decoder = zlib.decompressobj()
    plain = decoder.decompress(base64.b64decode(packed), _UNPACKED)
    if not decoder.eof:
        raise ValueError("cut off, or too much")
    return plain


def pack(files: ImageFolder) -> str:
    """Files as they are kept."""
    return _packed(json.dumps(_plain(files), separators=(",", ":")))


def node_of(plain: Any, depth: int = 0) -> Node:
    """The node that JSON has as its parts. Raises ValueError, TypeError."""
    if isinstance(plain, list):
        mode, entries = plain
        if depth > _DEEPEST:
            raise ValueError("too deep")
        return ImageFolder(_whole(mode), {str(name): node_of(each, depth + 1) for name, each in entries.items()})
    if plain is None or (isinstance(plain, str | int) and not isinstance(plain, bool)):
        return plain
    raise TypeError(f"expected a node, found {type(plain).__name__}")


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"expected a number, found {type(value).__name__}")
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError("expected strings")
    return tuple(value)
