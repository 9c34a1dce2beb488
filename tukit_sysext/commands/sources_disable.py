# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext sources disable``: a source is not asked, and stays configured."""

from __future__ import annotations

from tukit_sysext.commands.common.source_switching import run

__all__ = ["run"]
