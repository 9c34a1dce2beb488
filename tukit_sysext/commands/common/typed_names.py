# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names and versions of images as a person typed them; for an unknown one, what was most likely meant."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tukit_sysext.config.values import image_version
from tukit_sysext.config.wanted import WantedImage
from tukit_sysext.errors import TukitSysextError, UsageError
from tukit_sysext.rules.names import NameRefused, check_component
from tukit_sysext.rules.printable import excerpt, printable
from tukit_sysext.terminal.suggest import nearest
from tukit_sysext.update.catalogue import linked_names
from tukit_sysext.update.facts import Facts


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
            raise UsageError(f"{known[0]}: only one version of an image is possible")
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


def no_such_image(name: str, facts: Facts, wanted: Mapping[str, WantedImage]) -> TukitSysextError:
    """The error for an image that nobody offers, wants or has."""
    entry = next((entry for entry in facts.tree.entries if entry.stem == name), None)
    if entry is not None:
        return TukitSysextError(
            f"{excerpt(name)}: /etc/extensions/{printable(entry.name)} exists, but of which image is not known",
            next_step=f"tukit-sysext adopt --dry-run {printable(name)}",
        )
    known = {candidate.name for candidate in facts.candidates} | set(wanted) | linked_names(facts)
    may_be = facts.may_be(name)
    if may_be:
        return TukitSysextError(
            f"{excerpt(name)}: {may_be}",
            next_step=f"MatchPattern= in images.d/{name}.conf, or in the file of the source, tells how it is named",
        )
    return unknown_image(name, known, unknown=not_asked(facts.not_asked), next_step="tukit-sysext list")


def not_asked(sources: Collection[str]) -> str:
    """That sources could not be asked, which may have an image that nobody else knows; empty where all could."""
    return f"source {', '.join(sources)} could not be asked" if sources else ""


def unknown_image(
    name: str, known: Collection[str], where: str = "", *, unknown: str = "", next_step: str = ""
) -> TukitSysextError:
    """The error for a name that no image has (``where``: that none has there), with the one that was likely meant.

    ``unknown`` is why there may be one all the same.
    """
    text = " ".join(filter(None, (f'No image "{excerpt(name)}"', where)))
    text += f" ({unknown})." if unknown else "."
    near = nearest(name, known)
    if near is not None:
        return TukitSysextError(f"{text} Did you mean {printable(near)}?")
    return TukitSysextError(text, next_step=next_step or None)
