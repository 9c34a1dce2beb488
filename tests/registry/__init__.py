# SPDX-License-Identifier: LGPL-2.1-or-later
"""What we and other tools make of each other's artifacts in real registries."""
