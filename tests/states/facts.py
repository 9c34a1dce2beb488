# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a machine's commands say of its state, apart from the shape in which they say it.

`facts.json` of a state has these facts as the code that left it told them. Where the shape of a document changes, the
reading here follows, and those files stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Ask = Callable[..., Any]
"""Runs a command with --json, and returns its document."""


def _status(document: Any) -> Any:
    refused = document["refused"]
    return {
        "trees": {
            str(tree["tree"]["snapshot"]): {
                "images": {image["name"]: [image["version"], image["policy"]] for image in tree["images"]},
                "quarantined": {
                    held["link"]: [held["target"], held["reason"], held["since"]] for held in tree["quarantined"]
                },
            }
            for tree in document["trees"]
        },
        "refused": None
        if refused is None
        else {
            "since": refused["since"],
            "last": refused["last"],
            "times": refused["times"],
            "system": refused["system"],
            "images": {name: held["since"] for name, held in refused["images"].items()},
        },
        "repair": [
            [need["snapshot"], need["name"], need["version"], need["condition"], need["since"]]
            for need in document["repair"]
        ],
    }


def _snapshots(document: Any) -> Any:
    return {
        str(snapshot["number"]): {
            **{key: snapshot[key] for key in ("uuid", "date", "system", "read_only", "default", "running", "open")},
            "images": {
                image["link"]: [image["image"], image["version"], image["file"], image["source"]]
                for image in snapshot["images"]
            },
        }
        for snapshot in document["snapshots"]
    }


def _history(document: Any) -> Any:
    keys = ("time", "kind", "snapshot", "uuid", "image", "detail")
    return [[event[key] for key in keys] for event in document["events"]]


def _verify(document: Any) -> Any:
    return {
        str(tree["tree"]["snapshot"]): {
            image["link"]: [image["image"], image["version"], image["condition"], image["quarantined_since"]]
            for image in tree["images"]
        }
        for tree in document["trees"]
    }


def _kept(document: Any) -> Any:
    return {
        image["file"]: [image["fate"], sorted(image["needed_by"]), image["unreferenced_since"], image["goes_after"]]
        for image in document["images"]
    }


def _check(document: Any) -> Any:
    return {image["name"]: [image["before"], image["version"], image["action"]] for image in document["images"]}


def _sources(document: Any) -> Any:
    return {source["name"]: [source["newest_seen"], source["newest_seen_key"]] for source in document["sources"]}


COMMANDS: Mapping[str, tuple[tuple[str, ...], Callable[[Any], Any]]] = {
    "status": (("status",), _status),
    "snapshots": (("snapshots",), _snapshots),
    "history": (("history", "--all"), _history),
    "verify": (("verify", "--all"), _verify),
    "gc": (("gc", "--dry-run"), _kept),
    "why": (("why", "editor"), _kept),
    "check": (("check",), _check),
    "sources": (("sources",), _sources),
}
"""The arguments of each command, and how its document is read."""


def of(command: str, ask: Ask) -> Any:
    """The facts that a command tells."""
    arguments, read = COMMANDS[command]
    return read(ask(*arguments))
