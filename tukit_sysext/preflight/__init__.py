# SPDX-License-Identifier: LGPL-2.1-or-later
"""Would tonight's update be refused."""
