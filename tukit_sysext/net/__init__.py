# SPDX-License-Identifier: LGPL-2.1-or-later
"""The network: how bytes are brought from servers. What they are worth is decided elsewhere."""
