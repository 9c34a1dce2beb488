# SPDX-License-Identifier: LGPL-2.1-or-later
"""Figures: what tests/bench measures. Tests assert no times; these programs print them."""
