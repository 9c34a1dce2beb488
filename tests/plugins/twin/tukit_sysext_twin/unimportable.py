# SPDX-License-Identifier: LGPL-2.1-or-later
"""Needs what is not there."""

import importlib

tukit_sysext_interface = ">=1,<2"

importlib.import_module("a_library_that_nobody_has")
