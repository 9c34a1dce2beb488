# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our rules against the real tools that they imitate."""
