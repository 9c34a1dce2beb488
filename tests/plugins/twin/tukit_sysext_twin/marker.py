# SPDX-License-Identifier: LGPL-2.1-or-later
"""Leaves a mark where it is imported."""

from pathlib import Path

tukit_sysext_interface = ">=1,<2"

Path("/var/tmp/imported").touch()
