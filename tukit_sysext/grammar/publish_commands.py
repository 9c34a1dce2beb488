# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command of who publishes images."""

from __future__ import annotations

from pathlib import Path

from tukit_sysext.grammar.command import Commands, argument, dry_run, json, number
from tukit_sysext.grammar.questions import one_line

TITLE = "Publishing"
NAMES = ("publish",)


def add(commands: Commands) -> None:
    """Add it."""
    commands.add_parser(
        "publish",
        **one_line("publish"),
        description="Looks into each image NAME-VERSION.ARCHITECTURE.raw of a folder, writes its description where it "
        "has none, and the list SHA256SUMS of them with its signatures. Where clients would refuse an image it changes "
        "nothing, tells why, and ends with 1. Names, files, and what clients do with them: tukit-sysext-repository(7). "
        "Needs root where there is an image that it has not looked into before.",
        examples=(
            ("publish images --key images@example.org", "all images of the folder"),
            ("publish images --key A175D92E --keep 3 --best-before 14d", "for plain HTTP"),
            ("publish images -n --for /etc/os-release", "what would this machine take?"),
            (
                "publish images --key A175D92E --to oci://registry.example.org/microos --credentials /etc/push",
                "into a registry too",
            ),
        ),
        arguments=(
            argument("folder", type=Path, metavar="DIR", help="the folder"),
            argument(
                "--key",
                dest="keys",
                action="append",
                default=[],
                metavar="KEY",
                help="sign with this key of gpg: a fingerprint, or the name of its user; several for a change of keys",
            ),
            argument(
                "--homedir",
                type=Path,
                metavar="DIR",
                help="where gpg keeps its keys (.gnupg of the user who runs this, so with sudo that of root)",
            ),
            argument(
                "--keep",
                type=number,
                metavar="N",
                help="list the N newest versions of each image for each system (ID, level or VERSION_ID, "
                "architecture); what is not listed any more is deleted 90 days later",
            ),
            argument(
                "--best-before",
                metavar="SPAN",
                help="machines refuse the list after this time, as 14d: publish more often than that. Recommended "
                "where images are served by plain HTTP",
            ),
            argument(
                "--chunks",
                action="store_true",
                help="write NAME.raw.caibx beside each image that has none: machines then fetch of a new version what "
                "differs from those that they have. Needs numpy",
            ),
            argument(
                "--to",
                metavar="URL",
                help="push what is published into a project of an OCI registry too, oci://HOST/PROJECT (oci+http:// "
                "without TLS): what is there is not sent again, the signed list comes last",
            ),
            argument(
                "--credentials",
                type=Path,
                metavar="FILE",
                help="user:password for that registry, in a file that nobody else can read",
            ),
            argument(
                "--for",
                dest="systems",
                action="append",
                default=[],
                type=Path,
                metavar="FILE",
                help="tell what a machine with this os-release would take",
            ),
            dry_run,
            json,
        ),
    )
