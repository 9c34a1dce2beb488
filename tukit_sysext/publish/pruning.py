# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which versions stay in the list, and which files go. Pure.

Of each image the newest versions stay for each system that it is for: its ID, its level (else VERSION_ID) and its
architecture. So no system loses its last image because there is a newer one for another system.

What leaves the list stays in the folder for a time: machines that have it bring it back by its hash, without a list.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

from tukit_sysext.publish.looking import FolderImage
from tukit_sysext.rules.architectures import ANY
from tukit_sysext.rules.prerelease import is_prerelease, newer_key

KEPT_FOR = timedelta(days=90)
"""For how long a file stays after it was listed last."""


def system_of(image: FolderImage) -> tuple[str, str, str]:
    """ID, level or VERSION_ID, and architecture of the systems that an image is for; empty where it does not matter."""
    release = image.content.release if image.content is not None else {}
    identity, architecture = release.get("ID", ""), image.architecture or ""
    if identity == ANY:
        return ANY, "", architecture
    return identity, release.get("SYSEXT_LEVEL") or release.get("VERSION_ID") or "", architecture


def newest(images: Iterable[FolderImage], keep: int | None) -> Sequence[FolderImage]:
    """Those that are listed: all, or the ``keep`` newest versions of each image for each system.

    Pre-releases take no release's place: machines take them only where they are asked for.
    """
    groups: dict[object, list[FolderImage]] = defaultdict(list)
    for image in images:
        groups[image.hint.name, system_of(image)].append(image)
    chosen: list[FolderImage] = []
    for group in groups.values():
        versions = sorted({image.hint.version for image in group}, key=newer_key, reverse=True)
        releases = [version for version in versions if not is_prerelease(version)]
        chosen += [image for image in group if image.hint.version in (*versions[:keep], *releases[:keep])]
    return sorted(chosen, key=lambda image: image.file_name)


def stays_until(listed: date) -> date:
    """The first day on which a file may go that was last listed on a day."""
    return listed + KEPT_FOR


def due(unlisted: Mapping[str, date], today: date) -> Sequence[str]:
    """The files that go, of those with the day on which each was last listed."""
    return sorted(name for name, listed in unlisted.items() if today >= stays_until(listed))
