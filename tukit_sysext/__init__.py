# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keeps systemd-sysext images in step with btrfs snapshots."""

__version__ = "0.1.0"
