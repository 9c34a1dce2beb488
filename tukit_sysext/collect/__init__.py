# SPDX-License-Identifier: LGPL-2.1-or-later
"""COLLECT: what keeps an image, a look at everything, and what goes."""
