# SPDX-License-Identifier: LGPL-2.1-or-later
"""The grammar of the command line. Nothing is imported in here that a command needs to do its work."""

from __future__ import annotations

import argparse
from pathlib import Path

from tukit_sysext import __version__

Commands = argparse._SubParsersAction


def parser() -> argparse.ArgumentParser:
    """All commands; each is run by the module of its name in :mod:`tukit_sysext.commands`."""
    top = argparse.ArgumentParser(
        prog="tukit-sysext",
        description="Keeps systemd-sysext images in step with btrfs snapshots.",
        epilog="Wanted images: /etc/tukit-sysext/images.d/NAME.conf. Sources: /etc/tukit-sysext/sources.d/NAME.conf.",
    )
    top.add_argument("--version", action="version", version=f"tukit-sysext {__version__}")
    top.add_argument("-v", "--verbose", action="store_true", help="tell what is done, and trace a fault of ours")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _images_of_trees(commands)
    _images_over_time(commands)
    _store(commands)
    _sources(commands)
    _machinery(commands)
    return top


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")


def _images_of_trees(commands: Commands[argparse.ArgumentParser]) -> None:
    check = commands.add_parser(
        "check",
        help="what a transaction would do with the images of a tree, and why",
        description="Prints the plan for a tree with the reason of every verdict. Changes nothing. Ends with 75 where "
        "an update with this tree would be refused.",
    )
    check.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="root of the tree (default: /)")
    _json(check)

    status = commands.add_parser(
        "status",
        help="which images the running system and the one that boots next have, and what is wrong",
        description="Shows the images of the running system, of the one that boots next, and of an open transaction.",
    )
    _json(status)
    status.add_argument("--refused", action="store_true", help="only tell whether an update is refused (1: it is)")

    snapshots = commands.add_parser(
        "snapshots", help="the images of every snapshot", description="Shows the images of every snapshot."
    )
    _json(snapshots)

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


def _images_over_time(commands: Commands[argparse.ArgumentParser]) -> None:
    diff = commands.add_parser(
        "diff",
        help="images that came, went or changed version between two snapshots",
        description="Compares the images of two snapshots. Of a deleted snapshot the ledger tells them.",
    )
    for name in ("a", "b"):
        diff.add_argument(name, metavar=name.upper(), help="number of a snapshot, running, or default")
    _json(diff)

    history = commands.add_parser(
        "history",
        help="what happened to snapshots and images",
        description="Shows what the ledger remembers, the newest last. With IMAGE also which snapshots had it.",
    )
    history.add_argument("image", nargs="?", metavar="IMAGE", help="an image, or a file of the store")
    _json(history)


def _store(commands: Commands[argparse.ArgumentParser]) -> None:
    verify = commands.add_parser(
        "verify",
        help="are the images of snapshots present, whole and fitting",
        description="Reads every image of the running system and of what boots next, and compares it with what is "
        "recorded of it. Ends with 1 where something is wrong.",
    )
    scope = verify.add_mutually_exclusive_group()
    scope.add_argument("--snapshot", type=int, metavar="N", help="the images of this snapshot")
    scope.add_argument("--all", action="store_true", help="the images of all snapshots")
    scope.add_argument(
        "--boot",
        action="store_true",
        help="what a unit runs before the merge: put links that would harm it into quarantine, and take out what is "
        "whole again",
    )
    verify.add_argument("--repair", action="store_true", help="bring back what is missing or damaged")
    _json(verify)

    gc = commands.add_parser(
        "gc",
        help="collect images that no snapshot needs",
        description="Deletes images of the store that nothing needed in two runs and for the grace time ([Store] "
        "Grace=, a week unless set). Deletes nothing where anything is not known: it ends with 1 then.",
    )
    gc.add_argument("-n", "--dry-run", action="store_true", help="only tell what keeps each image, and what would go")
    gc.add_argument(
        "--unknown-origin", action="store_true", help="also collect good images that have no record (another tool's)"
    )
    _json(gc)

    why = commands.add_parser(
        "why",
        help="what keeps an image",
        description="Names everything that needs an image of the store: snapshots, the running system, holds, mounts.",
    )
    why.add_argument("image", metavar="IMAGE", help="an image (all its versions), or a file of the store")
    _json(why)


def _sources(commands: Commands[argparse.ArgumentParser]) -> None:
    sources = commands.add_parser(
        "sources",
        help="where images come from, and whose signatures are believed; add a source",
        description="Without an action: lists the sources of the running system, whose keys sign their lists, the "
        "newest list that was seen, and what is wrong.",
    )
    _json(sources)
    actions = sources.add_subparsers(dest="action", metavar="ACTION")
    add = actions.add_parser(
        "add",
        help="add a source with the key that signs its lists",
        description="Writes /etc/tukit-sysext/sources.d/NAME.conf, and keeps the key as keyrings/NAME.gpg. Shows the "
        "key's fingerprint.",
    )
    add.add_argument("name", metavar="NAME", help="how the source is called from now on")
    add.add_argument("where", metavar="URL|DIR", nargs="+", help="URLs that mirror each other, or one directory")
    add.add_argument("--key", metavar="FILE", help="public keys, with ASCII armour or without; - for standard input")
    add.add_argument(
        "--fingerprint",
        metavar="FINGERPRINT",
        action="append",
        default=[],
        help="believe this (primary) key alone; without --key it is one of the system's import keyring",
    )
    add.add_argument("--priority", type=_priority, metavar="N", help="a smaller number is a stronger source (99)")
    add.add_argument("--force", action="store_true", help="replace a source of this name")
    reset = actions.add_parser(
        "reset",
        help="forget which lists were seen, to go back to an older one",
        description="An older list than the newest one seen is refused, as it may be served again by an attacker. "
        "This forgets the newest one: the next good list is believed, whenever it was signed.",
    )
    reset.add_argument("name", metavar="NAME", help="a source")
    remove = actions.add_parser(
        "remove",
        help="take a source and its key away",
        description="Removes sources.d/NAME.conf and keyrings/NAME.gpg of /etc/tukit-sysext. Its images stay.",
    )
    remove.add_argument("name", metavar="NAME", help="a source")


def _priority(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError("expected a whole number from 0")
    return int(text)


def _machinery(commands: Commands[argparse.ArgumentParser]) -> None:
    plugins = commands.add_parser(
        "plugins",
        help="which plugins are loaded, and what they implement",
        description="Lists the built-in plugins and those that [Plugins] Load= in tukit-sysext.conf names.",
    )
    plugins.add_argument("--hooks", action="store_true", help="print the specifications of all hooks")
    _json(plugins)

    commands.add_parser(
        "settle",
        help="bring the ledger in line with the disk (started by systemd after events)",
        description="Looks at all snapshots, brings the ledger in line with them and settles the events written down.",
    )
