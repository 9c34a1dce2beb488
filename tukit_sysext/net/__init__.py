# SPDX-License-Identifier: LGPL-2.1-or-later
"""The network: how bytes are fetched from servers. Whether they are to be trusted is decided elsewhere."""
