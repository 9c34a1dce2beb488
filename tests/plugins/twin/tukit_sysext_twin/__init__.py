# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plugins of tukit-sysext that fail, each in its own way."""
