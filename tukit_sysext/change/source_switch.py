# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disabling sources and enabling them again, in /etc/tukit-sysext of trees.

A file of /etc says ``Enabled=no``. A file that a package ships is hidden by an empty one in /etc, so that what the
package says of the source later is not frozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tukit_sysext.change.source_events import remember
from tukit_sysext.change.source_files import opened, wanting
from tukit_sysext.config import own_files
from tukit_sysext.config.files import read
from tukit_sysext.config.key_editing import edited
from tukit_sysext.config.settings import SOURCES, load_configuration, read_source
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.system.tree import Tree

_SECTION = "Source"


@dataclass(frozen=True, kw_only=True, slots=True)
class Switched:
    """What becomes of a source in a tree.

    ``file`` is the one of /etc that changes (None: it is as it should be), ``removed`` whether it goes. ``wanted_by``
    are images that are wanted from this source alone, where it is disabled.
    """

    target: Target
    file: str | None
    removed: bool = False
    wanted_by: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Change:
    """The content of the file in /etc as it will be; None takes it away."""

    content: str | None


def switch(targets: Sequence[Target], name: str, *, on: bool, dry_run: bool) -> Sequence[Switched]:
    """Enable or disable a source in those of the trees that have it; with ``dry_run`` only tell.

    Raises TukitSysextError where a file hides it and there is nothing behind, OSError.
    """
    file = f"{name}.conf"
    with opened(targets) as trees:
        there = [(target, tree) for target, tree in trees if _is_there(tree, file)]
        changes = [(target, tree, _change(tree, name, on=on)) for target, tree in there]
        for target, tree, change in changes if not dry_run else ():
            if change is None:
                continue
            if change.content is None:
                own_files.delete(tree, SOURCES, file)
            else:
                own_files.write(tree, SOURCES, file, change.content)
            remember(target.machine, name, "enabled" if on else "disabled", snapshot=target.snapshot)
        return [
            Switched(
                target=target,
                file=f"/{own_files.ETC}/{SOURCES}/{file}" if change is not None else None,
                removed=change is not None and change.content is None,
                wanted_by=() if on else wanting(tree, name),
            )
            for target, tree, change in changes
        ]


def _is_there(tree: Tree, file: str) -> bool:
    return bool(own_files.places(tree, SOURCES, file))


def _change(tree: Tree, name: str, *, on: bool) -> _Change | None:
    """What has to become of the file in /etc; None where nothing has to."""
    file = f"{name}.conf"
    configuration = load_configuration(tree)
    if (name in configuration.sources) is on:
        return None
    ours = own_files.places(tree, SOURCES, file)[0] == own_files.ETC
    text, _ = own_files.text(tree, SOURCES, file)
    if not on:
        return _Change(content=edited(text, _SECTION, {"Enabled": ("no",)}) if ours else "")
    if name in configuration.masked:
        text = own_files.shipped_text(tree, SOURCES, file)
        if not text.strip():
            raise TukitSysextError(
                f"{configuration.masked[name]}: it hides source {name}, and no file behind it says what that is",
                next_step=f"tukit-sysext sources add {name} URL --key FILE --force",
            )
        behind, _ = read_source(tree, name, read(file, text.encode()))
        if behind is not None and behind.enabled:
            return _Change(content=None)
    return _Change(content=edited(text, _SECTION, {"Enabled": None}))
