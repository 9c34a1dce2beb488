# SPDX-License-Identifier: LGPL-2.1-or-later
"""Descriptions of images: mkosi's manifest and sysextmgr's JSON. Both only guide the search for a fitting image.

What decides in the end is the extension-release inside the verified image.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from tukit_sysext.errors import ImageBroken
from tukit_sysext.rules.printable import excerpt

LIMIT = 1024 * 1024
"""The most bytes that a description may have, compressed or not."""
KEPT = 8 * 1024
"""The most characters of an extension-release that are taken from a description; real ones have some hundred."""


class DescriptionRefused(ImageBroken):
    """The description is malformed, too large, or speaks of another image than the list (threat N2)."""


class NothingSaid(DescriptionRefused):
    """The description is well formed and says nothing of the image's extension-release."""


def decompress(content: bytes, *, where: str) -> bytes:
    """Undo gzip (RFC 1952). Raises DescriptionRefused when it is damaged, cut off or larger than LIMIT inside."""
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


def parse(content: bytes, *, image: str, where: str) -> Mapping[str, str]:
    """The extension-release keys that a description gives for the file ``image``.

    ``content`` is mkosi's manifest (an object with ``extension``), or sysextmgr's description (an object with
    ``image_name`` and ``sysext``, or an array of them). Raises DescriptionRefused.
    """
    if len(content) > LIMIT:
        raise DescriptionRefused(f"{where}: larger than {LIMIT} bytes")
    try:
        document: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DescriptionRefused(f"{where}: not JSON: {error}") from error
    if isinstance(document, dict) and "extension" in document:
        _check_name(document.get("config"), image=image, where=where)
        return _keys(document["extension"], where=where)
    if isinstance(document, dict) and "config" in document and "image_name" not in document:
        _check_name(document["config"], image=image, where=where)
        raise NothingSaid(f"{where}: says nothing of an extension-release")  # mkosi's, of an older version
    entries = document if isinstance(document, list) else [document]
    for entry in entries:
        if isinstance(entry, dict) and entry.get("image_name") == image and "sysext" in entry:
            return _keys(entry["sysext"], where=where)
    raise DescriptionRefused(f"{where}: expected a description of {image}, found none in it")


def _check_name(config: Any, *, image: str, where: str) -> None:
    """mkosi says which image it made: another one than the list names is refused (threat N2)."""
    said = config if isinstance(config, dict) else {}
    name, version = said.get("name"), said.get("version")
    if isinstance(name, str) and name and not image.startswith(name):
        raise DescriptionRefused(f"{where}: expected a description of {image}, found one of {name[:80]!r}")
    if isinstance(version, str) and version and version not in image:
        raise DescriptionRefused(f"{where}: expected a description of {image}, found one of version {version[:80]!r}")


def _keys(value: Any, *, where: str) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise DescriptionRefused(f"{where}: expected an object of extension-release keys")
    keys: dict[str, str] = {}
    for key, text in value.items():
        if not isinstance(text, str):
            raise DescriptionRefused(f"{where}: {excerpt(key)}: expected a string, found {type(text).__name__}")
        keys[key] = text
    if sum(len(key) + len(text) for key, text in keys.items()) > KEPT:
        # it is kept in memory, and so are those of a thousand other versions: the content tells it as well
        raise NothingSaid(f"{where}: an extension-release of more than {KEPT} characters")
    return keys


def compose(release: Mapping[str, str], *, name: str, version: str, architecture: str | None) -> bytes:
    """A description of an image with this extension-release, in the form of mkosi's manifest."""
    config = {"name": name, "distribution": release.get("ID"), "architecture": architecture, "version": version}
    document = {
        "manifest_version": 1,
        "config": {key: value for key, value in config.items() if value},
        "packages": [],
        "extension": dict(release),
    }
    return json.dumps(document, indent=2).encode() + b"\n"
