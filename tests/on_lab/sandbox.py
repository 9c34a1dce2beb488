# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the settings of a unit do to the mounts that its process sees (systemd.exec(5)), as a script for the shell.

For machines where no systemd is the first process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

_SPEC = Path(__file__).parents[2] / "spec"

Settings = Mapping[str, Sequence[str]]
"""The settings of a unit by name, each with its values."""

_HIDDEN = "mkdir -p -m 0 /run/systemd/inaccessible/dir; mount --bind /run/systemd/inaccessible/dir"
_EFFECTS = {
    "ProtectHome=yes": (f"{_HIDDEN} /home", f"{_HIDDEN} /root"),
    "ProtectHome=tmpfs": ("mount -t tmpfs -o ro tmpfs /home", "mount -t tmpfs -o ro tmpfs /root"),
    "ProtectHome=read-only": ("mount -o remount,bind,ro /home", "mount -o remount,bind,ro /root"),
    "PrivateTmp=yes": tuple(
        f"d={folder}/systemd-private-0-x.service-y/tmp; mkdir -p $d; mount --bind $d {folder}"
        for folder in ("/tmp", "/var/tmp")
    ),
    "ProtectProc=invisible": ("mount -t proc -o hidepid=invisible proc /proc",),
    "ProtectSystem=strict": tuple(
        f"mount --bind {folder} {folder}; mount -o remount,bind,ro {folder}"
        for folder in ("/etc", "/opt", "/run", "/tmp", "/var", "/.snapshots")
    ),
}


def settings_of(unit: str) -> Settings:
    """The settings of one of our services."""
    found: dict[str, list[str]] = {}
    for line in (_SPEC / unit).read_text().partition("[Service]")[2].splitlines():
        key, assigned, value = line.partition("=")
        if assigned and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def confined(settings: Settings, command: str) -> list[str]:
    """The command line that runs a command as a unit with these settings would."""
    lines = ["set -eu"]
    for key, values in settings.items():
        for value in values:
            lines += _EFFECTS.get(f"{key}={value}", ())
    for path in (path.removeprefix("-") for value in settings.get("ReadWritePaths", ()) for path in value.split()):
        lines += [f"mount --bind {path} {path}; mount -o remount,bind,rw {path}"]
    return ["unshare", "--mount", "--propagation", "slave", "sh", "-c", "\n".join([*lines, f"exec {command}"])]
