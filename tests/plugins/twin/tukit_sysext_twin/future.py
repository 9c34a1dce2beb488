# SPDX-License-Identifier: LGPL-2.1-or-later
"""Was written for an interface that is not there yet."""

tukit_sysext_interface = ">=2"
