# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every metric by its name: what it is, and its labels. tukit-sysext-fleet(7) shows this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "tukit_sysext_"


@dataclass(frozen=True, slots=True)
class MetricKind:
    """What a gauge tells, and the names of its labels.

    ``tree`` is *running* or *next*: the running system, and the snapshot that boots next.
    """

    text: str
    labels: tuple[str, ...] = ()


_TREE = ("tree",)
METRICS: Mapping[str, MetricKind] = {
    "info": MetricKind("Version of tukit-sysext.", ("version",)),
    "update_refused": MetricKind("Whether an update is refused because of images."),
    "update_refused_since_timestamp_seconds": MetricKind("Since when updates are refused."),
    "update_refusals": MetricKind("How often the update was refused."),
    "image_refuses_since_timestamp_seconds": MetricKind("Since when an image refuses updates.", ("image",)),
    "update_images_missed": MetricKind("Required images that an update came without."),
    "image_missed_since_timestamp_seconds": MetricKind("Since when updates come without a required image.", ("image",)),
    "next_update_refused": MetricKind("Whether the next update would be refused; no source is asked for it."),
    "preflight_refused": MetricKind("Whether what the repositories offer would be refused, by the last preflight."),
    "preflight_timestamp_seconds": MetricKind("When that preflight was."),
    "last_success_timestamp_seconds": MetricKind("When a transaction was last finalized."),
    "images_wanted": MetricKind("Wanted images.", _TREE),
    "images_good": MetricKind("Wanted images that are linked, present and fitting.", _TREE),
    "images_absent": MetricKind("Wanted images that are not linked: left out, or not fetched yet.", _TREE),
    "images_not_fitting": MetricKind("Linked images that do not fit the system.", _TREE),
    "images_lost": MetricKind("Linked images that are missing, damaged or not usable.", _TREE),
    "links_blocking": MetricKind("Links with which systemd-sysext merges nothing at all.", _TREE),
    "image_info": MetricKind(
        "A wanted image that is linked, with its version and policy.", (*_TREE, "image", "version", "policy")
    ),
    "image_good": MetricKind("Whether a wanted image is linked, present and fitting.", (*_TREE, "image")),
    "source_last_good_timestamp_seconds": MetricKind("When the list of a source was good last.", ("source",)),
    "source_failing": MetricKind("Whether a source gave no good list when it was asked last.", ("source",)),
    "last_collection_timestamp_seconds": MetricKind("When images were last collected."),
    "last_collection_freed_bytes": MetricKind("What the last collection freed."),
    "store_bytes": MetricKind("Size of the image store on the disk."),
    "store_files": MetricKind("Files in the image store."),
    "store_fetched_bytes": MetricKind(
        "What came over the network, or from a folder, for the images that are in the store now."
    ),
    "store_reused_bytes": MetricKind("What needed not come for them: other versions had it."),
}
