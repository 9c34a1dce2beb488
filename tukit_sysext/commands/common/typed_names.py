# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names and versions of images as a person typed them."""

from __future__ import annotations

from collections.abc import Sequence

from tukit_sysext.config.values import image_version
from tukit_sysext.errors import UsageError
from tukit_sysext.rules.names import NameRefused, check_component


def parse_name(text: str) -> str:
    """The name of an image as a person wrote it. Raises UsageError."""
    try:
        return check_component(text)
    except NameRefused as error:
        raise UsageError(f"{text!r}: expected the name of an image: {error}") from error


def parse_names(texts: Sequence[str]) -> dict[str, str | None]:
    """``NAME`` or ``NAME=VERSION``, each name once. Raises UsageError."""
    found: dict[str, str | None] = {}
    for text in texts:
        name, equals, _ = text.partition("=")
        try:
            known = image_version(text) if equals else (parse_name(name), None)
        except ValueError as error:
            raise UsageError(f"{text!r}: {error}") from error
        if found.setdefault(*known) != known[1]:
            raise UsageError(f"{known[0]}: two versions of one image cannot be had")
    return found


def parse_versions(texts: Sequence[str]) -> dict[str, list[str]]:
    """``NAME=VERSION``, several of one name too. Raises UsageError."""
    found: dict[str, list[str]] = {}
    for text in texts:
        ((name, version),) = parse_names([text]).items()
        if version is None:
            raise UsageError(f"{text!r}: expected NAME=VERSION")
        found.setdefault(name, []).append(version)
    return found
