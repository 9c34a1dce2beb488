# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands about the images of the store."""

from __future__ import annotations

from tukit_sysext.grammar.command import Commands, command, dry_run, json, number


def add(commands: Commands) -> None:
    """Add them."""
    verify = command(
        commands,
        "verify",
        help="are the images of snapshots present, whole and fitting",
        description="Reads every image of the running system and of what boots next, and compares it with what is "
        "recorded of it. Ends with 1 where something is wrong.",
        examples=(
            ("verify", ""),
            ("verify --all", "of all snapshots"),
            ("verify --repair", "bring back what is not whole"),
        ),
    )
    scope = verify.add_mutually_exclusive_group()
    scope.add_argument("--snapshot", type=number, metavar="N", help="the images of this snapshot")
    scope.add_argument("--all", action="store_true", help="the images of all snapshots")
    scope.add_argument(
        "--boot",
        action="store_true",
        help="what a unit runs before the merge: put links that would harm it into quarantine, and take out what is "
        "whole again",
    )
    verify.add_argument("--repair", action="store_true", help="bring back what is missing or damaged")
    dry_run(verify)
    json(verify)

    gc = command(
        commands,
        "gc",
        help="collect images that no snapshot needs",
        description="Deletes images of the store that nothing needed in two runs and for the grace time ([Store] "
        "Grace=, a week unless set). Deletes nothing where anything is not known: it ends with 1 then.",
        examples=(("gc --dry-run", "what keeps each image, and what would go"), ("gc", "")),
    )
    gc.add_argument("-n", "--dry-run", action="store_true", help="only tell what keeps each image, and what would go")
    gc.add_argument(
        "--unknown-origin", action="store_true", help="also collect good images that have no record (another tool's)"
    )
    json(gc)

    why = command(
        commands,
        "why",
        help="what keeps an image",
        description="Names everything that needs an image of the store: snapshots, the running system, holds, mounts.",
        examples=(("why gdb", "all its versions"), ("why gdb-15.2.x86-64.raw", "a file of the store")),
    )
    why.add_argument("image", metavar="IMAGE", help="an image (all its versions), or a file of the store")
    json(why)
