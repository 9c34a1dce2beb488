# SPDX-License-Identifier: LGPL-2.1-or-later
"""FETCH: one transaction: what is known, what is chosen, fetched and linked, and why it is refused."""
