# SPDX-License-Identifier: LGPL-2.1-or-later
"""The commands, one module each: ``run`` gets its parsed arguments and returns the exit status."""
