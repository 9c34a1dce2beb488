# SPDX-License-Identifier: LGPL-2.1-or-later
"""Under which link name will systemd take an image?

systemd-sysext looks into an image for `extension-release.NAME`, NAME being the link's name without `.raw`. Where there
is no such file, it takes the only one whose extended attribute user.extension-release.strict is false, or (newer
systemd) whose NAME is the link's cut at its first `_` or `+`. Where it finds none in an image, or more than one, the
merge fails as a whole, the other images with it; a directory is just left out. See systemd-sysext(8), os-release(5),
and `open_extension_release` in systemd's src/basic/os-util.c.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tukit_sysext.errors import ImageBroken
from tukit_sysext.rules import systemd
from tukit_sysext.rules.names import NameRefused, check_component
from tukit_sysext.rules.printable import excerpt
from tukit_sysext.rules.systemd import SystemdVersion

_CUT = re.compile(r"[_+]")
_SPLITS_MOUNT_OPTIONS = re.compile(r"[:,\\]")
"""The link's name becomes part of the overlay's mount options, where these characters mean something else."""


class MergeNameRefused(ImageBroken, ValueError):
    """There is no name under which every systemd takes the image, or nothing to choose one of several by."""


def link_name_accepted(
    link_stem: str,
    release_files: Mapping[str, bool | None],
    *,
    systemd_version: int | SystemdVersion | None,
) -> str | None:
    """Which extension-release file systemd takes for an image that is linked as `link_stem` and `.raw`.

    `release_files` has the suffix of every `extension-release.SUFFIX` in the image, and the value of its
    xattr user.extension-release.strict (None: it has none, or no boolean). Gives the suffix, or None where
    systemd finds none or more than one. For an unknown version (None): what every version since 252 takes.
    """
    version = systemd.as_version(systemd_version)
    if version is None:
        versions = (systemd.ANY_SINCE, systemd.NAME_CUT_SINCE)
        old, new = (_accepted(link_stem, release_files, each) for each in versions)
        return old if old == new else None
    return _accepted(link_stem, release_files, version)


def _accepted(link_stem: str, release_files: Mapping[str, bool | None], version: SystemdVersion) -> str | None:
    if _SPLITS_MOUNT_OPTIONS.search(link_stem):
        return None
    name = _image_name(link_stem, version)
    if name in release_files:
        return name
    if version < systemd.STRICT_XATTR_SINCE:
        return None
    cut = _CUT.split(name, maxsplit=1)[0] if version >= systemd.NAME_CUT_SINCE else None
    suffixes = [suffix for suffix, strict in release_files.items() if suffix == cut or strict is False]
    return suffixes[0] if len(suffixes) == 1 else None


def _image_name(link_stem: str, version: SystemdVersion) -> str:
    """The link's name less what systemd takes for another suffix of image files."""
    suffixes = (".sysext", ".confext", ".raw") if version >= systemd.CLASS_SUFFIX_SINCE else (".raw",)
    return next((link_stem.removesuffix(each) for each in suffixes if link_stem.endswith(each)), link_stem)


def merge_name(release_files: Mapping[str, bool | None], preferred: str) -> str:
    """The name for an image's link (without `.raw`) under which systemd of every version takes the image.

    `release_files` as for link_name_accepted. It is `preferred` where that will do, so that all versions of
    an image have one name; else the suffix of the image's only extension-release file. Raises
    MergeNameRefused: a link under a wrong name would make the whole merge fail.
    """
    if not release_files:
        raise MergeNameRefused("the image has no extension-release file, so that it is no extension image")
    names = [preferred] if len(release_files) > 1 else [preferred, next(iter(release_files))]
    for name in names:
        taken = link_name_accepted(name, release_files, systemd_version=None)
        # A name that means another one to systemd (x.raw is x) would only confuse.
        if taken is not None and (taken == name or release_files[taken] is False):
            try:
                return check_component(name)
            except NameRefused as error:
                raise MergeNameRefused(f"extension-release file of the image: {error}") from error
    known = ", ".join(excerpt(name) for name in sorted(release_files))
    raise MergeNameRefused(
        f"the image has extension-release files for {known}, and systemd would take none for {excerpt(preferred)}",
        next_step=f"the image's name has to be one of {known}",
    )
