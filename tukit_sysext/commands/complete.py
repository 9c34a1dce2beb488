# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext complete KIND``: names for the shells' completions, which call it while somebody types.

Quick, without a network, and for everybody: it looks at names in files, at links, and at lists that were fetched
before. What cannot be read has no names. A line is a name, or a name, a tab, and what it is.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
from collections.abc import Iterable, Iterator

from tukit_sysext.config import files as configuration_files
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.layout import EXTENSIONS
from tukit_sysext.machine import Machine
from tukit_sysext.rules.image_names import read_image_name
from tukit_sysext.rules.names import NameRefused
from tukit_sysext.system.tree import Tree

_LONGEST = 2
"""Seconds after which the kernel ends us: a directory of images may be on a server that is away."""


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Print the names of a kind. 0, whatever cannot be read."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_LONGEST)
    for line in sorted(set(_printable(_LOOKS[arguments.kind](machine)))):
        print(line)
    signal.alarm(0)
    return ExitStatus.DONE


def _printable(found: Iterator[str]) -> Iterator[str]:
    """What is found until something cannot be read; only what a shell can be given."""
    try:
        yield from (line for line in found if line.replace("\t", "").isprintable() and " " not in line.split("\t")[0])
    except (OSError, ValueError, sqlite3.Error, TukitSysextError):
        return


def _wanted(machine: Machine) -> Iterator[str]:
    from tukit_sysext.config.intent import State
    from tukit_sysext.config.wanted import load_wanted

    with Tree(machine.layout.root) as tree:
        found = load_wanted(tree).images.values()
    # a tombstone makes nothing wanted
    yield from (image.name for image in found if image.state is State.WANTED)


def _sources(machine: Machine) -> Iterator[str]:
    with Tree(machine.layout.root) as tree:
        found, _ = configuration_files.load_folder(tree, "sources.d")
        yield from found.files


def _images(machine: Machine) -> Iterator[str]:
    """Images that are wanted, stored or offered."""
    yield from _printable(_wanted(machine))
    yield from (name for name, _ in _parsed(_published(machine)))


def _versions(machine: Machine) -> Iterator[str]:
    yield from _images(machine)
    yield from (f"{name}={version}" for name, version in _parsed(_published(machine)))


def _blocked(machine: Machine) -> Iterator[str]:
    from tukit_sysext.config.settings import load_configuration

    with Tree(machine.layout.root) as tree:
        yield from (f"{found.name}={found.version}" for found in load_configuration(tree).settings.blocked)


def _stored(machine: Machine) -> Iterator[str]:
    """Files of the store, and the images that they are."""
    found = [name for name in _names(machine.layout.store) if not name.startswith(".")]
    yield from found
    yield from (name for name, _ in _parsed(found))


def _entries(machine: Machine) -> Iterator[str]:
    """Entries of the running /etc/extensions."""
    with Tree(machine.layout.root) as tree:
        yield from tree.names(EXTENSIONS) or ()


def _snapshots(machine: Machine) -> Iterator[str]:
    """Numbers of snapshots; where the folder cannot be read, those that the ledger knows."""
    try:
        numbers = os.listdir(machine.layout.snapshots)
    except OSError:
        from tukit_sysext.commands.common.from_ledger import read_ledger

        numbers = [str(row.number) for row in read_ledger(machine).snapshots if row.gone is None]
    yield from (number for number in numbers if number.isdecimal())


def _trees(machine: Machine) -> Iterator[str]:
    """What ``diff`` compares: deleted snapshots too."""
    from tukit_sysext.commands.common.from_ledger import read_ledger

    yield "running\tthe running system"
    yield "default\twhat boots next"
    yield from _printable(_snapshots(machine))
    yield from (str(row.number) for row in read_ledger(machine).snapshots)


def _published(machine: Machine) -> Iterator[str]:
    """Files of the store, and those that the sources' lists had when they were fetched last."""
    from tukit_sysext.config.settings import load_configuration
    from tukit_sysext.sources.last_lists import last_list

    yield from _names(machine.layout.store)
    with Tree(machine.layout.root) as tree:
        sources = load_configuration(tree).sources
    for source in sources.values():
        listed = last_list(machine, source)
        yield from listed.hashes if listed is not None else ()


def _names(folder: os.PathLike[str]) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _parsed(files: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name and version of each image among the files."""
    for file in files:
        try:
            found = read_image_name(file)
        except NameRefused:
            continue
        if found is not None:
            yield found.name, found.version


_LOOKS = {
    "blocked": _blocked,
    "entries": _entries,
    "images": _images,
    "snapshots": _snapshots,
    "sources": _sources,
    "stored": _stored,
    "trees": _trees,
    "versions": _versions,
    "wanted": _wanted,
}
