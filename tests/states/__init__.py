# SPDX-License-Identifier: LGPL-2.1-or-later
"""State outlives code: what former code left on machines (tests/data/state), and that code itself."""
