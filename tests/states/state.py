# SPDX-License-Identifier: LGPL-2.1-or-later
"""A state that former code left, and a machine in a plain folder that has it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab.server import Server
from tests.machine import PlainMachine
from tests.rpm import TOP
from tukit_sysext.system.mark import running_root

FOLDER = TOP / "tests/data/state"
ARCHIVE, MACHINE, FACTS = "state.tar.xz", "machine.json", "facts.json"
COMMITS = tuple(sorted(path.name for path in FOLDER.glob("*/")))
"""The commits whose code left a state here."""


class LeftMachine:
    """A machine with the state that the code of a commit left, an hour later.

    `repository` is what its source "main" had, `earlier` an older list of it; the source is away.
    """

    def __init__(self, commit: str, folder: Path) -> None:
        with tarfile.open(FOLDER / commit / ARCHIVE) as archive:
            # newer versions of Python ask for it, and refuse links with an absolute path without it
            archive.extraction_filter = lambda member, _: member
            archive.extractall(folder)  # noqa: S202  # our own
        self.machine: Any = json.loads((FOLDER / commit / MACHINE).read_text())
        self.facts: Any = json.loads((FOLDER / commit / FACTS).read_text())
        self.now: int = self.machine["left"] + 3600
        self.repository, self.earlier = folder / "repository", folder / "earlier"
        self.plain = PlainMachine(folder / "machine")
        self.root = self.plain.root
        self._restore_subvolumes()
        self._restore_marks()
        # where systemd runs events wait for its unit, not for the next command
        (self.root / "run/systemd/system").mkdir(parents=True, exist_ok=True)

    def _restore_marks(self) -> None:
        """Marks of the root that ran are marks of the one that runs."""
        for name in ("refused.json", "repair"):
            path = self.root / "run/tukit-sysext" / name
            document = json.loads(path.read_text())
            if isinstance(document, dict) and "root" in document:
                path.write_text(json.dumps({**document, "root": running_root()}))

    def _restore_subvolumes(self) -> None:
        marker, running = self.plain.subvolumes.FILE, self.machine["running"]
        (self.root / "etc/os-release").unlink()
        shutil.copytree(self.plain.tree(running), self.root, symlinks=True, dirs_exist_ok=True)
        for number, subvolume in self.machine["subvolumes"].items():
            (self.plain.tree(int(number)) / marker).write_text(json.dumps(subvolume))
        shutil.copy(self.plain.tree(running) / marker, self.root / marker)
        self.plain.subvolumes.set_default(self.machine["subvolumes"][str(self.machine["default"])]["identifier"])

    @contextmanager
    def served(self) -> Iterator[LeftMachine]:
        """The source is there meanwhile, at another address."""
        with Server(self.repository) as server:
            for path in self.root.rglob("etc/tukit-sysext/sources.d/main.conf"):
                path.write_text(path.read_text().replace(self.machine["url"], server.url))
            yield self

    def command(self, *words: str, hook: bool = False) -> subprocess.CompletedProcess[str]:
        """Run `tukit-sysext WORDS` (or, as the hooks do, `entry WORDS`) of the code that is here."""
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        program = "entry" if hook else "cli"
        argv = [sys.executable, "-c", _RUN, program, str(self.root), str(self.now), *words]
        return subprocess.run(
            argv, env=environment, cwd=TOP, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
        )

    def json(self, *words: str) -> Any:
        """The document that a command prints."""
        done = self.command(*words, "--json")
        assert done.stdout, done
        return json.loads(done.stdout)


_RUN = """
import sys
from pathlib import Path
from unittest.mock import patch
from tests.machine import open_machine
from tukit_sysext import cli, entry
program, root, now = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
with patch("time.time", lambda: float(now)):
    run = cli.main if program == "cli" else entry.main
    cli.leave(run(sys.argv[4:], machine=open_machine(root, privileged=True)))
"""
