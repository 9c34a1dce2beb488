# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the administrator says: configuration, sources and wanted images of a tree."""
