# SPDX-License-Identifier: LGPL-2.1-or-later
"""How something is installed here: into a new snapshot where /usr is read-only."""

from __future__ import annotations

from tukit_sysext.machine import Machine


def installs(machine: Machine, what: str, *, again: bool = False) -> str:
    """The command that installs a package, or whatever has a file; with ``again`` one that is installed already."""
    option = " --force" if again else ""
    transactional = (machine.layout.root / "usr/sbin/transactional-update").exists()
    zypper = "transactional-update pkg install" if transactional else "zypper install"
    return f"{zypper}{option} {what}"
