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


def settings_of(unit: str, section: str = "Service") -> Settings:
    """The settings of one of our units."""
    found: dict[str, list[str]] = {}
    for line in (_SPEC / unit).read_text().partition(f"[{section}]\n")[2].partition("\n[")[0].splitlines():
        key, assigned, value = line.partition("=")
        if assigned and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


_BELOW = {"StateDirectory": "/var/lib", "CacheDirectory": "/var/cache", "RuntimeDirectory": "/run"}


def writable(settings: Settings) -> list[str]:
    """What can be written although all else is read-only."""
    folders = [f"{_BELOW[key]}/{name}" for key in _BELOW for value in settings.get(key, ()) for name in value.split()]
    named = [path.removeprefix("-") for value in settings.get("ReadWritePaths", ()) for path in value.split()]
    return folders + named


def confined(settings: Settings, command: str) -> list[str]:
    """The command line that runs a command as a unit with these settings would."""
    lines = ["set -eu"]
    for key, values in settings.items():
        for value in values:
            lines += _EFFECTS.get(f"{key}={value}", ())
    for path in writable(settings):
        lines += [f"mkdir -p {path}; mount --bind {path} {path}; mount -o remount,bind,rw {path}"]
    return ["unshare", "--mount", "--propagation", "slave", "sh", "-c", "\n".join([*lines, f"exec {command}"])]
