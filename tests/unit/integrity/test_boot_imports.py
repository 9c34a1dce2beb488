# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the guard imports at a boot at which something changed: the merge waits for it.

Each module costs time, most of all one with dataclasses. What comes to this list is to be what a boot needs: where it
is a small part of something large, that part has a module of its own.
"""

from __future__ import annotations

import subprocess
import sys

from tests.rpm import TOP
from tests.unit.integrity.verify_site import VerifySite

IMPORTED = """
all_plugins boot commands.verify_boot config.early config.files config.intent config.values errors exit_status
formats.ini integrity.assess integrity.finding integrity.needs integrity.quarantine integrity.quarantine_folder layout
ledger.at_boot ledger.kept_open ledger.ledger ledger.leftovers ledger.readable ledger.repeat ledger.rows ledger.schema
ledger.spool ledger.tables machine metrics.metrics plugin_api plugins.builtin.collector plugins.builtin.fetcher
plugins.builtin.guard plugins.builtin.recorder plugins.builtin.requirements plugins.builtin.sources plugins.manager
plugins.spec progress.progress quantities requirements.capabilities requirements.contents requirements.ground
requirements.requirement rules.architectures rules.link_names rules.matching rules.names rules.printable rules.release
rules.systemd rules.version snapshots.entries snapshots.fitting snapshots.grounds snapshots.overlay snapshots.snapper
snapshots.snapper_files snapshots.snapshot snapshots.used_now snapshots.versions store.digest store.examine
store.image_store store.record system.descriptors system.disk_space system.durable system.environment system.holders
system.label system.lock system.mark system.small_file system.subvolume system.syscalls system.system_release
system.time_limit system.tree system.tree_ground update.refusal
"""
"""Below the package; of a folder what is in it."""

NEVER = ("argparse", "hashlib", "pycurl", "rich", "shutil", "subprocess", "tempfile")
"""Modules of others that would cost as much as many of ours."""

CODE = """
import json, os, sys
from pathlib import Path
never, root = sys.argv.pop().split(), Path(sys.argv.pop())

class Subvolumes:  # those of tests/machine.py, which imports more
    def find(self, path):
        file = path / ".subvolume"
        return subvolume.Subvolume(**json.loads(file.read_text())) if file.exists() else None
    def default(self, path):
        return int((root / ".default-subvolume").read_text())

os._exit = lambda status: sys.exit(int(status))
from tukit_sysext import boot, layout, machine
from tukit_sysext.system import subvolume
made = machine.Machine(layout=layout.Layout(root=root), subvolumes=Subvolumes(), privileged=True)
machine.Machine = lambda: made
boot.make_our_own = boot.outputs = lambda: None
try:
    boot.run()
finally:
    print(*sorted(name for name in sys.modules if name.startswith("tukit_sysext") or name in never))
"""


def test_the_guard_imports_these_and_no_others(well: VerifySite) -> None:
    """Where an image is linked and all is well, and the boot is another one than the last."""
    command = [sys.executable, "-c", CODE, "stamp", str(well.root), " ".join(NEVER)]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ours = {name.removeprefix("tukit_sysext.") for name in done.stdout.split() if name != "tukit_sysext"}
    modules = {name for name in ours if not any(other.startswith(f"{name}.") for other in ours)}
    assert modules == set(IMPORTED.split())
    assert well.layout.quiet.read_text().startswith("stamp\n"), "it did all that it does"
