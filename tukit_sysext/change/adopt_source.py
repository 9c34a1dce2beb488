# SPDX-License-Identifier: LGPL-2.1-or-later
"""Making a source of what sysextmgr.conf says, where no source has its URL, with the same verification.

sysextmgr has systemd-pull verify signatures by systemd's import keyring, which is also the keyring of a source that
names none. Its packages bring sysextmgr.conf in /usr, so that it is gone as soon as they gave way to ours: then the
newest snapshot that has it tells, the one from before that.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from tukit_sysext.change import sysextmgr
from tukit_sysext.change.source_files import find
from tukit_sysext.change.sysextmgr import SysextmgrSettings
from tukit_sysext.config import keyring, own_files, values
from tukit_sysext.config.files import redacted_value
from tukit_sysext.config.settings import SOURCES, load_configuration
from tukit_sysext.errors import TukitSysextError, UnknownState
from tukit_sysext.layout import Layout
from tukit_sysext.system.tree import Tree

NAME = "sysextmgr"
"""The name of the source that is made."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptedSource:
    """The source: its URL, the file that is written for it, the file that named it, and the next step (None: none)."""

    url: str
    verify: bool
    file: str
    origin: str
    notes: tuple[str, ...]
    next_step: str | None = None


def adopt_source(tree: Tree, layout: Layout, *, dry_run: bool) -> AdoptedSource | None:
    """Make the source in a tree, or with ``dry_run`` only tell; None where there is nothing to take over.

    Raises TukitSysextError where what sysextmgr.conf says cannot be taken over, OSError.
    """
    sources = load_configuration(tree).sources
    configured = sysextmgr.load(tree)
    if configured is None and not sources:
        configured = _of_snapshots(layout)
    if configured is None or configured.url is None or configured.origin is None:
        return None
    if not configured.sure:
        raise TukitSysextError(
            f"{configured.origin}: what it says of a source is not sure: {'; '.join(map(str, configured.problems))}",
            next_step="correct it, or:\ntukit-sysext sources add NAME URL --key FILE",
        )
    try:
        url = values.url(configured.url)
    except ValueError as error:
        shown = redacted_value(configured.url)
        raise TukitSysextError(
            f"{configured.origin}: url={shown}: {error}", next_step="tukit-sysext sources add NAME URL|DIR --key FILE"
        ) from error
    if any(url in source.urls for source in sources.values()):
        return None
    there = find(tree, NAME)
    if there is not None:
        raise TukitSysextError(
            f"{there}: there is a source {NAME} already, with another URL than {configured.origin} says ({url})",
            next_step=f"tukit-sysext sources add {NAME}2 {url} --key FILE",
        )
    content = f"# taken over from {configured.origin} by tukit-sysext adopt\n[Source]\nURL={url}\n"
    if not configured.verify:
        content += "Verify=no\n"
    if not dry_run:
        own_files.write(tree, SOURCES, f"{NAME}.conf", content)
    notes, next_step = _trust(tree, url, verify=configured.verify)
    notes += [f"{configured.origin} says {text}: what is there is not looked at" for text in configured.elsewhere]
    return AdoptedSource(
        url=url,
        verify=configured.verify,
        file=f"/{own_files.ETC}/{SOURCES}/{NAME}.conf",
        origin=configured.origin,
        notes=tuple(notes),
        next_step=next_step,
    )


def _of_snapshots(layout: Layout) -> SysextmgrSettings | None:
    """What the newest snapshot says that has a sysextmgr.conf with a URL."""
    try:
        numbers = sorted((int(name) for name in os.listdir(layout.snapshots) if name.isdigit()), reverse=True)
    except OSError:
        return None
    for number in numbers:
        try:
            with Tree(layout.snapshots / str(number) / "snapshot") as tree:
                configured = sysextmgr.load(tree)
        except UnknownState:
            continue  # none any more, or not one yet
        if configured is not None and configured.url is not None:
            return replace(configured, origin=f"{configured.origin} of snapshot {number}")
    return None


def _trust(tree: Tree, url: str, *, verify: bool) -> tuple[list[str], str | None]:
    """What is to be said of its signatures, and the next step."""
    add = f"tukit-sysext sources add {NAME} {url} --key FILE --force"
    if not verify:
        return ["signatures are not verified (Verify=no), as sysextmgr did not"], add
    known = keyring.load(tree, None)
    if known.rings:
        return [f"its lists have to be signed by a key of {keyring.paths(known.rings)}"], None
    if known.problems:
        return [f"its signatures cannot be verified: {'; '.join(known.problems)}"], add
    return ["no signing key is known, so that none of its lists is accepted"], add
