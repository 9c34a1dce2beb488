# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots with the entries of their /etc/extensions, and the trees that a command acts on."""
