# SPDX-License-Identifier: LGPL-2.1-or-later
"""What can be wrong with a machine's set-up: small checks, each of which looks (``look``), and judges what it saw.

A judgement is a pure function of what was seen. What cannot be seen is unknown, and no reason to leave out the rest.
"""
