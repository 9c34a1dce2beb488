# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine with a kernel of its own, emulated: for what no namespace can show. Slow: minutes for a boot."""
