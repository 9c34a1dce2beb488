# SPDX-License-Identifier: LGPL-2.1-or-later
"""Taking a source out of /etc/tukit-sysext of trees, with its keys, and what that means for others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from tukit_sysext.config import settings, wanted
from tukit_sysext.config.own_files import ETC, delete
from tukit_sysext.config.settings import SOURCES
from tukit_sysext.config.wanted import State
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.job.source_files import KEYRINGS, all_places, opened
from tukit_sysext.job.targets import Target
from tukit_sysext.system.tree import Tree


@dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """What goes of a tree.

    ``kept`` is the file of keys that stays as ``users``, other sources, name it (None: none stays for that).
    ``wanted_by`` are images that are wanted from this source alone.
    """

    target: Target
    files: tuple[str, ...]
    kept: str | None
    users: tuple[str, ...]
    wanted_by: tuple[str, ...]


def remove(targets: Sequence[Target], name: str, *, dry_run: bool = False) -> Sequence[Removed]:
    """Take a source's file in /etc away, and its keys, in those of the trees that have it; with ``dry_run`` only tell.

    Keys that another source names stay. Raises TukitSysextError, OSError.
    """
    file = f"/{ETC}/{SOURCES}/{name}.conf"
    with opened(targets) as sites:
        found = [(target, tree, all_places(tree, name)) for target, tree in sites]
        ours = [(target, tree, len(there) > 1) for target, tree, there in found if file in there]
        if not ours:
            where = next((there[0] for _, _, there in found if there), file)
            raise TukitSysextError(
                f"{where}: not a file of /{ETC}, which alone is changed",
                hint=f"to do without it: ln -s /dev/null {file}",
            )
        gone = [_what_goes(target, tree, name, weaker=weaker) for target, tree, weaker in ours]
        if not dry_run:
            for (_, tree, _), removed in zip(ours, gone, strict=True):
                for path in removed.files:
                    _, folder, file_name = path.rsplit("/", 2)
                    delete(tree, folder, file_name)
    return gone


def _what_goes(target: Target, tree: Tree, name: str, *, weaker: bool) -> Removed:
    """What goes of a tree with a source; ``weaker`` tells that another file of its name counts then."""
    key = f"/{ETC}/{KEYRINGS}/{name}.gpg"
    has_key = f"{name}.gpg" in (tree.names(f"{ETC}/{KEYRINGS}") or ())
    users = tuple(
        source.name
        for source in settings.load(tree).sources.values()
        if source.name != name
        and any((said.key, os.path.normpath(said.text)) == ("Keyring", key) for said in source.said)
    )
    images = wanted.load(tree).images.values() if not weaker else ()
    return Removed(
        target=target,
        files=(f"/{ETC}/{SOURCES}/{name}.conf", *((key,) if has_key and not users else ())),
        kept=key if has_key and users else None,
        users=users,
        wanted_by=tuple(sorted(image.name for image in images if image.source == name and image.state is State.WANTED)),
    )
