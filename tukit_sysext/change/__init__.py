# SPDX-License-Identifier: LGPL-2.1-or-later
"""What people ask for: install, remove, hold, sources, adopt, purge."""
