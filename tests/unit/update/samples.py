# SPDX-License-Identifier: LGPL-2.1-or-later
"""Facts for plans, in a few words: system "1" is that which boots, an image fits it when its level is "1"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tests.records import sha256
from tukit_sysext.config.intent import State
from tukit_sysext.config.wanted import Policy, WantedImage
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.snapshots.entries import Entry, EntryKind
from tukit_sysext.snapshots.fitting import TreeFacts
from tukit_sysext.sources.candidate import Candidate, Description, Standing
from tukit_sysext.store.image_store import Condition, Stored
from tukit_sysext.store.record import Record
from tukit_sysext.update.deciding import decide
from tukit_sysext.update.facts import Facts, Foreign, InUse
from tukit_sysext.update.plan import ImagePlan

SYSTEM = ReleaseData({"ID": "os", "SYSEXT_LEVEL": "1"})


def level(text: str) -> ReleaseData:
    """The extension-release of an image for the system with this level."""
    return ReleaseData({"ID": "os", "SYSEXT_LEVEL": text})


def file_of(name: str, version: str) -> str:
    return f"{name}-{version}.x86-64.raw"


def want(name: str = "gdb", **keys: Any) -> WantedImage:
    return WantedImage(name=name, origin=f"/etc/tukit-sysext/images.d/{name}.conf", **keys)


def optional(name: str = "gdb", **keys: Any) -> WantedImage:
    return want(name, policy=Policy.OPTIONAL, **keys)


def removed(name: str = "gdb") -> WantedImage:
    return want(name, state=State.REMOVED)


def candidate(version: str, name: str = "gdb", *, source: str = "local", priority: int = 99, **keys: Any) -> Candidate:
    made: dict[str, Any] = {
        "name": name,
        "version": version,
        "architecture": "x86-64",
        "file_name": file_of(name, version),
        "sha256": sha256(f"{name} {version}".encode()),
        "size": 9,
        "source": source,
        "priority": priority,
        "description": None,
        "locations": (),
    }
    # what a candidate has beyond that is nothing that a plan is made from
    rest: dict[str, Any] = {field.name: None for field in fields(Candidate)}
    return Candidate(**{**rest, **made, **keys})


def stored(
    version: str,
    name: str = "gdb",
    *,
    fits: str = "1",
    condition: Condition = Condition.WHOLE,
    merge_name: str | None = None,
    recorded: bool = True,
    source: str = "local",
) -> Stored:
    """A file of the store."""
    record = Record(
        file_name=file_of(name, version),
        name=name,
        version=version,
        sha256=sha256(f"{name} {version}".encode()),
        size=9,
        source=source,
        url="",
        signer=None,
        time="2026-11-01T10:00:00Z",
        merge_name=merge_name or name,
        release=dict(level(fits)),
    )
    return Stored(
        file_name=record.file_name,
        condition=condition if recorded else Condition.UNRECORDED,
        reason="" if condition is Condition.WHOLE else "its SHA-256 is another",
        record=record if recorded else None,
    )


def link(version: str, name: str = "gdb", *, as_name: str | None = None) -> Entry:
    """A link of the tree into the store."""
    image = file_of(name, version)
    link = f"{as_name or name}.raw"
    return Entry(name=link, kind=EntryKind.LINK, target=f"/var/lib/sysext-store/{image}", image=image)


def foreign(name: str, complaint: str = "", kind: EntryKind = EntryKind.DIRECTORY) -> Foreign:
    return Foreign(entry=Entry(name=name, kind=kind), complaint=complaint, note="by hand")


FITS = Description(release=level("1"))
OTHER = Description(release=level("2"))


def broken(reason: str = "cut off") -> Description:
    return Description(failure=Standing.BROKEN, reason=reason)


def unreachable(reason: str = "no answer") -> Description:
    return Description(failure=Standing.UNREACHABLE, reason=reason)


def facts(
    *wanted: WantedImage,
    offers: Mapping[Candidate, Description | None] | None = None,
    store: Iterable[Stored] = (),
    entries: Iterable[Entry] = (),
    known: Mapping[str, Description] | None = None,
    unusable: str = "",
    **keys: Any,
) -> Facts:
    """Facts of a tree of system 1; ``offers`` with what is known of each (None: nobody looked).

    The running system has an image of each name, unless ``in_use`` says something else.
    """
    offers = offers or {}
    in_use = {image.name: InUse(version="0.1", shown="0.1", system="the running system") for image in wanted}
    made: dict[str, Any] = {"sources": ("local",), "in_use": in_use, **keys}
    return Facts(
        tree=TreeFacts(
            path=Path("/tree"),
            release=SYSTEM,
            architecture="x86-64",
            systemd=None,
            entries=tuple(entries),
            unusable=unusable,
        ),
        wanted={image.name: image for image in wanted},
        stored={item.file_name: item for item in store},
        candidates=tuple(offers),
        known={**{offer.key: found for offer, found in offers.items() if found is not None}, **(known or {})},
        **made,
    )


def plan_one(given: Facts) -> ImagePlan:
    """The plan of the only image."""
    (image,) = decide(given).images
    return image
