# SPDX-License-Identifier: LGPL-2.1-or-later
"""Breaks defences, one at a time, to see that a test notices each."""
