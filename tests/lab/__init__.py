# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test machine in a folder: a btrfs system with snapshots that tests start, change, reboot and drop."""

from tests.lab.errors import LabError
from tests.lab.machine import Flavour, Lab, SnapshotRow

__all__ = ["Flavour", "Lab", "LabError", "SnapshotRow"]
