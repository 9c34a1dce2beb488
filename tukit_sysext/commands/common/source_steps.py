# SPDX-License-Identifier: LGPL-2.1-or-later
"""The next steps where there is no source, and where one cannot be used."""

from __future__ import annotations

NO_SOURCE = ("No source is configured.", "  next step:", "    tukit-sysext sources add NAME URL --key FILE")
FAULTY = "tukit-sysext config"
"""Where a source cannot be asked because of its configuration."""
