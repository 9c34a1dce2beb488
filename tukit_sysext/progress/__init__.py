# SPDX-License-Identifier: LGPL-2.1-or-later
"""How far a job is."""
