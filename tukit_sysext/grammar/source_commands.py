# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command about sources."""

from __future__ import annotations

import argparse

from tukit_sysext.grammar.command import (
    Commands,
    argument,
    changes,
    dry_run,
    json,
    json_of_action,
    number,
    one_of,
    policy,
)
from tukit_sysext.grammar.questions import one_line

TITLE = "Sources"
NAMES = ("sources",)

_ALL = ("-a", "--all")
_ALL_HELP = "also what of the last lists was not understood"


def add(commands: Commands) -> None:
    """Add it."""
    sources = commands.add_parser(
        "sources",
        **one_line("sources"),
        description="Without an action: lists the sources of the running system, whose keys sign their lists, the "
        "newest list that was seen, and what is wrong; and where what boots next has others. With --all also what of "
        "the last lists was not understood.",
        examples=(
            ("sources", ""),
            ("sources --all", "with files that look like images, and are taken for none"),
            ("sources add main https://images.example.org/microos/ --key main.asc", ""),
            ("sources add fleet oci://registry.example.org/images --key main.asc", "a project in an OCI registry"),
            ("sources add stick /run/media/stick/images --key main.asc", "without a network"),
        ),
        arguments=(argument(*_ALL, action="store_true", help=_ALL_HELP), json),
    )
    actions: Commands = sources.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser(
        "list",
        help="the same as without an action",
        description="Lists the sources, those that are disabled too.",
        examples=(("sources list", ""),),
        arguments=(
            argument(*_ALL, action="store_true", default=argparse.SUPPRESS, help=_ALL_HELP),
            json_of_action,
        ),
    ).set_defaults(action=None)
    actions.add_parser(
        "refresh",
        help="ask sources now what they offer",
        description="Fetches and verifies the lists of the running system's sources, and notes how each is. Ends with "
        "1 where one fails.",
        examples=(("sources refresh", ""), ("sources refresh main", "one alone")),
        arguments=(
            argument("names", nargs="*", metavar="NAME", help="sources (default: all that are enabled)"),
            json_of_action,
            changes,
        ),
    )
    actions.add_parser(
        "add",
        help="add a source with the key that signs its lists, or its images",
        description="Fetches the list of the source and verifies it; where that fails nothing is written. Writes "
        "/etc/tukit-sysext/sources.d/NAME.conf of the running system and what boots next, and keeps the key as "
        "keyrings/NAME.gpg, one of cosign as NAME.pub. Shows the key's fingerprint. With --cosign-key the images that "
        "are wanted are looked for in place of a list.",
        examples=(
            ("sources add main https://images.example.org/microos/ --key main.asc", ""),
            ("sources add fleet oci://registry.example.org/images --cosign-key cosign.pub", ""),
        ),
        arguments=(
            argument("name", metavar="NAME", help="how the source is called from now on"),
            argument("where", metavar="URL|DIR", nargs="+", help="URLs that mirror each other, or one directory"),
            one_of(
                argument(
                    "--key", metavar="FILE", help="public keys, with ASCII armour or without; - for standard input"
                ),
                argument(
                    "--cosign-key",
                    metavar="FILE",
                    help="public key of cosign, which signs each image of a registry, in place of a list; - as above",
                ),
            ),
            argument(
                "--fingerprint",
                metavar="FINGERPRINT",
                action="append",
                default=[],
                help="accept this (primary) key alone; without --key it is one of the system's import keyrings",
            ),
            argument("--priority", type=number, metavar="N", help="a smaller number is a stronger source (99)"),
            argument("--force", action="store_true", help="replace a source of this name"),
            argument("--no-check", action="store_true", help="add it without fetching its list"),
            json_of_action,
            dry_run,
        ),
    )
    actions.add_parser(
        "import",
        help="make sources and wanted images of systemd-sysupdate's transfers",
        description="Reads sysupdate.d(5) files that bring extension images: the place becomes a source, unless one "
        "has it, the image is wanted (Source=, MatchPattern=, Version= for MinVersion=). One that says Verify=no is "
        "not taken over without --key or --no-verify. Unknown keys of a file are named. In the running system and "
        "what boots next.",
        examples=(
            ("sources import /etc/sysupdate.d", "all of a folder"),
            ("sources import k3s.transfer --key k3s.asc", ""),
        ),
        arguments=(
            argument("path", metavar="FILE|DIR", help="a transfer, or a folder of them"),
            argument("--key", metavar="FILE", help="public keys of new sources; - for standard input"),
            argument("--no-verify", action="store_true", help="take over what says Verify=no as it is"),
            argument("--no-check", action="store_true", help="without fetching the lists of new sources"),
            argument("--name", metavar="NAME", help="how the new source is called"),
            policy,
            json_of_action,
            dry_run,
        ),
    )
    actions.add_parser(
        "reset",
        help="forget which lists were seen, to go back to an older one",
        description="An older list than the newest one seen is refused, as it may be served again by an attacker. "
        "This forgets the newest one: the next valid list is accepted, whenever it was signed.",
        examples=(("sources reset main", ""),),
        arguments=(
            argument("name", metavar="NAME", help="a source"),
            json_of_action,
            dry_run,
        ),
    )
    for action, text, description in (
        ("enable", "have a source asked again", "Takes back what disable wrote."),
        (
            "disable",
            "have a source not asked, and keep it",
            "Writes Enabled=no into sources.d/NAME.conf of /etc/tukit-sysext; where a package ships the file, an empty "
            "one hides it. Images that are linked stay.",
        ),
    ):
        actions.add_parser(
            action,
            help=text,
            description=f"{description} In the running system and what boots next.",
            examples=((f"sources {action} main", ""),),
            arguments=(
                argument("name", metavar="NAME", help="a source"),
                json_of_action,
                dry_run,
            ),
        )
    actions.add_parser(
        "remove",
        help="remove a source and its key",
        description="Removes sources.d/NAME.conf of /etc/tukit-sysext, and keyrings/NAME.gpg and NAME.pub unless "
        "another source names them, in the running system and what boots next. Its images stay.",
        examples=(("sources remove main", ""),),
        arguments=(
            argument("name", metavar="NAME", help="a source"),
            json_of_action,
            dry_run,
        ),
    )
