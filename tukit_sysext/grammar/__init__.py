# SPDX-License-Identifier: LGPL-2.1-or-later
"""The grammar of the command line. Nothing is imported in here that a command needs to do its work.

Help, man page and completions come from it: every command has a description and examples.
"""

from __future__ import annotations

from collections.abc import Sequence

from tukit_sysext import __version__
from tukit_sysext.grammar import (
    change_commands,
    look_commands,
    machine_commands,
    past_commands,
    publish_commands,
    source_commands,
    store_commands,
)
from tukit_sysext.grammar.command import Commands, Parser, block
from tukit_sysext.grammar.questions import ONE_LINE

DESCRIPTION = "Keeps systemd-sysext images in step with btrfs snapshots."
PARTS = (
    look_commands,
    change_commands,
    past_commands,
    store_commands,
    source_commands,
    publish_commands,
    machine_commands,
)
"""The commands by subject, one module each."""

_OFTEN = ("status", "list", "install NAME", "update", "doctor")
"""For who gives no command."""

_FILES = (
    ("/etc/tukit-sysext/images.d/NAME.conf", "a wanted image"),
    ("/etc/tukit-sysext/sources.d/NAME.conf", "a source"),
)


def parser(words: Sequence[str] = ()) -> Parser:
    """All commands; each is run by the module of its name in :mod:`tukit_sysext.commands` ("-" and blank are "_").

    Where ``words`` begin with a command, only the part that has it, and of a shell's question what to complete that
    command alone: a boot waits, or somebody with every key.
    """
    top = Parser(
        prog="tukit-sysext",
        description=DESCRIPTION,
        often=[(line, ONE_LINE[line.split()[0]]) for line in _OFTEN],
        parts=[(part.TITLE, part.NAMES) for part in PARTS],
        epilog=block("files:", _FILES),
    )
    top.add_argument("--version", action="version", version=f"tukit-sysext {__version__}")
    top.set_defaults(verbose=False, quiet=False, changes=False)
    commands: Commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    if words[:1] == ["complete"]:
        machine_commands.add_hidden(commands)
        return top
    for part in [part for part in PARTS if words and words[0] in part.NAMES] or PARTS:
        part.add(commands)
    return top
