# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rules of a site, as a plugin of tukit-sysext, below /etc/tukit-sysext-site/:

* blocked-vendors: one VENDOR_NAME= (os-release(5)) a line; images of these vendors are not used
* keep: one file of the image store a line; these are not collected

What changes the system that runs, or that boots next, is written to /var/log/tukit-sysext-site.log, one JSON a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from tukit_sysext.plugin_api import Machine, Outcome, Root, Transaction, hookimpl

tukit_sysext_interface = ">=1.0,<2"

_CONFIGURATION = "etc/tukit-sysext-site"
_LOG = "var/log/tukit-sysext-site.log"


def _entries(root: Path, name: str) -> list[str]:
    """The lines of a list, none where there is no list. Raises OSError: what cannot be read is not empty."""
    try:
        text = (root / _CONFIGURATION / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


@hookimpl
def tukit_sysext_check(image: Mapping[str, str]) -> str | None:
    """Objects to images of blocked vendors."""
    vendor = image.get("VENDOR_NAME")
    return f"the vendor {vendor} is blocked" if vendor in _entries(Path("/"), "blocked-vendors") else None


@hookimpl
def tukit_sysext_references(machine: Machine) -> Iterable[Root]:
    """Keeps the images of the list."""
    for name in _entries(machine.layout.root, "keep"):
        yield Root(image=name, where=f"/{_CONFIGURATION}/keep (plugin site)")


def _write(machine: Machine, what: str, number: int, **more: object) -> None:
    with open(machine.layout.root / _LOG, "a", encoding="utf-8") as file:
        file.write(json.dumps({"what": what, "snapshot": number, **more}) + "\n")


@hookimpl
def tukit_sysext_transaction_judged(transaction: Transaction, outcome: Outcome) -> None:
    """Notes the images that changed, and why an update was refused."""
    changes = [change.text for change in outcome.changes]
    _write(transaction.machine, "judged", transaction.number, changes=changes, refused=dict(outcome.refusals))


@hookimpl
def tukit_sysext_transaction_finalized(machine: Machine, number: int) -> None:
    """Notes it."""
    _write(machine, "finalized", number)


@hookimpl
def tukit_sysext_rolled_back(machine: Machine, number: int) -> None:
    """Notes it."""
    _write(machine, "rolled back", number)


@hookimpl
def tukit_sysext_booted(machine: Machine, number: int) -> None:
    """Notes it."""
    _write(machine, "booted", number)
