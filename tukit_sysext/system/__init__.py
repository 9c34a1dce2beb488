# SPDX-License-Identifier: LGPL-2.1-or-later
"""The edges: files, processes, locks and subvolumes. Nothing in here decides about images."""
