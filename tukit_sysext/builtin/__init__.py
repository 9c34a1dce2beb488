# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plugins that come with tukit-sysext. They register through the same hook specifications as anybody's."""
