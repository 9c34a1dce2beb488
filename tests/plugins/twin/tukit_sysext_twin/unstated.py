# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does not say for which interface it was written."""
