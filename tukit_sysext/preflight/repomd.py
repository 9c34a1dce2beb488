# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which system an RPM repository is for, as its metadata says: repodata/repomd.xml and media.1/products.

createrepo writes ``<tags><distro cpeid="cpe:/o:opensuse:opensuse:20260801">...</distro></tags>`` into the former,
openSUSE's product builder ``/ openSUSE 20260801-0`` into the latter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.parsers import expat

LIMIT = 1024 * 1024
"""The most bytes that are read of one of them; real ones have a few thousand."""


def cpe_names(content: bytes) -> Sequence[str]:
    """The CPE names of a repomd.xml, in their order. Raises ValueError where it is none.

    A document type is refused: it is where entities come from, and no repomd.xml has one.
    """
    names: list[str] = []
    path: list[str] = []
    parser = expat.ParserCreate()

    def start(name: str, attributes: Mapping[str, str]) -> None:
        path.append(name)
        if path == ["repomd", "tags", "distro"] and attributes.get("cpeid"):
            names.append(attributes["cpeid"])

    def end(_: str) -> None:
        path.pop()

    def refuse(*_: object) -> None:
        raise ValueError("it has a document type")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ValueError(f"no XML: {error}") from error
    if b"repomd" not in content:
        raise ValueError("no repomd.xml")
    return names


def products(content: bytes) -> Sequence[tuple[str, str]]:
    """Names and versions of the products of a media.1/products: folder, name, version and release in each line."""
    found: list[tuple[str, str]] = []
    for line in content.decode("utf-8", "replace").splitlines():
        words = line.split()
        if len(words) == 3 and words[0].startswith("/"):
            version, hyphen, _ = words[2].rpartition("-")
            found.append((words[1], version if hyphen else words[2]))
    return found
