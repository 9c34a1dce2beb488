# SPDX-License-Identifier: LGPL-2.1-or-later
"""The grammar of the command line. Nothing is imported in here that a command needs to do its work.

Help, man page and completions come from it: every command has a description and examples.
"""

from __future__ import annotations

import argparse

from tukit_sysext import __version__
from tukit_sysext.grammar import change, look, machine, past, sources, store
from tukit_sysext.grammar.command import Commands, common

DESCRIPTION = "Keeps systemd-sysext images in step with btrfs snapshots."


def parser() -> argparse.ArgumentParser:
    """All commands; each is run by the module of its name in :mod:`tukit_sysext.commands` ("-" is "_" there)."""
    top = argparse.ArgumentParser(
        prog="tukit-sysext",
        description=DESCRIPTION,
        epilog="Wanted images: /etc/tukit-sysext/images.d/NAME.conf. Sources: /etc/tukit-sysext/sources.d/NAME.conf.",
    )
    top.add_argument("--version", action="version", version=f"tukit-sysext {__version__}")
    common(top, verbose=False, quiet=False)
    commands: Commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for part in (look, change, past, store, sources, machine):
        part.add(commands)
    return top
