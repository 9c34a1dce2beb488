# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sources of images: what they offer, what is known of it, and how it is fetched."""
