# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line, ``tukit-sysext``.

Exit status: 0 done, 1 it failed, 2 wrong usage, 75 an update would be refused.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tukit_sysext import __version__
from tukit_sysext.errors import TukitSysextError, UsageError

FAILED = 1
USAGE = 2
_BROKEN_PIPE = 141

log = logging.getLogger("tukit_sysext")


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    top = argparse.ArgumentParser(
        prog="tukit-sysext",
        description="Keeps systemd-sysext images in step with btrfs snapshots.",
        epilog="Wanted images: /etc/tukit-sysext/images.d/NAME.conf. Sources: /etc/tukit-sysext/sources.d/NAME.conf.",
    )
    top.add_argument("--version", action="version", version=f"tukit-sysext {__version__}")
    top.add_argument("-v", "--verbose", action="store_true", help="tell what is done, and trace a fault of ours")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    check = commands.add_parser(
        "check",
        help="what a transaction would do with the images of a tree, and why",
        description="Prints the plan for a tree with the reason of every verdict. Changes nothing. Ends with 75 where "
        "an update with this tree would be refused.",
    )
    check.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="root of the tree (default: /)")
    check.add_argument("--json", action="store_true", help="print JSON")

    status = commands.add_parser(
        "status",
        help="which images the running system and the one that boots next have, and what is wrong",
        description="Shows the images of the running system, of the one that boots next, and of an open transaction.",
    )
    status.add_argument("--json", action="store_true", help="print JSON")
    status.add_argument("--refused", action="store_true", help="only tell whether an update is refused (1: it is)")

    snapshots = commands.add_parser(
        "snapshots", help="the images of every snapshot", description="Shows the images of every snapshot."
    )
    snapshots.add_argument("--json", action="store_true", help="print JSON")

    adopt = commands.add_parser(
        "adopt",
        help="take over images that another tool, or a hand, linked",
        description="Takes over entries of the running /etc/extensions that are not ours: their content goes into the "
        "image store, and the image becomes wanted.",
    )
    adopt.add_argument("names", nargs="*", metavar="NAME", help="entries to take over (default: all)")
    adopt.add_argument(
        "--policy", choices=("required", "optional"), default="required", help="policy of the image (default: required)"
    )

    commands.add_parser(
        "settle",
        help="bring the ledger in line with the disk (started by systemd after events)",
        description="Looks at all snapshots, brings the ledger in line with them and settles the events written down.",
    )
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; every exception becomes an exit status here."""
    arguments = parser().parse_args(argv)
    os.umask(0o022)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # names on a disk may be anything: what a terminal cannot show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.ERROR,
        format="tukit-sysext: %(message)s",
        stream=sys.stderr,
    )
    try:
        status = _run(arguments)
        print(end="", flush=True)
        return status
    except TukitSysextError as error:
        print(f"tukit-sysext: {error}", file=sys.stderr)
        if error.hint:
            print(f"  next step: {error.hint}", file=sys.stderr)
        return USAGE if isinstance(error, UsageError) else FAILED
    except BrokenPipeError:
        # whoever read our output has enough of it; the interpreter must not complain while it closes it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        print("tukit-sysext: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        print(f"tukit-sysext: a fault of tukit-sysext itself: {type(error).__name__}: {error}", file=sys.stderr)
        print("  next step: run it again with -v and report what it prints", file=sys.stderr)
        log.info("trace", exc_info=error)
        return FAILED


def _run(arguments: argparse.Namespace) -> int:
    from tukit_sysext.machine import Machine

    machine = Machine()
    match arguments.command:
        case "check":
            from tukit_sysext.commands import check

            return check.run(machine, root=arguments.root, as_json=arguments.json)
        case "status":
            from tukit_sysext.commands import status

            return status.run(machine, as_json=arguments.json, refused_only=arguments.refused)
        case "snapshots":
            from tukit_sysext.commands import snapshots

            return snapshots.run(machine, as_json=arguments.json)
        case "adopt":
            from tukit_sysext.commands import adopt
            from tukit_sysext.config.wanted import Policy

            _require_root(machine.privileged, "adopt")
            return adopt.run(machine, names=arguments.names, policy=Policy(arguments.policy))
        case _:
            from tukit_sysext.job.settle import settle
            from tukit_sysext.plugins import Plugins

            _require_root(machine.privileged, "settle")
            settle(machine, Plugins())
            return 0


def _require_root(privileged: bool, command: str) -> None:
    if not privileged:
        raise TukitSysextError(f"{command} needs root", hint=f"sudo tukit-sysext {command}")


if __name__ == "__main__":
    sys.exit(main())
