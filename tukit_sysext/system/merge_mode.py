# SPDX-License-Identifier: LGPL-2.1-or-later
"""In which mode extensions are merged: with or without what is written into them (systemd-sysext(8), --mutable=).

The overlays themselves tell: what was set for the merge, and where, may have changed since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from tukit_sysext.errors import UnknownState

MOUNTS = Path("/proc/self/mountinfo")
_OWN = "/run/systemd/sysext/"
"""Where systemd-sysext mounts the images, and has what is written into an ephemeral merge."""


class Mode(StrEnum):
    """Values of ``--mutable=``. ``yes`` and ``auto`` give the same merge once their directories are there."""

    NO = "no"
    IMPORT = "import"
    EPHEMERAL = "ephemeral"
    EPHEMERAL_IMPORT = "ephemeral-import"
    AUTO = "auto"


def modes(mountinfo: str) -> Mapping[str, Mode]:
    """The mode of each place that is merged, such as /usr, by what proc_pid_mountinfo(5) says."""
    found: dict[str, Mode] = {}
    for line in mountinfo.splitlines():
        front, _, back = line.partition(" - ")
        fields, more = front.split(" "), back.split(" ")
        if len(fields) > 5 and len(more) > 2 and more[:2] == ["overlay", "sysext"]:
            found[fields[4]] = _mode(more[2].split(","))
    return found


def _mode(options: Iterable[str]) -> Mode:
    pairs = [option.partition("=") for option in options]
    uppers = [value for key, _, value in pairs if key == "upperdir"]
    lowers = [layer for key, _, value in pairs if key in ("lowerdir", "lowerdir+") for layer in value.split(":")]
    # beside the place itself, what was written before is the one layer that systemd-sysext has not made
    imported = sum(not layer.startswith(_OWN) for layer in lowers) > 1
    if not uppers:
        return Mode.IMPORT if imported else Mode.NO
    if uppers[0].startswith(_OWN):
        return Mode.EPHEMERAL_IMPORT if imported else Mode.EPHEMERAL
    return Mode.AUTO


def modes_now() -> Mapping[str, Mode]:
    """The modes of what is merged now. Raises UnknownState."""
    try:
        return modes(MOUNTS.read_text(errors="surrogateescape"))
    except OSError as error:
        raise UnknownState(f"{MOUNTS}: what is merged is not known: {error.strerror}") from error


def hidden(before: Mapping[str, Mode], after: Mapping[str, Mode]) -> bool:
    """Whether what was written before a merge cannot be seen after it, or cannot be written to any more."""
    return any(mode is not Mode.NO and after.get(place) is not mode for place, mode in before.items())


def mode_to_keep(before: Mapping[str, Mode]) -> Mode:
    """The mode with which a merge shows what the one before it showed."""
    return max(before.values(), key=list(Mode).index, default=Mode.NO)
