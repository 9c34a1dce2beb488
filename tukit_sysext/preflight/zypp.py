# SPDX-License-Identifier: LGPL-2.1-or-later
"""zypper's repositories: where they are, and what zypper had from them last (libzypp's /etc/zypp and /var/cache/zypp).

Only what says where a repository is: URLs of servers, or a directory of this machine. A URL with a password in it, or
with options behind a question mark, is left to libzypp.

Which system a repository is for its metadata says: createrepo writes a line like
``<tags><distro cpeid="cpe:/o:opensuse:opensuse:20260801">...</distro></tags>`` into repodata/repomd.xml, openSUSE's
product builder ``/ openSUSE 20260801-0`` into media.1/products.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from xml.parsers import expat

from tukit_sysext.config import values
from tukit_sysext.errors import UnknownState
from tukit_sysext.formats.ini import parse
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.system.tree import Tree

_REPOSITORIES = "etc/zypp/repos.d"
_VARIABLES = "etc/zypp/vars.d"
_RAW = "var/cache/zypp/raw"
_FILE_LIMIT = 256 * 1024
_MOST = 64
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """An enabled repository.

    ``urls`` are those of it on servers, with a slash at the end; ``folder`` is that of a local one, relative to the
    root of the machine. ``kept`` is the repomd.xml that zypper had last (None: none that can be read).
    """

    alias: str
    urls: tuple[str, ...]
    folder: str | None
    priority: int
    kept: bytes | None


def repositories(tree: Tree, release: ReleaseData, machine: str) -> Sequence[Repository]:
    """The enabled repositories, at most 64. ``machine`` is what uname(1) calls it.

    Raises UnknownState where they cannot be read.
    """
    variables = _variables(tree, release, machine)
    found: dict[str, dict[str, str]] = {}
    for name in tree.names(_REPOSITORIES) or ():
        if not name.endswith(".repo"):
            continue
        assignments, _ = parse(tree.read(f"{_REPOSITORIES}/{name}", limit=_FILE_LIMIT) or b"")
        for item in assignments:
            found.setdefault(item.section, {})[item.key.lower()] = item.value
    enabled = [
        (alias, keys) for alias, keys in found.items() if keys.get("enabled", "1").lower() in ("1", "yes", "true")
    ]
    return [_repository(tree, alias, keys, variables) for alias, keys in enabled[:_MOST]]


def _variables(tree: Tree, release: ReleaseData, machine: str) -> Mapping[str, str]:
    version = release.get("VERSION_ID", "")
    major, _, minor = version.partition(".")
    own: dict[str, str] = {}
    for name in tree.names(_VARIABLES) or ():
        content = tree.read(f"{_VARIABLES}/{name}", limit=_FILE_LIMIT) or b""
        own[name] = content.decode("utf-8", "replace").partition("\n")[0].strip()
    return {
        "releasever": version,
        "releasever_major": major,
        "releasever_minor": minor,
        "arch": machine,
        "basearch": machine,
        **own,
    }


def _repository(tree: Tree, alias: str, keys: Mapping[str, str], variables: Mapping[str, str]) -> Repository:
    urls: list[str] = []
    folder: str | None = None
    path = _expanded(keys.get("path", "/"), variables).strip("/")
    for word in _expanded(keys.get("baseurl", ""), variables).replace(",", " ").split():
        text = f"{word.rstrip('/')}/{path}".rstrip("/") + "/"
        try:
            urls.append(values.url(text))
        except ValueError:
            parts = urlsplit(text)
            if parts.scheme in ("dir", "file") and not parts.netloc and not parts.query and folder is None:
                folder = unquote(parts.path).strip("/")
    priority = keys.get("priority", "")
    try:
        # libzypp keeps an alias that has a slash under another name
        kept = tree.read(f"{_RAW}/{alias.replace('/', '_')}/repodata/repomd.xml", limit=LIMIT)
    except (UnknownState, ValueError):
        kept = None
    return Repository(
        alias=alias,
        urls=tuple(urls),
        folder=folder,
        priority=int(priority) if priority.isascii() and priority.isdigit() and len(priority) < 6 else 99,
        kept=kept,
    )


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    """A text with libzypp's variables in it; an unknown one stays as it is."""
    return _VARIABLE.sub(lambda match: variables.get(match[1] or match[2], match[0]), text)


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
