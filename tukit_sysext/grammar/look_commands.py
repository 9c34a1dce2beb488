# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands that tell of images and trees, and change nothing."""

from __future__ import annotations

from tukit_sysext.grammar.command import TREES, Commands, argument, json, one_of, tree
from tukit_sysext.grammar.questions import one_line

TITLE = "Looking"
NAMES = ("list", "status", "check", "why-not", "inspect", "config")


_JUDGED_FOR = one_of(
    *TREES,
    argument(
        "--refused",
        action="store_true",
        help="for the system of the update that was refused last, as far as its os-release tells",
    ),
    argument(
        "--for",
        dest="systems",
        action="append",
        default=[],
        metavar="RELEASE",
        help="for another system: a SYSEXT_LEVEL (glibc-2.44), a VERSION_ID (20261215), KEY=VALUE of os-release, an "
        "os-release, or a directory with the root of a tree",
    ),
)


def add(commands: Commands) -> None:
    """Add them."""
    commands.add_parser(
        "list",
        **one_line("list"),
        description="Lists the images that the sources offer, each with the newest version that fits the tree, the one "
        "that is installed, and whether there is an update. With NAME those images alone.",
        examples=(
            ("list", "what is on offer"),
            ("list --all gdb", "every version of gdb, and why one does not fit"),
            ("list --updates", "installed images that have an update"),
        ),
        arguments=(
            argument("names", nargs="*", metavar="NAME", help="images (default: all)"),
            argument("-a", "--all", action="store_true", help="all versions, with the reason where one does not fit"),
            argument("-i", "--installed", action="store_true", help="only images that are wanted or linked"),
            argument("-u", "--updates", action="store_true", help="only images that have an update"),
            tree,
            json,
        ),
    )

    commands.add_parser(
        "status",
        **one_line("status"),
        description="Shows the images of the running system, of the one that boots next, and of an open transaction.",
        examples=(
            ("status", "what this machine has, and what is wrong"),
            ("status --follow", "watch an update that is running"),
            ("status --refused || mail -s refused root", "for scripts: is an update refused, or an image missed?"),
        ),
        arguments=(
            one_of(
                argument(
                    "--refused",
                    action="store_true",
                    help="only tell whether one is refused, or an image missed (1)",
                ),
                argument(
                    "-f", "--follow", action="store_true", help="watch what a running update does until it is over"
                ),
            ),
            json,
        ),
    )

    commands.add_parser(
        "check",
        **one_line("check"),
        description="Prints the plan for a tree with the reason of every verdict. Changes nothing. Ends with 75 where "
        "an update with this tree would be refused, with 1 where not all is known that may be newer.",
        examples=(
            ("check", "the running system"),
            ("check --snapshot 42", "another snapshot"),
            ("check --refused", "the new system that was refused"),
            ("check --for glibc-2.44", "a system with another SYSEXT_LEVEL"),
        ),
        arguments=(
            _JUDGED_FOR,
            argument("-a", "--all", action="store_true", help="also why a newer version does not replace what stays"),
            json,
        ),
    )

    commands.add_parser(
        "why-not",
        **one_line("why-not"),
        description="Looks at every version of an image that is offered, stored or linked, and shows for every rule "
        "what the system has, what the image has, and whether that fits. Ends with 0 where it could be used.",
        examples=(
            ("why-not gdb", "the newest versions"),
            ("why-not gdb=15.2", "this version"),
            ("why-not --refused gdb", "in the new system that was refused"),
        ),
        arguments=(
            argument("image", metavar="NAME[=VERSION]", help="an image, or a version of it"),
            _JUDGED_FOR,
            argument("-a", "--all", action="store_true", help="every version, however old"),
            json,
        ),
    )

    commands.add_parser(
        "inspect",
        **one_line("inspect"),
        description="Tells of an image of the store, or of any image file, whom it is for, what its programs and "
        "libraries need and provide, what its publisher requires and packed (in a description beside it), and what it "
        "brings that needs more than a merge; then, rule by rule, whether it would be used in the running system and "
        "in the one that boots next. Changes nothing. Ends with 1 where it does not fit one, or is not known to. "
        "It mounts the image as systemd-sysext would, where nobody else sees it: as root look into no file that you "
        "would not merge. Without root it tells what descriptions say, and what it could not look at.",
        examples=(
            ("inspect gdb", "the version that is linked"),
            ("inspect gdb=15.2", "another one of the store"),
            ("inspect ./gdb-15.2.x86-64.raw --for 42", "a file, for snapshot 42"),
            ("inspect ./gdb-15.2.x86-64.raw --for os-release", "for another machine"),
        ),
        arguments=(
            argument("image", metavar="IMAGE|FILE", help="an image of the store (NAME, NAME=VERSION), or a file"),
            argument(
                "--for",
                dest="systems",
                action="append",
                default=[],
                metavar="SYSTEM",
                help="for this system: the number of a snapshot, a directory with the root of a tree, or an os-release",
            ),
            argument("-a", "--all", action="store_true", help="all that it has and needs, however much that is"),
            json,
        ),
    )

    commands.add_parser(
        "config",
        **one_line("config"),
        description="Prints settings, sources and wanted images as they count, each value with the file and line that "
        "says so, and what is wrong in the files.",
        examples=(("config", "everything"), ("config --snapshot 42", "as another snapshot has it")),
        arguments=(
            argument("-a", "--all", action="store_true", help="also what no file says, with its default"),
            tree,
            json,
        ),
    )
