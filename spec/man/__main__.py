# SPDX-License-Identifier: LGPL-2.1-or-later
"""``python3 -m spec.man FOLDER`` writes the manual pages, from the top of the project. Needs docutils."""

from __future__ import annotations

import sys
from pathlib import Path

from spec.man.pages import write

if len(sys.argv) != 2:
    sys.exit("usage: python3 -m spec.man FOLDER")
for page in write(Path(sys.argv[1])):
    print(page)
