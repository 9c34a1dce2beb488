# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the values of the arguments are, for all shells.

Why no library makes the completions: shtab knows no fish, and its dynamic values are written for each shell by hand.
argcomplete asks the program itself, with the whole grammar, at every press of the key and for words that never change;
here that is done for names alone (``tukit-sysext complete KIND``).
"""

from __future__ import annotations

from collections.abc import Mapping

from spec.man.described import Argument, Command

DIRECTORY = "DIRECTORY"
FILE = "FILE"
NOTHING = ""
"""Words that nobody can guess."""

_ANYWHERE: Mapping[str, str] = {"root": DIRECTORY, "snapshot": "snapshots"}
_ARGUMENTS: Mapping[str, str] = {
    "list names": "images",
    "check systems": FILE,
    "why-not systems": FILE,
    "why-not image": "versions",
    "inspect image": FILE,
    "inspect systems": FILE,
    "install names": "versions",
    "install source": "sources",
    "install constraint": NOTHING,
    "install series": NOTHING,
    "remove names": "wanted",
    "update names": "wanted",
    "hold names": "wanted",
    "unhold names": "wanted",
    "block versions": "versions",
    "unblock versions": "blocked",
    "adopt names": "entries",
    "snapshots names": "images",
    "diff a": "trees",
    "diff b": "trees",
    "history image": "stored",
    "history since": NOTHING,
    "why image": "stored",
    "sources add name": NOTHING,
    "sources add where": DIRECTORY,
    "sources add key": FILE,
    "sources add cosign_key": FILE,
    "sources add fingerprint": NOTHING,
    "sources add priority": NOTHING,
    "publish folder": DIRECTORY,
    "publish keys": NOTHING,
    "publish homedir": DIRECTORY,
    "publish keep": NOTHING,
    "publish best_before": NOTHING,
    "publish to": NOTHING,
    "publish credentials": FILE,
    "publish systems": FILE,
    "sources import path": FILE,
    "sources import key": FILE,
    "sources import name": NOTHING,
    "sources refresh names": "sources",
    "sources enable name": "sources",
    "sources disable name": "sources",
    "sources reset name": "sources",
    "sources remove name": "sources",
}


def kind(command: Command, argument: Argument) -> str:
    """What a value is: DIRECTORY, FILE, NOTHING, or what ``tukit-sysext complete`` calls it.

    Raises LookupError for an argument that nobody has thought of yet.
    """
    found = _ARGUMENTS.get(f"{' '.join(command.words)} {argument.dest}", _ANYWHERE.get(argument.dest))
    if found is None:
        where = " ".join((*command.words, argument.dest))
        raise LookupError(f"{where}: which values it has is to be said in spec/completions/kinds.py")
    return found
