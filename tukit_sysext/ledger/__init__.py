# SPDX-License-Identifier: LGPL-2.1-or-later
"""RECORD: the ledger of snapshots, images and events; events are spooled, settled with the disk, and remembered."""
