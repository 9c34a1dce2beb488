# SPDX-License-Identifier: LGPL-2.1-or-later
"""Points at which a process of tukit-sysext waits until a test lets it go on: a plugin in the lab, and its end here.

The plugin is loaded like anybody's. The first process that comes to a point that is armed says so through a FIFO, and
goes on when it is told to through another one; those that come later pass.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.on_lab.site import IMAGES, Site

_FOLDER = "/run/barrier"

_PLUGIN = f'''
import os
from dataclasses import replace
from pathlib import Path

from tukit_sysext.plugin_api import hookimpl
from tukit_sysext.sources.cache import Cache
from tukit_sysext.sources.directory import DirectorySource
from tukit_sysext.sources.seen import Seen
from tukit_sysext.sources.trust import Trust

tukit_sysext_interface = ">=1"


def pause(point):
    try:
        os.rename(f"{_FOLDER}/{{point}}.armed", f"{_FOLDER}/{{point}}.taken")
    except FileNotFoundError:
        return
    with open(f"{_FOLDER}/{{point}}.arrived", "w") as fifo:
        fifo.write("here")
    with open(f"{_FOLDER}/{{point}}.go") as fifo:
        fifo.read()


class Slow(DirectorySource):
    """A directory whose images come when the test says so."""

    def candidates(self):
        return [replace(found, locations=(f"slow:{{found.file_name}}",)) for found in super().candidates()]

    def fetch(self, wanted):
        pause("fetch")
        return super().fetch([(candidate, Late(sink)) for candidate, sink in wanted])


class Late:
    """A sink that has everything, and finishes when the test says so."""

    def __init__(self, sink):
        self.expect, self.write, self.restart, self._finish = sink.expect, sink.write, sink.restart, sink.finish

    def finish(self):
        pause("publish")
        self._finish()


@hookimpl
def tukit_sysext_sources(machine, configuration):
    cache = Cache(machine.layout.cache, writable=True)
    found = []
    for settings in configuration.sources.values():
        if settings.name == "slow":
            settings = replace(settings, verify=False)
            trust, limits = Trust(settings, cache, seen=Seen.of(machine)), configuration.settings.network
            found.append(Slow(settings, Path("{IMAGES}"), trust, limits=limits))
    return found


@hookimpl
def tukit_sysext_references(machine):
    pause("references")
    return []


@hookimpl
def tukit_sysext_snapshot_modified(machine, scan, number):
    pause("settling")
'''


def plugin_tree(folder: Path) -> Path:
    """The plugin as it is installed: laid over the root of a lab."""
    packages = folder / "usr/lib/python3/dist-packages"
    about = packages / "tukit_sysext_barrier-1.dist-info"
    about.mkdir(parents=True)
    (packages / "tukit_sysext_barrier.py").write_text(_PLUGIN)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tukit-sysext-barrier\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[tukit_sysext]\nbarrier = tukit_sysext_barrier\n")
    return folder


class Barrier:
    """The test's end of one point: ``fetch``, ``publish``, ``references`` or ``settling``."""

    def __init__(self, site: Site, point: str) -> None:
        folder = site.lab.path(_FOLDER)
        folder.mkdir(exist_ok=True)
        self._arrived, self._go = folder / f"{point}.arrived", folder / f"{point}.go"
        for fifo in (self._arrived, self._go):
            os.mkfifo(fifo)
        (folder / f"{point}.armed").touch()

    def wait(self) -> None:
        """Until a process has come to the point."""
        assert self._arrived.read_text() == "here"

    def let_go(self) -> None:
        """Let the process go on."""
        self._go.write_text("go")
