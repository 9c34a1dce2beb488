# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parsers of foreign data: bytes or text in, typed values or a clear error out. No files are opened in here."""
