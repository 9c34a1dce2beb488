# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a state in tests/data/state, by running the code of a commit on a test machine:

    sudo .venv/bin/python -m tests.states.make COMMIT

COMMIT becomes the folder's name; its --json has to have the shape that facts.py reads. What is there is never changed.
"""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.lab import Flavour, Lab
from tests.lab.repository import BINARY_SIGNATURE, LIST, Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.on_lab.site import STATE, STORE, Site, Web, installed_tree
from tests.states import code, facts, scenario
from tests.states.state import ARCHIVE, FACTS, FOLDER, MACHINE
from tukit_sysext.system.subvolume import BtrfsSubvolumes

SHARED = (STATE, STORE, "/var/cache/tukit-sysext", "/run/tukit-sysext")
"""What all snapshots share."""
OF_A_TREE = ("etc/extensions", "etc/tukit-sysext", "etc/os-release", "usr/lib/os-release")
"""What each snapshot has of its own."""


def make(commit: str) -> Path:
    """Make the state, and return its folder."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        made = scratch / commit
        made.mkdir()
        tree = installed_tree(scratch / "rpm", top=code.take(commit, scratch / "code"))
        repository = Repository(scratch / "repository")
        key = SigningKey.make(scratch / "key", created=scenario.KEY_MADE)
        with Server(repository.folder) as server, Lab.start(Flavour.MICROOS, install={tree: "/"}) as lab:
            site = Site(lab=lab, web=Web(repository=repository, server=server, key=key))
            lab.run(["systemd-tmpfiles", "--create", "tukit-sysext.conf"])
            site.add_source("main", Web(repository=repository, server=server, key=key))
            scenario.begin(site)
            earlier = {each: (repository.folder / each).read_bytes() for each in (LIST, BINARY_SIGNATURE)}
            scenario.work(site)
            scenario.end(site)
            for each, content in earlier.items():
                (scratch / "earlier").mkdir(exist_ok=True)
                (scratch / "earlier" / each).write_bytes(content)
            with tarfile.open(made / ARCHIVE, "w:xz") as archive:
                for path, inside in _paths(lab):
                    archive.add(path, f"machine{inside}")
                archive.add(repository.folder, "repository")
                archive.add(scratch / "earlier", "earlier")
            _write(made / MACHINE, _machine(lab, server.url))
            # last, so that nothing of it is in the state
            # where systemd runs events wait for its unit, not for the next command
            lab.path("/run/systemd/system").mkdir(parents=True)
            _write(made / FACTS, {command: facts.of(command, site.json) for command in facts.COMMANDS})
        FOLDER.mkdir(exist_ok=True)
        return Path(shutil.move(made, FOLDER))  # which fails where there is one


def _paths(lab: Lab) -> Iterator[tuple[Path, str]]:
    """The host's path of all that belongs to the state, and its path in the lab."""
    for path in SHARED:
        yield lab.path(path), path
    for number in _numbers(lab):
        folder = f"/.snapshots/{number}"
        yield lab.path(f"{folder}/info.xml"), f"{folder}/info.xml"
        for path in OF_A_TREE:
            if (lab.snapshot(number) / path).exists():
                yield lab.snapshot(number) / path, f"{folder}/snapshot/{path}"


def _numbers(lab: Lab) -> Sequence[int]:
    return [row.number for row in lab.snapshots()]


def _machine(lab: Lab, url: str) -> object:
    """What is not in files: the time, what runs, and what btrfs says of the snapshots."""
    subvolumes = BtrfsSubvolumes()
    trees = {}
    for number in _numbers(lab):
        found = subvolumes.find(lab.snapshot(number))
        assert found is not None
        trees[number] = {
            "identifier": found.identifier,
            "uuid": found.uuid,
            "parent_uuid": found.parent_uuid,
            "read_only": found.read_only,
        }
    return {
        "left": int(time.time()),
        "url": url,
        "running": lab.running,
        "default": lab.default,
        "subvolumes": trees,
    }


def _write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python -m tests.states.make COMMIT", file=sys.stderr)
        return 2
    print(make(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
