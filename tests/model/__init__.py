# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stateful test: snapshots, links, the store and whatever can happen to them, against a model of what must hold."""
