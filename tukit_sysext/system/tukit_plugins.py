# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plugins of tukit: a name in /etc shadows the same name in /usr, a link to /dev/null there masks it."""

from __future__ import annotations

from pathlib import Path

from tukit_sysext.layout import Layout

OUR_PLUGIN = "50-tukit-sysext"


def masks(path: Path) -> bool:
    """Whether a file of /etc only keeps tukit from running the one of its name."""
    return path.is_symlink() and str(path.readlink()) == "/dev/null"


def other_plugins(layout: Layout) -> list[Path]:
    """Plugins that are another tool's for extension images, and not masked."""
    seen: set[str] = set()
    plugins: list[Path] = []
    for folder in layout.tukit_plugins:
        try:
            paths = sorted(folder.iterdir())
        except OSError:
            continue
        for path in paths:
            if path.name in seen or path.name == OUR_PLUGIN:
                continue
            seen.add(path.name)
            target = str(path.readlink()) if path.is_symlink() else ""
            if target != "/dev/null" and ("sysext" in path.name or "sysextmgr" in target):
                plugins.append(path)
    return plugins


def command_to_stop(path: Path, layout: Layout) -> str:
    """The command that keeps tukit from running a plugin: one of /usr is masked, one of /etc is moved away."""
    etc, _ = layout.tukit_plugins
    return f"mv {path} /root/" if path.parent == etc else f"ln -s /dev/null {etc / path.name}"
