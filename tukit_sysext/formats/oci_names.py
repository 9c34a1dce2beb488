# SPDX-License-Identifier: LGPL-2.1-or-later
"""How images, versions and files are called in an OCI registry (distribution-spec 1.1), and at which URLs they are.

A project has one repository for each image, and one for its signed list. Names of repositories are lower case, and
tags cannot have ``+ ~ ^ :`` in them: what cannot stand there is written otherwise, and annotations have it as it is.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import urljoin, urlsplit

from tukit_sysext.formats.oci_urls import api_url, is_repository
from tukit_sysext.rules.architectures import of_platform, platform_name
from tukit_sysext.rules.image_names import read_image_name, stem_of

LIST_REPOSITORY = "sha256sums"
"""The repository of a project's signed list."""
LIST_TAG = "latest"
"""The tag of its newest list."""

_LONGEST = 128
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_ESCAPED = re.compile(r"_([0-9a-f]{2})")
_PLAIN = re.compile(r"[A-Za-z0-9.-]")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9.-]|^[.-]")
_OF_OTHERS = re.compile(r"sha(?:256|384|512)-.*|.*\.(?:sig|att|sbom)")
_DIGITS, _SHOWN = 8, 100


def is_tag(text: str) -> bool:
    """Whether a registry takes this as a tag."""
    return _TAG.fullmatch(text) is not None


def names_no_version(tag: str) -> bool:
    """Whether a tag is a signature's or another artifact's of something else (cosign, the referrers' fallback)."""
    return _OF_OTHERS.fullmatch(tag) is not None


def repository_name(name: str) -> str:
    """The repository of an image, below its project: its name, where that can be one.

    Of another name what a repository cannot be called by becomes ``-``, and the beginning of the name's SHA-256 follows
    behind ``--``: ``NetworkManager`` is in ``networkmanager--563a2789``.
    """
    if is_repository(name) and "/" not in name and name != LIST_REPOSITORY:
        return name
    shown = re.sub(r"[^a-z0-9]+", "-", name.lower())[:_SHOWN].strip("-")
    digits = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{shown}--{digits}" if shown else digits


def repository_of(file_name: str) -> str:
    """The repository, below its project, that has the image with this file name, its description and its index."""
    hint = read_image_name(file_name)
    return repository_name(hint.name if hint is not None else stem_of(file_name))


def version_tag(version: str, architecture: str | None = None) -> str:
    """The tag of a version (UAPI.10), or of its image for one architecture in systemd's spelling.

    Letters, digits, ``.`` and ``-`` stay; each other byte, and one of the last two at the beginning, is ``_`` with two
    hexadecimal digits: ``6.12~rc1`` is tagged ``6.12_7erc1``. Raises ValueError where that is longer than a tag may be.
    """
    tag = _NOT_PLAIN.sub(lambda match: "".join(f"_{byte:02x}" for byte in match[0].encode()), version)
    tag += f"-{platform_name(architecture)}" if architecture is not None else ""
    if len(tag) > _LONGEST or not tag:
        raise ValueError(f"version {version}: expected a tag of 1 to {_LONGEST} characters, found {len(tag)}: {tag}")
    return tag


def read_tag(tag: str) -> tuple[str, str | None]:
    """The version that a tag says, and the architecture behind it, in systemd's spelling; None where it says none.

    What others tagged is read as it stands, where it has nothing in it that we would have written so.
    """
    stem, architecture = tag, None
    for match in re.finditer("-", tag):
        found = of_platform(tag[match.end() :])
        if found not in (None, "alpha") and match.start():  # publishers have that word for a version
            stem, architecture = tag[: match.start()], found
            break
    return _ESCAPED.sub(_unescaped, stem), architecture


def _unescaped(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    first = not match.start() and character in ".-"
    return character if "!" <= character <= "~" and (first or not _PLAIN.match(character)) else match[0]


def signature_tag(sha256: str) -> str:
    """The tag under which cosign keeps the signatures of a manifest."""
    return f"sha256-{sha256}.sig"


def blob_url(url: str, repository: str, sha256: str) -> str:
    """Where a project's registry has the bytes with this hash; ``url`` ends in a slash."""
    return f"{api_url(url)}{repository}/blobs/sha256:{sha256}"


def manifest_url(url: str, repository: str, reference: str) -> str:
    """Where a project's registry has what a tag, or ``sha256:HASH``, names."""
    return f"{api_url(url)}{repository}/manifests/{reference}"


def tags_url(url: str, repository: str) -> str:
    """Where a project's registry lists the tags of a repository."""
    return f"{api_url(url)}{repository}/tags/list?n=1000"


def next_page(link: str, url: str) -> str | None:
    """Where a list goes on, by the Link header (RFC 8288) of the answer at a URL; None where it has no more.

    Only the same list, at the same server, goes on.
    """
    match = re.match(r'\s*<([^<>\s]{1,2048})>\s*;\s*rel="?next"?\s*(?:$|[;,])', link)
    if match is None:
        return None
    try:
        following = urljoin(url, match[1])
        here, there = urlsplit(url), urlsplit(following)
    except ValueError:
        return None
    return following if here[:3] == there[:3] and following.isascii() and following != url else None
