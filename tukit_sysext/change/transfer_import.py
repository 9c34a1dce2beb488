# SPDX-License-Identifier: LGPL-2.1-or-later
"""From transfers of systemd-sysupdate to sources and wanted images of one tree.

Nothing is taken over with less than was asked for: a transfer that does not verify what it brings (Verify=no) needs a
key, or the word that it is meant. What a transfer says of names (MatchPattern=) goes to the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tukit_sysext.change.source_files import NewSource
from tukit_sysext.change.sysupdate import Transfer
from tukit_sysext.config.files import redacted_value
from tukit_sysext.config.key_editing import Changes
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.config.values import absolute_path, url
from tukit_sysext.rules.constraint import check_specifier
from tukit_sysext.rules.names import check_component
from tukit_sysext.rules.patterns import Pattern, check_named_pattern, expand


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferImport:
    """An image that a transfer becomes: its name, the keys of its file, and its source.

    ``new`` is the source that has to be made (None: there is one with this place). ``notes`` are what is not taken
    over.
    """

    transfer: Transfer
    image: str
    keys: Changes
    source: str
    new: NewSource | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class NotImported:
    """A transfer that is left as it is, and why; ``extension`` whether it brings an extension image at all."""

    transfer: Transfer
    reason: str
    next_step: str = ""
    extension: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportOptions:
    """What a person said: the name of the source (None: any), keys, and whether Verify=no is meant.

    ``features``: transfers of features that are not enabled too. ``policy`` of the images (None: the default).
    """

    name: str | None = None
    key: bytes | None = None
    unverified: bool = False
    features: bool = False
    policy: str | None = None


def plan_import(
    transfers: Sequence[Transfer],
    sources: Mapping[str, SourceSettings],
    specifiers: Mapping[str, str],
    options: ImportOptions,
) -> list[TransferImport | NotImported]:
    """What becomes of transfers in a tree with these sources; ``specifiers`` say what ``%w`` and the like are there."""
    read = [_read(transfer, specifiers, options) for transfer in transfers]
    places: dict[str, list[_Readable]] = {}
    for each in read:
        if isinstance(each, _Readable):
            places.setdefault(each.place, []).append(each)
    made = {place: _new_source(place, of_place, options) for place, of_place in places.items()}
    images: dict[str, Transfer] = {}
    results: list[TransferImport | NotImported] = []
    for each in read:
        result = each if isinstance(each, NotImported) else _decide(each, sources, made, images, options)
        if isinstance(result, TransferImport):
            images[result.image] = result.transfer
        results.append(result)
    return results


def _decide(
    readable: _Readable,
    sources: Mapping[str, SourceSettings],
    made: Mapping[str, NewSource],
    images: Mapping[str, Transfer],
    options: ImportOptions,
) -> TransferImport | NotImported:
    """What becomes of one transfer, after those that brought ``images``; ``made`` are sources to be made by place."""
    transfer, new = readable.transfer, made[readable.place]
    there = next((each for _, each in sorted(sources.items()) if readable.place in (*each.urls, each.path)), None)
    if readable.image in images:
        reason = f"{images[readable.image].file} brings {readable.image} already"
        return NotImported(transfer=transfer, reason=reason)
    if there is not None and transfer.verify and not there.verify:
        reason = f"source {there.name} has its place, and does not verify what is there ({there.origin})"
        return NotImported(transfer=transfer, reason=reason, next_step=f"tukit-sysext sources remove {there.name}")
    if there is None and (new.name in sources or [each.name for each in made.values()].count(new.name) > 1):
        reason = f"there is a source {new.name} already, with another place"
        return NotImported(transfer=transfer, reason=reason, next_step="give it another one with --name NAME")
    name = new.name if there is None else there.name
    return TransferImport(
        transfer=transfer,
        image=readable.image,
        keys=_keys(readable, name, options),
        source=name,
        new=new if there is None else None,
        notes=readable.notes,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Readable:
    """A transfer that can be taken over: the image, its place as a source has it, and its versions (empty: any)."""

    transfer: Transfer
    image: str
    place: str
    constraint: str
    notes: tuple[str, ...]


def _read(transfer: Transfer, specifiers: Mapping[str, str], options: ImportOptions) -> _Readable | NotImported:
    def no(reason: str, next_step: str = "", *, extension: bool = True) -> NotImported:
        return NotImported(transfer=transfer, reason=reason, next_step=next_step, extension=extension)

    if not transfer.is_of_extension:
        return no(f"it brings no extension image: {transfer.link} is no place of one", extension=False)
    if transfer.fault:
        return no("it has a fault", f"correct {transfer.file}")
    if not transfer.enabled and not options.features:
        step = f"tukit-sysext sources import {transfer.file}"
        return no(f"its feature is not enabled: {', '.join(transfer.features)}", step)
    if transfer.kind not in ("url-file", "regular-file") or transfer.relative_to not in ("", "root"):
        return no(f"its source is {transfer.kind or 'nothing'}, expected url-file, or regular-file below the root")
    if not transfer.verify and not options.unverified and options.key is None:
        again = f"tukit-sysext sources import {transfer.file}"
        step = f"{again} --key FILE\nor where nobody signs:\n{again} --no-verify"
        return no("Verify=no: whoever is on the way could put anything there", step)
    try:
        place = expand(transfer.place, specifiers)
        place = url(place) if transfer.kind == "url-file" else absolute_path(place)
    except ValueError as error:
        return no(f"Path={redacted_value(transfer.place)}: {error}")
    try:
        patterns = [Pattern.parse(expand(check_named_pattern(text), specifiers)) for text in transfer.patterns]
        image = check_component(patterns[0].name) if patterns else ""
    except ValueError as error:
        return no(f"MatchPattern={' '.join(transfer.patterns)}: {error}")
    if not patterns:
        return no("it has no MatchPattern= that tells the name of the image")
    constraint, notes = _least(transfer)
    return _Readable(
        transfer=transfer, image=image, place=place, constraint=constraint, notes=(*transfer.notes, *notes)
    )


def _least(transfer: Transfer) -> tuple[str, tuple[str, ...]]:
    """MinVersion= as a specifier, or a note that it cannot be said."""
    if not transfer.least:
        return "", ()
    try:
        return check_specifier(f">={transfer.least}"), ()
    except ValueError as error:
        return "", (f"MinVersion={transfer.least} is not taken over: {error}",)


def _keys(readable: _Readable, source: str, options: ImportOptions) -> Changes:
    keys: dict[str, Sequence[str]] = {"Source": (source,), "MatchPattern": readable.transfer.patterns}
    keys |= {"Version": (readable.constraint,)} if readable.constraint else {}
    return keys | ({"Policy": (options.policy,)} if options.policy is not None else {})


def _new_source(place: str, readables: Sequence[_Readable], options: ImportOptions) -> NewSource:
    """The source of a place: called as is asked for, or as the one image that comes from there, or as the server.

    One transfer that verifies what it brings is enough for the source to do that.
    """
    transfer, images = readables[0].transfer, {each.image for each in readables}
    is_url = transfer.kind == "url-file"
    shared = urlsplit(place).hostname if is_url else place.rstrip("/").rpartition("/")[2]
    name = options.name or (min(images) if len(images) == 1 or not shared else shared)
    return NewSource(
        name=name,
        urls=(place,) if is_url else (),
        path=None if is_url else place,
        key=options.key,
        pins=(),
        priority=None,
        verify=options.key is not None or any(each.transfer.verify for each in readables),
        made_by=f"sources import, as {transfer.file} says",
    )
