# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every metric by its name: what it is, and its labels. tukit-sysext-fleet(7) shows this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "tukit_sysext_"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a gauge tells, and the names of its labels.

    ``tree`` is *running* or *next*: the running system, and the snapshot that boots next.
    """

    text: str
    labels: tuple[str, ...] = ()


_TREE = ("tree",)
METRICS: Mapping[str, Kind] = {
    "info": Kind("Version of tukit-sysext.", ("version",)),
    "update_refused": Kind("Whether an update is refused because of images."),
    "update_refused_since_timestamp_seconds": Kind("Since when updates are refused."),
    "update_refusals": Kind("How often the update was refused."),
    "image_refuses_since_timestamp_seconds": Kind("Since when an image refuses updates.", ("image",)),
    "update_images_missed": Kind("Required images that an update came without."),
    "image_missed_since_timestamp_seconds": Kind("Since when updates come without a required image.", ("image",)),
    "next_update_refused": Kind("Whether the next update would be refused, by what is known without asking a source."),
    "preflight_refused": Kind("Whether what the repositories offer would be refused, by the last preflight."),
    "preflight_timestamp_seconds": Kind("When that preflight was."),
    "last_success_timestamp_seconds": Kind("When a transaction was last finalized."),
    "images_wanted": Kind("Wanted images.", _TREE),
    "images_good": Kind("Wanted images that are linked, present and fitting.", _TREE),
    "images_absent": Kind("Wanted images that are not linked: left out, or not fetched yet.", _TREE),
    "images_not_fitting": Kind("Linked images that do not fit the system.", _TREE),
    "images_lost": Kind("Linked images that are missing, damaged or not usable.", _TREE),
    "links_blocking": Kind("Links with which systemd-sysext merges nothing at all.", _TREE),
    "image_info": Kind(
        "A wanted image that is linked, with its version and policy.", (*_TREE, "image", "version", "policy")
    ),
    "image_good": Kind("Whether a wanted image is linked, present and fitting.", (*_TREE, "image")),
    "source_last_good_timestamp_seconds": Kind("When the list of a source was good last.", ("source",)),
    "source_failing": Kind("Whether a source gave no good list when it was asked last.", ("source",)),
    "last_collection_timestamp_seconds": Kind("When images were last collected."),
    "last_collection_freed_bytes": Kind("What the last collection freed."),
    "store_bytes": Kind("Size of the image store on the disk."),
    "store_files": Kind("Files in the image store."),
}
