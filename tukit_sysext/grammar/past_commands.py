# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands that tell of snapshots and of what happened."""

from __future__ import annotations

from tukit_sysext.grammar.command import Commands, argument, json

NAMES = ("snapshots", "diff", "history")


def add(commands: Commands) -> None:
    """Add them."""
    commands.add_parser(
        "snapshots",
        help="the images of every snapshot",
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
        help="images that came, went or changed version between two snapshots",
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
        help="what happened to snapshots and images",
        description="Shows what the ledger remembers, the newest last. With IMAGE also which snapshots had it.",
        examples=(("history", ""), ("history gdb", "and which snapshots had it")),
        arguments=(
            argument("image", nargs="?", metavar="IMAGE", help="an image, or a file of the store"),
            json,
        ),
    )
