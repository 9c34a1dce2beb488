# SPDX-License-Identifier: LGPL-2.1-or-later
"""Leaves while it is imported, with the status of a refusal."""

import sys

tukit_sysext_interface = ">=1,<2"

sys.exit(75)
