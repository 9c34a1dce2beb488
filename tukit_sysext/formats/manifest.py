# SPDX-License-Identifier: LGPL-2.1-or-later
"""Descriptions of images: mkosi's manifest and sysextmgr's JSON. Both are hints that guide the search.

What decides is the extension-release inside the verified image. A description that is damaged, empty, of another kind,
or of another image counts as none.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tukit_sysext.errors import ImageBroken
from tukit_sysext.formats.manifest_contents import described_contents
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.rules.printable import excerpt

LIMIT = 1024 * 1024
"""The most bytes that a description may have, compressed or not."""
KEPT = 8 * 1024
"""The most characters of an extension-release that are taken from a description; real ones have some hundred."""

_MOST_BYTES = 2**63
_GZIP = b"\x1f\x8b"
_UNNAMED = ("", "image", "main")
"""What mkosi calls an image without ImageId=."""


class DescriptionRefused(ImageBroken):
    """The description says nothing of the image that can be used: it counts as none (threat N2)."""


class ContentsRefused(DescriptionRefused):
    """The description is of the image, and what it says of requirements, needs or packages is not understood."""


class ReleaseHint(NamedTuple):
    """The extension-release keys that a description gives, and what it says of what the image has and needs.

    ``early``: mkosi writes its manifest before its finalize scripts run, which may change them (to ``ID=_any``).
    ``size`` are the bytes of the file that was asked for, None where the description does not say.
    """

    keys: Mapping[str, str]
    early: bool
    contents: Contents | None = None
    size: int | None = None


def unpack(content: bytes, *, where: str) -> bytes:
    """Undo gzip (RFC 1952) where there is any, whatever the file's name says.

    Raises DescriptionRefused when it is damaged, cut off or larger than LIMIT inside.
    """
    if not content.startswith(_GZIP):
        return content
    decoder = zlib.decompressobj(wbits=31)
    try:
        plain = decoder.decompress(content, LIMIT + 1)
    except zlib.error as error:
        raise DescriptionRefused(f"{where}: damaged gzip data: {error}") from error
    if len(plain) > LIMIT:
        raise DescriptionRefused(f"{where}: larger than {LIMIT} bytes when unpacked")
    if not decoder.eof:
        raise DescriptionRefused(f"{where}: the gzip data is cut off")
    return plain


def parse(content: bytes, *, image: str, where: str, sha256: str = "") -> ReleaseHint:
    """The extension-release keys that a description gives for the file ``image``, and the size of what has the hash.

    ``content`` is mkosi's manifest (an object with ``extension``), or sysextmgr's description (an object with
    ``image_name`` and ``sysext``, or an array of them). Raises DescriptionRefused.
    """
    entry = _of_image(content, image=image, where=where)
    early = "image_name" not in entry
    keys = _keys(entry.get("extension" if early else "sysext"), where=where)
    return ReleaseHint(keys=keys, early=early, contents=_contents(entry, where=where), size=_size(entry, sha256))


def given_in(content: bytes, *, image: str, where: str) -> Mapping[str, Any]:
    """What its publisher gives in a description beside an extension-release, whether there is one in it or not.

    mkosi's manifest is given whole. Raises DescriptionRefused.
    """
    entry = _of_image(content, image=image, where=where)
    _contents(entry, where=where)
    if "image_name" not in entry:
        return entry
    return {key: entry[key] for key in ("requires", "packages") if key in entry}


def _of_image(content: bytes, *, image: str, where: str) -> Mapping[str, Any]:
    """The object in a description that is of the image."""
    if len(content) > LIMIT:
        raise DescriptionRefused(f"{where}: larger than {LIMIT} bytes")
    try:
        document: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DescriptionRefused(f"{where}: not JSON: {error}") from error
    if isinstance(document, dict) and "image_name" not in document:
        _check_image(document.get("config"), image=image, where=where)
        return document
    entries = document if isinstance(document, list) else [document]
    for entry in entries:
        if isinstance(entry, dict) and entry.get("image_name") == image and "sysext" in entry:
            return entry
    raise DescriptionRefused(f"{where}: expected a description of {image}, found none in it")


def _contents(document: Mapping[str, Any], *, where: str) -> Contents | None:
    try:
        return described_contents(document)
    except ValueError as error:
        raise ContentsRefused(f"{where}: {error}") from error


def _size(document: Mapping[str, Any], sha256: str) -> int | None:
    """Bytes of the file with this hash. It is only shown, so that anything else than a number is none."""
    sizes = document.get("sizes")
    size = sizes.get(sha256) if isinstance(sizes, dict) else None
    return size if type(size) is int and 0 < size < _MOST_BYTES else None


def _check_image(config: Any, *, image: str, where: str) -> None:
    """mkosi says which image it made, and in which format: another one says nothing of this (threat N2)."""
    said = config if isinstance(config, dict) else {}
    name, version, kind = said.get("name"), said.get("version"), said.get("output_format")
    if isinstance(name, str) and name not in _UNNAMED and not image.startswith(name):
        raise DescriptionRefused(f"{where}: expected a description of {image}, found one of {excerpt(name)}")
    if isinstance(version, str) and version not in image:
        raise DescriptionRefused(f"{where}: expected a description of {image}, found one of version {excerpt(version)}")
    if kind not in (None, "sysext"):
        raise DescriptionRefused(f"{where}: expected a description of a sysext, found one of {excerpt(str(kind))}")


def _keys(value: Any, *, where: str) -> Mapping[str, str]:
    if not isinstance(value, dict) or not value.get("ID"):
        raise DescriptionRefused(f"{where}: says nothing of an extension-release")
    for key, text in value.items():
        if not isinstance(text, str):
            raise DescriptionRefused(f"{where}: {excerpt(key)}: expected a string, found {type(text).__name__}")
    if sum(len(key) + len(text) for key, text in value.items()) > KEPT:
        # it is kept in memory, and so are those of a thousand other versions: the content tells it as well
        raise DescriptionRefused(f"{where}: an extension-release of more than {KEPT} characters")
    return value


def compose(
    release: Mapping[str, str],
    *,
    name: str,
    version: str,
    architecture: str | None,
    needs: Mapping[str, Sequence[str]] | None = None,
    given: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> bytes:
    """A description of an image with this extension-release, in the form of mkosi's manifest.

    ``needs`` are the keys ``needs`` and ``provides``, ``sizes`` the bytes of files by their SHA-256; all of what is
    ``given`` is kept but for these, unless that is more than a description may have.
    """
    config = {"name": name, "distribution": release.get("ID"), "architecture": architecture, "version": version}
    document: dict[str, Any] = {
        "manifest_version": 1,
        "config": {key: value for key, value in config.items() if value},
        "packages": [],
    }
    found = {"extension": dict(release), **{key: list(values) for key, values in (needs or {}).items()}}
    found |= {"sizes": dict(sizes)} if sizes else {}
    whole, least = (
        json.dumps(each, indent=2).encode() + b"\n"
        for each in (
            {**document, **(given or {}), **found},
            {**document, **({"requires": given["requires"]} if given and "requires" in given else {}), **found},
        )
    )
    return whole if len(whole) <= LIMIT else least
