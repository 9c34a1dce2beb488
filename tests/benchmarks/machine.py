# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine that is measured, and how: whole processes, from their start to their end, inside the lab."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Flavour, Lab
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.on_lab.site import OLD, Site, Web, installed_tree

# Runs in the lab: starts a command again and again, and measures each process alone, its start included. The memory is
# that of the largest process, which is ours: the tools that it starts are smaller.
_MEASURE = """
import json, os, sys, time
runs, argv = int(sys.argv[1]), sys.argv[2:]
null = os.open(os.devnull, os.O_RDWR)
actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1)]
found = []
for _ in range(runs):
    begin = time.perf_counter()
    child = os.posix_spawn(argv[0], argv, {"PATH": "/usr/bin:/usr/sbin", "LANG": "C.UTF-8"}, file_actions=actions)
    _, status, usage = os.wait4(child, 0)
    seconds, cpu = time.perf_counter() - begin, usage.ru_utime + usage.ru_stime
    found.append((seconds, cpu, usage.ru_maxrss, os.waitstatus_to_exitcode(status)))
print(json.dumps(found))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Runs of one command: seconds and CPU seconds of each, the most memory of a process in MiB, exit statuses."""

    seconds: tuple[float, ...]
    cpu: tuple[float, ...]
    peak_rss_mib: float
    statuses: frozenset[int]

    @property
    def median(self) -> float:
        """The median of the seconds."""
        return statistics.median(self.seconds)

    @property
    def median_cpu(self) -> float:
        """The median of the CPU seconds, of the process and those that it waited for."""
        return statistics.median(self.cpu)


def measure(lab: Lab, argv: Sequence[str], *, runs: int = 1) -> Measured:
    """Run a command in the lab several times."""
    done = lab.run(["python3", "-I", "-c", _MEASURE, str(runs), *argv], timeout=600)
    found = json.loads(done.stdout.splitlines()[-1])
    return Measured(
        seconds=tuple(seconds for seconds, _, _, _ in found),
        cpu=tuple(cpu for _, cpu, _, _ in found),
        peak_rss_mib=max(memory for _, _, memory, _ in found) / 1024,
        statuses=frozenset(status for _, _, _, status in found),
    )


@contextmanager
def site(*, latency_ms: float = 0, sources: int = 1) -> Iterator[tuple[Site, list[Web]]]:
    """A machine with tukit-sysext, and servers with signed lists; the first is the source "main"."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        key = SigningKey.shared()
        tree = installed_tree(Path(scratch))
        servers: list[Server] = []
        webs: list[Web] = []
        try:
            for number in range(sources):
                repository = Repository(Path(scratch, f"repository-{number}"))
                servers.append(Server(repository.folder, latency_ms=latency_ms).start())
                webs.append(Web(repository=repository, server=servers[-1], key=key))
            with Lab.start(Flavour.MICROOS, install={tree: "/"}) as lab:
                yield Site(lab=lab, web=webs[0]).prepare(), webs
        finally:
            for server in servers:
                server.stop()


def link_images(site: Site, count: int) -> None:
    """Publish so many images, and have an update link them in the system that runs then."""
    for number in range(count):
        site.publish(f"image{number:02}", "1.0", OLD)
        site.want(f"image{number:02}")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()


def empty_cache(site: Site) -> None:
    """Forget everything that is kept between runs."""
    site.lab.run(["find", "/var/cache/tukit-sysext", "-mindepth", "1", "-delete"])
