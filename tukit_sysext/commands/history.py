# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext history [IMAGE]``: what happened, to which snapshot and image, and why, as the ledger remembers it."""

from __future__ import annotations

import argparse
import pwd
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tukit_sysext.commands.common.dates import ledger_time, snapper_time
from tukit_sysext.commands.common.from_ledger import LedgerContent, Names, read_ledger
from tukit_sysext.commands.common.typed_names import unknown_image
from tukit_sysext.errors import UsageError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.formats import timestamp
from tukit_sysext.ledger.ledger import LedgerEvent, LedgerSnapshot
from tukit_sysext.ledger.spool import EventKind
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import counted, time_text
from tukit_sysext.rules.names import shown_version
from tukit_sysext.snapshots.snapper_files import rfc3339
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Table

_OF_SNAPSHOTS = frozenset(
    kind.replace("_", " ").replace("read only", "read-only") for kind in EventKind if kind is not EventKind.ROLLED_BACK
)
"""Events of snapshots that say nothing of images, as the recorder calls them; a rollback brings other images."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """A snapshot that has, or had, an image: its link, file and version; or why it was left out."""

    snapshot: LedgerSnapshot
    link: str | None = None
    file: str | None = None
    version: str | None = None
    left_out: str | None = None


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Print it. 0; raises TukitSysextError for an image that nobody remembers, UsageError for a time that is none."""
    since = _since(arguments.since)
    ledger = read_ledger(machine)
    events, places = ledger.events, list[_Place]()
    if arguments.image is not None:
        names = Names(machine, ledger)
        name = _resolved(names, ledger, arguments.image)
        events = [event for event in events if name in (event.image, _by_file(event, names, ledger))]
        places = list(_places(names, ledger, name))
    events = [event for event in events if event.time >= since]
    shown = [event for event in events if arguments.all or event.kind not in _OF_SNAPSHOTS]
    output = Output.of(arguments)
    output.json(_document(ledger, shown, None if arguments.image is None else places))
    output.show(_lines(shown, places, of_image=arguments.image is not None, users=machine.privileged))
    if len(shown) < len(events):
        hidden = counted(len(events) - len(shown), "event")
        output.say(f"{hidden} of snapshots, which change no image:")
        output.say("  tukit-sysext history --all")
    if ledger.begun is not None and since < ledger.begun and ledger.lacks_a_past:
        output.say(f"Remembered since {ledger_time(ledger.begun)}; what happened before is not known.")
    return ExitStatus.DONE


def _since(text: str | None) -> str:
    """A time that was typed as the ledger has times; empty where none was. Raises UsageError."""
    if text is None:
        return ""
    try:
        return time_text(timestamp.seconds(text, time.time()))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--since {text}: {error}") from error


def _resolved(names_of: Names, ledger: LedgerContent, word: str) -> str:
    """The image that is meant: by its name, or by that of a file or link."""
    names = {image.name or image.file for image in ledger.images.values()}
    names |= {event.image for event in ledger.events if event.image is not None}
    names |= {image for reasons in ledger.left_out.values() for image in reasons}
    by_file = {image.file: image.name for image in ledger.images.values() if image.name}
    for row in ledger.snapshots:
        for link, file in row.images:
            name, _ = names_of.of(file, link)
            names.add(name)
            by_file[file] = name
            by_file.setdefault(link, name)
    if word in names:
        return word
    if word in by_file:
        return by_file[word]
    raise unknown_image(word, {*names, *by_file}, "is in the history", next_step="tukit-sysext snapshots")


def _by_file(event: LedgerEvent, names: Names, ledger: LedgerContent) -> str | None:
    """The image of an event that names it by its file."""
    return names.of(event.image)[0] if event.image is not None and event.image in ledger.images else None


def _places(names: Names, ledger: LedgerContent, name: str) -> Iterator[_Place]:
    for row in ledger.snapshots:
        found = False
        for link, file in row.images:
            known, version = names.of(file, link)
            if known == name:
                found = True
                yield _Place(snapshot=row, link=link, file=file, version=version)
        reason = ledger.left_out.get((row.number, row.uuid), {}).get(name)
        if reason is not None and not found:
            yield _Place(snapshot=row, left_out=reason)


def _lines(
    events: Sequence[LedgerEvent], places: Sequence[_Place], *, of_image: bool, users: bool
) -> Iterator[str | Table]:
    if not events and not places:
        yield "No event is remembered."
        return
    if events:
        users = users and any(event.uid is not None for event in events)
        rows = [
            (
                ledger_time(event.time),
                event.kind,
                "-" if event.snapshot is None else str(event.snapshot),
                event.image or "-",
                *([_user(event.uid)] if users else []),
                event.detail.removeprefix(f"{event.image}: "),
            )
            for event in events
        ]
        head = ("Time", "What happened", "#", "Image", *(["Who"] if users else []), "Why")
        yield Table(head, rows)
    if events and of_image:
        yield ""
    if of_image:
        if places:
            yield Table(("#", "Date", "Version", "Snapshot"), [_place(place) for place in places])
        else:
            yield "No snapshot that is remembered had it."


def _user(uid: int | None) -> str:
    """The name of a user, or the number of one who has none any more; "-" where it was no person."""
    if uid is None:
        return "-"
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def _place(place: _Place) -> tuple[str, str, str, str]:
    row = place.snapshot
    there = "exists" if row.gone is None else f"deleted, {ledger_time(row.gone)} or before"
    if place.left_out is not None:
        return str(row.number), snapper_time(row.created), "-", f"{there}; left out: {place.left_out}"
    return str(row.number), snapper_time(row.created), shown_version(place.version or "?", place.file or ""), there


def _document(ledger: LedgerContent, events: Sequence[LedgerEvent], places: Sequence[_Place] | None) -> dict[str, Any]:
    return {
        "begun": ledger.begun,
        "events": [
            {
                "time": event.time,
                "kind": event.kind,
                "snapshot": event.snapshot,
                "uuid": event.uuid,
                "image": event.image,
                "detail": event.detail or None,
                "uid": event.uid,
                "bytes_fetched": event.fetched,
                "bytes_reused": event.reused,
            }
            for event in events
        ],
        "snapshots": None
        if places is None
        else [
            {
                "number": place.snapshot.number,
                "uuid": place.snapshot.uuid,
                "created": rfc3339(place.snapshot.created),
                "gone": place.snapshot.gone,
                "link": place.link,
                "file": place.file,
                "version": None if place.version == "?" else place.version,
                "shown": shown_version(place.version, place.file or "") if place.version not in (None, "?") else None,
                "left_out": place.left_out,
            }
            for place in places
        ],
    }
