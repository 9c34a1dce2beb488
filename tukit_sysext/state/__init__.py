# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is there: image store, records, links of a tree, snapshots, ledger, and the mark of a refusal."""
