# SPDX-License-Identifier: LGPL-2.1-or-later
"""The image store: images with their records; receiving, publishing and examining them."""
