# SPDX-License-Identifier: LGPL-2.1-or-later
"""A folder of images becomes a repository: looked into, described, listed, signed; old versions go."""
