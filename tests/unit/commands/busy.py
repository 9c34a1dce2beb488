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
from tests.machine import OLD, with_source
from tests.trees import make_tree
from tests.unit.commands.started import Commands

ETC = "etc/tukit-sysext"
TRANSFER = """[Transfer]
Verify=no
[Source]
Type=url-file
Path=https://images.example.org/
MatchPattern=k3s-@v-%a.raw
[Target]
Type=regular-file
Path=/etc/extensions
"""
NEXT = ".snapshots/2/snapshot"
"""What boots next; snapshot 1 runs."""

_RELEASE = {"ID": "opensuse-microos", "SYSEXT_LEVEL": OLD}


def busy_machine(folder: Path, run: Commands) -> Path:
    """Make one in a folder; its root. Its source is beside it."""
    site = with_source(folder)
    for name, version in (("gdb", "1.1"), ("strace", "6.1"), ("tool", "1")):
        content = make_image(folder, name, version, release=_RELEASE, manifest=None).read_bytes()
        if name == "tool":
            for root in (site.root, site.root / NEXT):
                make_tree(root, {"etc/extensions/tool.raw": content})
        else:
            site.publish(name, version, content=content)
    for name, version in (("gdb", "1.0"), ("htop", "3.4")):
        site.publish(name, version)
    make_tree(
        site.root,
        {
            f"{ETC}/tukit-sysext.conf.d/block-gdb.conf": "[Block]\nImage=gdb=1.2\n",
            "var/lib/tukit-sysext/seen/main": json.dumps({"keys": {"F" * 40: 1793534400}}),
        },
    )
    site.want("gdb")
    site.want("htop", Hold="3.4")
    for number in (1, 2):
        site.snapshot_with(number, {"gdb": "1.0", "htop": "3.4"}, default=number == 2)
        shutil.copytree(site.root / ETC, site.tree(number) / ETC)
    site.boot(1)
    assert run(site.root, "settle").status == 0
    return site.root


def configure(root: Path, files: Mapping[str, str]) -> Path:
    """Write files of the configuration, in the running system and in what boots next."""
    for path in (root, root / NEXT):
        make_tree(path, {f"{ETC}/{name}": content for name, content in files.items()})
    return root
