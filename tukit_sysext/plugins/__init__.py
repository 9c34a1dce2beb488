# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plugins: specifications, manager, loading, and those that come with tukit-sysext."""
