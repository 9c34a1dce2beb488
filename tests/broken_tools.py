# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that do not work, as scripts in their place: on everything, or on all but the known good input."""

from __future__ import annotations

from pathlib import Path

LOADER = "error while loading shared libraries: libgcrypt.so.20: cannot open shared object file"

WAYS = {
    "missing": "",
    "not executable": "exit 0",
    "not found by what starts it": "exit 127",
    "cannot be executed": "exit 126",
    "a library is missing": f'echo "$0: {LOADER}" >&2; exit 127',
    "killed": "kill -KILL $$",
    "crashes": "kill -SEGV $$",
    "hangs": "exec tail -f /dev/null",
    "says nothing": "exit 0",
    "says no to everything": "echo '[GNUPG:] NEWSIG'; echo '[GNUPG:] BADSIG 0123456789ABCDEF x'; exit 1",
    "fails at everything": "echo cannot be done >&2; exit 1",
}
"""How a program can be broken: the script that takes its place."""

INPUT_WAYS = ("not found by what starts it", "a library is missing", "killed", "crashes", "hangs")
"""Those that say nothing, where only one input has this effect."""


def break_tool(path: Path, way: str) -> Path:
    """Put a program that is broken in this way at a path."""
    path.unlink(missing_ok=True)
    if way != "missing":
        path.write_text(f"#!/bin/sh\n{WAYS[way]}\n")
        path.chmod(0o644 if way == "not executable" else 0o755)
    return path


def break_on(path: Path, real: str, way: str) -> Path:
    """Put a program at a path that is the real one for the known good input, and broken for all else."""
    known_good = 'case "$*" in */known_good/*) exec REAL "$@" ;; esac\n'
    known_good += 'for last; do :; done\ngrep -qs "known good" "$last" && exec REAL "$@"\n'
    path.write_text(f"#!/bin/sh\n{known_good.replace('REAL', real)}{WAYS[way]}\n")
    path.chmod(0o755)
    return path
