# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job: find out, plan, carry out.

``facts`` are what was found out, ``plan`` decides from them without any I/O, ``resolve`` finds out what the plan still
needs to know, ``carry_out`` does what the plan says and decides nothing.
"""
