# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands about the images of the store."""

from __future__ import annotations

from tukit_sysext.grammar.command import Commands, argument, changes, dry_run, json, number, one_of
from tukit_sysext.grammar.questions import one_line

TITLE = "The image store"
NAMES = ("verify", "gc", "why")


def add(commands: Commands) -> None:
    """Add them."""
    commands.add_parser(
        "verify",
        **one_line("verify"),
        description="Reads every image of the running system and of what boots next, and compares it with what is "
        "recorded of it. Ends with 1 where something is wrong.",
        examples=(
            ("verify", ""),
            ("verify --all", "of all snapshots"),
            ("verify --repair", "fetch again what is missing or damaged"),
        ),
        arguments=(
            one_of(
                argument("--snapshot", type=number, metavar="N", help="the images of this snapshot"),
                argument("--all", action="store_true", help="the images of all snapshots, and what nothing links"),
                argument(
                    "--lost",
                    action="store_true",
                    help="only what the running system lost: images that it wants, and that the snapshot which it was "
                    "made from has whole; ends with 3 where there is one",
                ),
                argument(
                    "--boot",
                    dest="action",  # it has a module of its own
                    action="store_const",
                    const="boot",
                    help="what a unit runs before the merge: put what would harm it into quarantine, and take out "
                    "what is whole again",
                ),
            ),
            argument("--repair", action="store_true", help="bring back what is missing or damaged"),
            dry_run,
            json,
        ),
    )

    commands.add_parser(
        "gc",
        **one_line("gc"),
        description="Deletes images of the store that nothing needed in two runs and for the grace time ([Store] "
        "Grace=, a week unless set). Deletes nothing where anything is not known: it ends with 1 then.",
        examples=(
            ("gc --dry-run", "what keeps each image, and what would go"),
            ("gc", ""),
            ("gc --now", "do not wait for the grace time"),
        ),
        arguments=(
            argument("-n", "--dry-run", action="store_true", help="only tell what keeps each image, and what would go"),
            argument(
                "--now",
                action="store_true",
                help="without waiting for a second run and the grace time; only files that came within the last hour "
                "stay, as an update may be about to link them",
            ),
            argument(
                "--unknown-origin",
                action="store_true",
                help="also collect good images that have no record (another tool's)",
            ),
            json,
            changes,
        ),
    )

    commands.add_parser(
        "why",
        **one_line("why"),
        description="Names everything that needs an image of the store: snapshots, the running system, holds, mounts.",
        examples=(("why gdb", "all its versions"), ("why gdb-15.2.x86-64.raw", "a file of the store")),
        arguments=(
            argument("image", metavar="IMAGE", help="an image (all its versions), or a file of the store"),
            json,
        ),
    )
