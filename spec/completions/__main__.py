# SPDX-License-Identifier: LGPL-2.1-or-later
"""``python3 -m spec.completions FOLDER`` writes the completions, from the top of the project."""

from __future__ import annotations

import sys
from pathlib import Path

from spec.completions import bash, fish, zsh

if len(sys.argv) != 2:
    sys.exit("usage: python3 -m spec.completions FOLDER")
folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name, text in (
    ("tukit-sysext", bash.script()),
    ("_tukit-sysext", zsh.script()),
    ("tukit-sysext.fish", fish.script()),
):
    (folder / name).write_text(text, encoding="utf-8")
    print(folder / name)
