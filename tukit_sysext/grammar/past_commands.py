# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands that tell of snapshots and of what happened."""

from __future__ import annotations

from tukit_sysext.grammar.command import Commands, argument, json
from tukit_sysext.grammar.questions import one_line

TITLE = "Snapshots and the past"
NAMES = ("snapshots", "diff", "history")


def add(commands: Commands) -> None:
    """Add them."""
    commands.add_parser(
        "snapshots",
        **one_line("snapshots"),
        description="Shows snapshots downwards, images across, and versions in the cells; marks the default and the "
        "running one, and what changed from one to the next.",
        examples=(("snapshots", ""), ("snapshots gdb", "of one image alone")),
        arguments=(
            argument("names", nargs="*", metavar="NAME", help="images (default: all)"),
            json,
        ),
    )

    commands.add_parser(
        "diff",
        **one_line("diff"),
        description="Compares the images of two snapshots. Of a deleted snapshot the ledger tells them.",
        examples=(("diff running default", "what the reboot brings"), ("diff 41 42", "")),
        arguments=(
            argument("a", metavar="A", help="number of a snapshot, running, or default"),
            argument("b", metavar="B", help="number of a snapshot, running, or default"),
            json,
        ),
    )

    commands.add_parser(
        "history",
        **one_line("history"),
        description="Shows what happened to images, the newest last: installed, updated, left out, refused, held, "
        "blocked, removed, collected; and to sources. With --all also what happened to snapshots. Root sees whose "
        "login did it. With IMAGE also which snapshots had it.",
        examples=(
            ("history", ""),
            ("history --since yesterday", "or '2 days ago', or 2026-11-01"),
            ("history gdb", "and which snapshots had it"),
        ),
        arguments=(
            argument("image", nargs="?", metavar="IMAGE", help="an image, or a file of the store"),
            argument("-a", "--all", action="store_true", help="what happened to snapshots, too"),
            argument("--since", metavar="TIME", help="only from this time on, as journalctl --since takes it"),
            json,
        ),
    )
