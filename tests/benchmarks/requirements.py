# SPDX-License-Identifier: LGPL-2.1-or-later
"""Seconds that it takes to see whether images work in a system: what that adds to finalize-pre, and looking into one.

unchanged: all that is needed was asked before. new_database: the packages of the new system are asked anew, as after
each zypper dup. Both beside the same transaction without these rules. looking: all files of a new image are looked at,
once for each content; the reference is sha256sum of it. Each image has a library that nothing in the system provides,
and packages of which half are older than the system's.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from tests.benchmarks.machine import Measured, measure, site
from tests.elf_files import elf_file
from tests.lab import Lab
from tests.lab.images import make_image
from tests.on_lab.site import OLD, STATE, Site
from tests.rpm_databases import MadePackage, make_database

_DATABASE = "usr/lib/sysimage/rpm"
_MADE = "/var/cache/made-database"
_RULES = "import tukit_sysext.plugins.builtin.requirements as rules; print(rules.__file__, rules.__cached__)"
_LOOK = """
import sys
from pathlib import Path
from tukit_sysext.system.look_through import look_through
contents = look_through(Path(sys.argv[1]), scratch=Path(sys.argv[2]))
sys.exit(0 if len(contents.provides) >= int(sys.argv[3]) else 1)
"""
_NEEDED_BY_EACH = 40
_OTHER = "text " * 4000
"""As much as hashes, scripts and changes take in the header of a package: a database of 80 MiB for 3,000 of them."""


def options(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--packages", type=int, default=3000, help="packages of the system (3000)")
    parser.add_argument("--images", type=int, default=5, help="wanted images (5)")
    parser.add_argument("--files", type=int, default=2000, help="files of each, of which a tenth are libraries (2000)")
    parser.add_argument("--size-mib", type=int, default=200, help="size of the image that is looked into (200)")
    parser.add_argument("--libraries", type=int, default=500, help="its libraries (500)")
    parser.add_argument("--runs", type=int, default=10, help="runs (10); the median counts")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure."""
    with site() as (machine, _):
        lab = machine.lab
        with tempfile.TemporaryDirectory() as scratch:
            shutil.copytree(make_database(Path(scratch), _packages(arguments.packages)), lab.path(_MADE))
        for image in range(arguments.images):
            name = f"image{image:02}"
            files = _files(name, arguments.files, arguments.packages)
            machine.publish(name, "1.0", OLD, files=files, packages=_packages_of(name, arguments.packages))
            machine.want(name)
        lab.tukit("execute", "sh", "-c", f"rm -rf /{_DATABASE} && cp -r {_MADE} /{_DATABASE}", check=True)
        lab.reboot()
        lab.tukit("open", check=True)
        number = max(machine.numbers())
        finalize = ["/usr/lib/tukit/plugins/50-tukit-sysext", "finalize-pre", f"/.snapshots/{number}/snapshot"]
        finalize.append(str(number))
        measure(lab, finalize)  # so that every database was asked once
        database = lab.snapshot(number) / _DATABASE
        unchanged = measure(lab, finalize, runs=arguments.runs)
        new = [_with_new(lab, database, finalize) for _ in range(arguments.runs)]
        needs = _without_rules(machine)
        without = measure(lab, finalize, runs=arguments.runs)
        if {0} != unchanged.statuses | without.statuses | {status for each in new for status in each.statuses}:
            raise SystemExit("tests/bench: finalize-pre did not end with 0")
        looking, hashing = _looking(lab, arguments)
    return {
        "unchanged_added_seconds": round(unchanged.median - without.median, 3),
        "new_database_added_seconds": round(statistics.median(each.median for each in new) - without.median, 3),
        "without_seconds": round(without.median, 3),
        "looking_seconds": round(looking, 2),
        "sha256sum_seconds": round(hashing, 2),
        "needs": needs,
    }


def _packages(count: int) -> Iterator[MadePackage]:
    """Packages with a library each, and about as much beside it as those of openSUSE have."""
    for number in range(count):
        library = f"libpart{number}.so.1"
        provides = [f"{library}()(64bit)", *(f"{library}(PART_1.{minor})(64bit)" for minor in range(8))]
        files = [f"/usr/lib64/{library}", *(f"/usr/share/doc/part{number}/file{each}" for each in range(60))]
        yield MadePackage(f"part{number}", "1.0-1.1", provides, files, _OTHER)


def _files(name: str, count: int, packages: int) -> Mapping[str, bytes]:
    random = Random(name)
    files = {f"share/{name}/folder{each // 50}/file{each}": b"text\n" for each in range(count - count // 10)}
    needed = {f"libpart{each}.so.1": [f"PART_1.{each % 8}"] for each in random.sample(range(packages), _NEEDED_BY_EACH)}
    files[f"lib64/{name}/plugin.so"] = elf_file(needs={f"liboptional-{name}.so.1": []}, soname="plugin.so")
    for each in range(count // 10):
        some = dict(random.sample(sorted(needed.items()), 5))
        files[f"lib64/{name}/lib{name}{each}.so.1"] = elf_file(needs=some, soname=f"lib{name}{each}.so.1")
    return files


def _packages_of(name: str, packages: int) -> Sequence[Mapping[str, str]]:
    """An image's packages, of which half are older than the system's."""
    numbers = Random(name).sample(range(packages), _NEEDED_BY_EACH)
    versions = ("0.9-1.1", "1.0-1.1")
    return [
        {"type": "rpm", "name": f"part{number}", "version": versions[at % 2], "architecture": "x86_64"}
        for at, number in enumerate(numbers)
    ]


def _with_new(lab: Lab, database: Path, finalize: list[str]) -> Measured:
    for path in list(database.iterdir()):
        path.with_name("new").write_bytes(path.read_bytes())
        path.with_name("new").rename(path)
    return measure(lab, finalize)


def _without_rules(machine: Site) -> int:
    """Take the plugin away, and from records what it goes by; gives how many needs those had."""
    # the running system is read-only
    for module in machine.lab.run(["/usr/bin/python3", "-c", _RULES]).stdout.split():
        machine.lab.run(["mount", "--bind", "/dev/null", module])
    needs = 0
    for path in machine.lab.path(f"{STATE}/images").iterdir():
        record = json.loads(path.read_text())
        needs += len(record["contents"]["needs"])
        record["contents"] |= {"needs": [], "provides": []}
        record["contents"].pop("files", None)
        path.write_text(json.dumps(record))
    return needs


def _looking(lab: Lab, arguments: argparse.Namespace) -> tuple[float, float]:
    random, each = Random("looking"), arguments.size_mib * 1024 * 1024 // arguments.libraries
    files = {
        f"lib64/large/libl{number}.so.1": elf_file(needs={"libc.so.6": ["GLIBC_2.38"]}, soname=f"libl{number}.so.1")
        + random.randbytes(each)
        for number in range(arguments.libraries)
    }
    image = make_image(lab.path("/var/tmp"), "large", "1.0", release=OLD, files=files, manifest=None)
    path, scratch = f"/var/tmp/{image.name}", "/var/cache/tukit-sysext"
    look = ["/usr/bin/python3", "-I", "-c", _LOOK, path, scratch, str(arguments.libraries)]
    start = measure(lab, ["/usr/bin/python3", "-I", "-c", _LOOK.split("contents")[0]], runs=arguments.runs)
    looked = measure(lab, look, runs=arguments.runs)
    if looked.statuses != {0}:
        raise SystemExit("tests/bench: the image was not looked into")
    return looked.median - start.median, measure(lab, ["/usr/bin/sha256sum", path], runs=arguments.runs).median
