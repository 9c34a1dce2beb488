# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext sources enable``: a source that was disabled is asked again."""

from __future__ import annotations

from tukit_sysext.commands.common.source_switching import run

__all__ = ["run"]
