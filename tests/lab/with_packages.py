# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks of labs with more packages of Debian than every lab needs, for the tests that want them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.lab import base


def disk_with(flavour: str, packages: Sequence[str]) -> Path:
    """The disk image of a flavour with these packages, built first where it is missing (half a minute, the network).

    :raises LabError: with what is missing or failed
    """
    plain = base.disk_for(flavour)
    target = plain.with_name(f"{plain.stem}-{base.key_of(1, *packages)}.btrfs")
    if not target.exists():
        with base.building_alone():
            if not target.exists():
                _build(flavour, packages, target)
    return target


def _build(flavour: str, packages: Sequence[str], target: Path) -> None:
    root = Path(tempfile.mkdtemp(prefix="partial-root-", dir=base.CACHE))
    try:
        base.run_step(["cp", "-a", f"{base.root_of(base.SUITE)}/.", str(root)], "copying the base")
        root.chmod(0o755)
        # apt's lists and the machine's name servers are no part of the base
        script = (
            'touch "$1/etc/resolv.conf" && mount --bind /etc/resolv.conf "$1/etc/resolv.conf" '
            '&& mount --bind /proc "$1/proc" && shift && exec "$@"'
        )
        apt = ["chroot", str(root), "apt-get", "-q", "-y", "--no-install-recommends"]
        for words in (["update"], ["install", *packages]):
            base.run_step(
                ["sh", "-c", script, "sh", str(root), *apt, *words],
                "installing packages",
                {"DEBIAN_FRONTEND": "noninteractive", **base.host_proxies()},
            )
        base.remove_unneeded(root)
        base.build_disk(root, flavour, target)
    finally:
        shutil.rmtree(root, ignore_errors=True)
