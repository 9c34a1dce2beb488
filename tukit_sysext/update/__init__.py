# SPDX-License-Identifier: LGPL-2.1-or-later
"""FETCH: one transaction, from facts to exit status."""
