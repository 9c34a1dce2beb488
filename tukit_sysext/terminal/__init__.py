# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is printed: tables, bars, colours."""
