# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands about the machinery: its set-up, its plugins, its own state."""

from __future__ import annotations

from tukit_sysext.grammar.command import Commands, argument, changes, dry_run, json
from tukit_sysext.grammar.questions import one_line

COMPLETED = ("blocked", "entries", "images", "snapshots", "sources", "stored", "trees", "versions", "wanted")
"""Kinds of names that the shells' completions ask for."""

TITLE = "The machine"
NAMES = ("doctor", "preflight", "plugins", "purge", "settle", "provision", "adapt")


def add(commands: Commands) -> None:
    """Add them."""
    commands.add_parser(
        "doctor",
        **one_line("doctor"),
        description="Looks at hooks, units, versions, store, keyrings, clock and links. Ends with 1 where there is a "
        "problem; warnings alone leave it at 0. What an ordinary user cannot see is shown as unknown.",
        examples=(
            ("doctor", "what is wrong"),
            ("doctor --all", "all that was checked"),
            ("doctor --json", "for monitoring"),
        ),
        arguments=(argument("-a", "--all", action="store_true", help="also what is good"), json),
    )

    commands.add_parser(
        "preflight",
        **one_line("preflight"),
        description="A cheap answer before an update downloads anything: would a required image refuse it? The release "
        "to come is read from the metadata of the zypper repositories. Ends with 0 for no and for unknown, with 75 for "
        "yes, and never with another status. What linked images need and the update takes away is a warning, as far as "
        "zypper's cache tells it. An example of a drop-in for transactional-update.service is among the "
        "documentation: transactional-update-preflight.conf.",
        examples=(
            ("preflight", "what an update would do now"),
            ("preflight --quiet; test $? -ne 75", "as in ExecCondition= of transactional-update.service"),
        ),
        arguments=(json, changes),
    )

    commands.add_parser(
        "plugins",
        **one_line("plugins"),
        description="Lists the built-in plugins and those that [Plugins] Load= in tukit-sysext.conf names.",
        examples=(("plugins", ""), ("plugins --hooks", "what a plugin can implement")),
        arguments=(
            argument("--hooks", action="store_true", help="print the specifications of all hooks"),
            json,
        ),
    )

    commands.add_parser(
        "purge",
        **one_line("purge"),
        description="Removes /var/lib/tukit-sysext (records, ledger, memory of signatures), /var/cache/tukit-sysext "
        "and /run/tukit-sysext. Images, links and configuration stay; images are of unknown origin from then on.",
        examples=(("purge --dry-run", "what would go"), ("purge", "")),
        arguments=(
            dry_run,
            json,
        ),
    )

    commands.add_parser(
        "settle",
        **one_line("settle"),
        description="Looks at all snapshots, brings the ledger in line with them and settles the events written down.",
        examples=(("settle", ""),),
        arguments=(changes,),
    )

    commands.add_parser(
        "provision",
        **one_line("provision"),
        description="Fetches and links images that the running system wants, and that no snapshot of this machine has "
        "ever had linked: those of a new machine, whose configuration brings none. What is linked by it is merged "
        "where nothing is merged yet, else at the next boot. Ends with 1 while an image is tried again; one that is "
        "left out by a verdict, or failed for 7 days, is left to updates of the system.",
        examples=(("provision --dry-run", "what is missing"), ("provision", "")),
        arguments=(dry_run,),
    )

    commands.add_parser(
        "adapt",
        **one_line("adapt"),
        description="For a system whose root is writable, and that zypper updates in place: images that fit it now are "
        "fetched and linked, links of those that do not fit any more go. The packages are installed already, so that "
        "nothing can be refused: a required image that is not available is reported missing, as after an update that "
        "came without it, and this ends with 1. Nothing is merged into the running /usr. Where the running system is "
        "read-only it does nothing: transactions bring their images.",
        examples=(("adapt --dry-run", "what would come and go"), ("adapt", "")),
        arguments=(dry_run,),
    )

    add_hidden(commands)


def add_hidden(commands: Commands) -> None:
    """Add what no help shows."""
    hidden = commands.add_parser("complete", description="Prints names for the completions of shells.")
    hidden.add_argument("kind", choices=COMPLETED, metavar="KIND", help=", ".join(COMPLETED))
