# SPDX-License-Identifier: LGPL-2.1-or-later
"""COLLECT: find all roots, decide on each file of the store, delete what no snapshot needs."""
