# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each command in one line: which question it answers, or what it does; and which ones it is mixed up with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ONE_LINE: Mapping[str, str] = {
    "list": "what the sources offer, what of it fits, what is installed",
    "status": "which images this machine has now, and what is wrong",
    "check": "what an update would do with the images, as things are now",
    "why-not": "why a version of an image is not used, rule by rule",
    "inspect": "what an image has and needs, also before it is published",
    "config": "which settings apply, and which file each comes from",
    "install": "fetch images and link them, now and with each update",
    "remove": "unlink images; no update brings them again",
    "update": "bring installed images to the newest version that fits",
    "hold": "keep images at a version",
    "unhold": "let held images be updated again",
    "block": "never use a version, until it is unblocked",
    "unblock": "allow a blocked version again",
    "adopt": "take over images that another tool, or somebody, linked",
    "snapshots": "which images each snapshot has",
    "diff": "which images differ between two snapshots",
    "history": "what happened to images and snapshots, and when",
    "verify": "are the images present and undamaged: reads all of them",
    "gc": "delete images from the store that no snapshot needs",
    "why": "what keeps an image in the store",
    "sources": "where images come from; add, refresh or remove a source",
    "publish": "make a repository of a folder of images, for any web server",
    "doctor": "is this machine set up right, and which command corrects it",
    "preflight": "would an update be refused, as the repositories are now",
    "plugins": "which plugins are loaded, and what they implement",
    "purge": "remove tukit-sysext's own state; images and links stay",
    "settle": "bring the ledger in line with the disk (a unit runs it)",
    "provision": "fetch what a new machine wants (a unit runs it after a boot)",
    "adapt": "follow zypper on a writable system (a unit runs it)",
}

INSTEAD: Mapping[str, Sequence[str]] = {
    "list": ("status", "why-not"),
    "status": ("check", "preflight", "verify", "doctor"),
    "check": ("preflight", "status", "verify", "doctor"),
    "why-not": ("check", "inspect", "why"),
    "inspect": ("why-not", "verify"),
    "config": ("doctor", "status"),
    "install": ("update", "sources"),
    "remove": ("block", "gc"),
    "update": ("install", "check"),
    "hold": ("block", "unhold"),
    "unhold": ("unblock",),
    "block": ("hold", "remove"),
    "unblock": ("unhold",),
    "adopt": ("install", "sources"),
    "snapshots": ("status", "diff", "history"),
    "diff": ("snapshots", "history"),
    "history": ("snapshots", "status"),
    "verify": ("status", "check", "preflight", "doctor"),
    "gc": ("why", "remove", "purge"),
    "why": ("why-not", "history"),
    "sources": ("list", "config"),
    "publish": ("inspect",),
    "doctor": ("status", "check", "preflight", "verify"),
    "preflight": ("check", "status", "verify", "doctor"),
    "plugins": ("doctor",),
    "purge": ("gc", "remove"),
    "settle": ("gc", "status"),
    "provision": ("install", "update"),
    "adapt": ("update", "status"),
}
"""What to use where the question is another one: people mix these up."""


def one_line(command: str) -> Mapping[str, Any]:
    """What ``add_parser()`` takes of it: the line in the list of all, that line in its own help, and those beside."""
    line = ONE_LINE[command]
    beside = [(name, ONE_LINE[name]) for name in INSTEAD[command]]
    return {"help": line, "answers": f"{line[:1].upper()}{line[1:]}.", "instead": beside}
