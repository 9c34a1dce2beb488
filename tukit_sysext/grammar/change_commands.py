# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands that change which images are wanted, and link them."""

from __future__ import annotations

from tukit_sysext.grammar.command import (
    Commands,
    argument,
    dry_run,
    json,
    now,
    one_of,
    policy,
    tree,
)
from tukit_sysext.grammar.questions import one_line

BOTH = (
    "Acts on the running system and, where another snapshot boots next, on that one too; each gets the images that fit "
    "it. With --root or --snapshot on that tree alone."
)

TITLE = "Changing"
NAMES = ("install", "remove", "update", "hold", "unhold", "block", "unblock", "adopt")


def add(commands: Commands) -> None:
    """Add them."""
    commands.add_parser(
        "install",
        **one_line("install"),
        description=f"Makes images wanted (images.d/NAME.conf), fetches the newest version that fits, and links it. "
        "An image is required unless --optional is given: an update of the system that a required image does not fit "
        "is refused, security updates too; an optional one is left out of it. NAME=VERSION takes this version and "
        "holds it. Of an image that is wanted already the options change what they are about, and the rest stays. "
        f"{BOTH} Nothing is changed where a required image does not fit one of the trees.",
        examples=(
            ("install gdb strace", "the newest versions that fit"),
            ("install --now gdb", "and use it at once"),
            ("install gdb=15.2", "this version, held"),
            ("install --series 1.31 k3s", "1.31.5, and never 1.32"),
            ("install --optional --version '~=1.31.0' k3s", "any 1.31; left out where none fits"),
            ("install --any-version k3s", "take Version= and Series= away again"),
        ),
        arguments=(
            argument("names", nargs="+", metavar="NAME[=VERSION]", help="images of the sources (tukit-sysext list)"),
            policy,
            argument(
                "--optional",
                dest="policy",
                action="store_const",
                const="optional",
                help="the same as --policy optional",
            ),
            one_of(
                argument("--source", metavar="SOURCE", help="from this source alone (Source=)"),
                argument("--any-source", action="store_true", help="take Source= away"),
            ),
            argument(
                "--version",
                dest="constraint",
                metavar="SPECIFIER",
                help="only versions that this allows (Version=), such as '~=1.31.0' or '>=2.40,<3'",
            ),
            argument("--series", metavar="SERIES", help="only versions that begin so (Series=), such as 1.31"),
            argument(
                "--any-version",
                action="store_true",
                help="take Version= and Series= away; a hold is taken away by unhold",
            ),
            tree,
            now,
            dry_run,
            json,
        ),
    )

    commands.add_parser(
        "remove",
        **one_line("remove"),
        description="Takes images.d/NAME.conf and the links away. The files stay in the store while anything needs "
        f"them. {BOTH}",
        examples=(("remove gdb", ""), ("remove --now gdb", "and out of the running /usr at once")),
        arguments=(
            argument("names", nargs="+", metavar="NAME", help="wanted images"),
            tree,
            now,
            dry_run,
            json,
        ),
    )

    commands.add_parser(
        "update",
        **one_line("update"),
        description="Fetches and links the newest fitting version of wanted images, as an update of the system does. "
        "An image that fits stays linked where the wanted one is not available, unless it is blocked. "
        f"Ends with 1 where a source could not be asked. {BOTH}",
        examples=(
            ("update", "all wanted images"),
            ("update --dry-run gdb", "what would be done with one"),
            ("update --transaction", "as tukit-sysext-update.timer does"),
        ),
        arguments=(
            argument("names", nargs="*", metavar="NAME", help="wanted images (default: all)"),
            tree,
            now,
            argument(
                "--transaction",
                action="store_true",
                help="in a snapshot of its own: by a transaction of tukit where the root is read-only, else after a "
                "snapshot of snapper",
            ),
            dry_run,
            json,
        ),
    )

    commands.add_parser(
        "hold",
        **one_line("hold"),
        description="Fixes the version of wanted images (Hold=): the one that each tree has, or VERSION. What happens "
        f"when it no longer fits, is up to the policy. {BOTH}",
        examples=(("hold gdb", "at the version it has"), ("hold gdb=15.2", "at another one; update brings it")),
        arguments=(
            argument("names", nargs="+", metavar="NAME[=VERSION]", help="wanted images"),
            tree,
            dry_run,
            json,
        ),
    )

    commands.add_parser(
        "unhold",
        **one_line("unhold"),
        description=f"Takes Hold= away: updates bring newer versions again. {BOTH}",
        examples=(("unhold gdb", ""),),
        arguments=(
            argument("names", nargs="+", metavar="NAME", help="wanted images"),
            tree,
            dry_run,
            json,
        ),
    )

    commands.add_parser(
        "block",
        **one_line("block"),
        description="Blocks versions for all that choose images: they count as not fitting, where they are linked too. "
        f"Written to tukit-sysext.conf.d/block-NAME.conf. {BOTH}",
        examples=(("block gdb=15.3", "a version that is broken"),),
        arguments=(
            argument("versions", nargs="+", metavar="NAME=VERSION", help="versions of images"),
            tree,
            dry_run,
            json,
        ),
    )

    commands.add_parser(
        "unblock",
        **one_line("unblock"),
        description=f"Takes back what tukit-sysext block wrote. {BOTH}",
        examples=(("unblock gdb=15.3", ""),),
        arguments=(
            argument("versions", nargs="+", metavar="NAME=VERSION", help="versions of images"),
            tree,
            dry_run,
            json,
        ),
    )

    commands.add_parser(
        "adopt",
        **one_line("adopt"),
        description="Takes over entries of /etc/extensions that are not ours, in the running system and what boots "
        "next: their content goes into the image store, and the image becomes wanted. A folder is packed, on a system "
        "with SELinux with the labels that the same paths of /usr have (mksquashfs 4.6). Without NAME also what "
        "sysextmgr.conf says of the source; where it went with its package, and no source is configured yet, the "
        "newest snapshot that has it tells; and what sysupdate.d brings of extension images, as sources import does.",
        examples=(("adopt --dry-run", "what could be taken over"), ("adopt", "all of it")),
        arguments=(
            argument("names", nargs="*", metavar="NAME", help="entries to take over (default: all)"),
            policy,
            dry_run,
            json,
        ),
    )
