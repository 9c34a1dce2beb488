# SPDX-License-Identifier: LGPL-2.1-or-later
"""A plain machine on which each command has something to do, in the running system and in what boots next.

gdb 1.0 is linked and 1.1 is offered, htop is held at what it has, strace is offered, gdb 1.2 is blocked, tool is linked
by somebody else, a list of the source main was seen, the ledger is up to date.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.lab.images import make_image
from tests.trees import make_tree
from tests.unit.commands.started import Commands
from tests.unit.commands.world import OLD, World

ETC = "etc/tukit-sysext"
NEXT = ".snapshots/2/snapshot"
"""What boots next; snapshot 1 runs."""

_RELEASE = {"ID": "opensuse-microos", "SYSEXT_LEVEL": OLD}


def busy_machine(folder: Path, run: Commands) -> Path:
    """Make one in a folder; its root. Its source is beside it."""
    world = World(folder)
    for name, version in (("gdb", "1.1"), ("strace", "6.1"), ("tool", "1")):
        content = make_image(folder, name, version, release=_RELEASE, manifest=None).read_bytes()
        if name == "tool":
            for root in (world.site.root, world.site.root / NEXT):
                make_tree(root, {"etc/extensions/tool.raw": content})
        else:
            world.publish(name, version, content=content)
    for name, version in (("gdb", "1.0"), ("htop", "3.4")):
        world.publish(name, version)
    make_tree(
        world.site.root,
        {
            f"{ETC}/tukit-sysext.conf.d/block-gdb.conf": "[Block]\nImage=gdb=1.2\n",
            "var/lib/tukit-sysext/seen/main": json.dumps({"keys": {"F" * 40: 1793534400}}),
        },
    )
    world.want("gdb")
    world.want("htop", Hold="3.4")
    for number in (1, 2):
        world.snapshot(number, {"gdb": "1.0", "htop": "3.4"}, default=number == 2)
        shutil.copytree(world.site.root / ETC, world.site.tree(number) / ETC)
    world.boot(1)
    assert run(world.site.root, "settle").status == 0
    return world.site.root


def configure(root: Path, files: Mapping[str, str]) -> Path:
    """Write files of the configuration, in the running system and in what boots next."""
    for path in (root, root / NEXT):
        make_tree(path, {f"{ETC}/{name}": content for name, content in files.items()})
    return root
