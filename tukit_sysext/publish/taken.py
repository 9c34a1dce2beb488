# SPDX-License-Identifier: LGPL-2.1-or-later
"""What machines of a given os-release would take of what is published. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tukit_sysext.publish.looking import FolderImage
from tukit_sysext.rules.architectures import ANY
from tukit_sysext.rules.matching import Host, check
from tukit_sysext.rules.prerelease import is_prerelease, newer_key
from tukit_sysext.rules.release import ReleaseData


@dataclass(frozen=True, kw_only=True, slots=True)
class TakenImage:
    """Of one image what a machine of an architecture takes (None: nothing), and why not the newest one."""

    name: str
    architecture: str
    taken: FolderImage | None
    newest: FolderImage
    reason: str


def taken_by(system: ReleaseData, images: Sequence[FolderImage]) -> Iterator[TakenImage]:
    """For each image, and each architecture for which there is one.

    It is taken to have none of them yet, and to ask for no pre-release: what comes before a release waits for it. Its
    systemd is unknown: the strictest rule counts.
    """
    architectures = sorted({image.architecture for image in images if image.architecture not in (None, ANY)})
    for name in sorted({image.hint.name for image in images}):
        versions = [image for image in images if image.hint.name == name]
        versions.sort(key=lambda image: newer_key(image.hint.version), reverse=True)
        versions.sort(key=lambda image: is_prerelease(image.hint.version))
        for architecture in architectures or [ANY]:
            own = [image for image in versions if image.architecture in (None, ANY, architecture)]
            if not own:
                continue
            host = Host(release=system, architecture=architecture or ANY, systemd=None)
            checked = [(image, check(host, image.content.release if image.content else None)) for image in own]
            fitting = [image for image, compatibility in checked if compatibility.fits]
            yield TakenImage(
                name=name,
                architecture=architecture or ANY,
                taken=fitting[0] if fitting else None,
                newest=own[0],
                reason="" if checked[0][1].fits else checked[0][1].reason,
            )
