# SPDX-License-Identifier: LGPL-2.1-or-later
"""RECORD: which image belongs to which snapshot; events, settling, history."""
