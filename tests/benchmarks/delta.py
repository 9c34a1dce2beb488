# SPDX-License-Identifier: LGPL-2.1-or-later
"""The next version of an image by what the machine has of the last one, beside the whole of it.

Images of this machine's files, drawn several times, of which some are changed a little, and of two releases of
Debian's packages that the mirrors have at once. ``share`` is what came (parts and index) of the image's bytes,
``requests`` how many parts were asked for; seconds are those of the main job from its start to its end, on loopback
and, for the first draw, over a line of 20 Mbit/s with 20 ms, each beside those of the whole image; the memory is that
of its process until the image is whole, before it is looked into. ``largest_shares`` are those of all draws.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

from tests.benchmarks.slow_line import SlowLine
from tests.lab.images import write_checksums
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.machine import PlainMachine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.publish.chunking import chunk_index
from tukit_sysext.sources.repository import index_name
from tukit_sysext.update.content_judge import ContentJudge
from tukit_sysext.update.transaction import Transaction

Kind = Literal["squashfs", "erofs"]
KINDS: tuple[Kind, ...] = ("squashfs", "erofs")
_PACKED = {"squashfs": 0.32, "erofs": 0.55}
"""What is left of a byte of programs."""
_LEVEL = "glibc-2.42"
_BITS, _ROUND_TRIP = 20e6, 0.020
_MIB = 1 << 20
_UUID = "6f1f2c1e-5d1c-4c6b-8f1b-2f0e8d3c7a55"
_CHANGED = 64
"""Bytes that a change of a file has at the most."""
_LENGTH_CHANGES = 4
"""Of so many files one changes in its length too."""
_FROM = ("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec")
_LARGEST = 32
"""No file has more than a 32nd of all bytes: of many small ones more change, and more comes."""


def options(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--sizes", type=_numbers, default=[62, 500], metavar="MIB,...", help="of images (62,500)")
    parser.add_argument("--changed", type=_numbers, default=[1, 4, 20], metavar="%,...", help="of files (1,4,20)")
    parser.add_argument("--draws", type=int, default=3, help="how often files are drawn for each size (3)")
    parser.add_argument("--packages", default="git,systemd", metavar="NAME,...", help="of Debian")
    parser.add_argument("--line-mib", type=int, default=100, metavar="MIB", help="largest image over the line (100)")


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pair:
    """Two versions of an image, by their files; the same may be drawn several times."""

    name: str
    kind: Kind
    old: Path
    new: Path
    draw: int = 1


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure."""
    cases = []
    largest: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="bench-delta-") as scratch, _disk(Path(scratch)) as disk:
        for pair in _pairs(Path(scratch), arguments):
            line = pair.draw == 1 and pair.new.stat().st_size <= arguments.line_mib * _MIB
            case = _measured(pair, Path(scratch), disk, line=line)
            series = f"{pair.kind}, {pair.name}"
            largest[series] = max(largest.get(series, 0), case["share"])
            print(json.dumps(case), file=sys.stderr, flush=True)
            cases.append(case)
    return {"cases": cases, "largest_shares": largest, "peak_rss_mib": max(case["peak_rss_mib"] for case in cases)}


def _pairs(scratch: Path, arguments: argparse.Namespace) -> Iterator[_Pair]:
    for package in filter(None, arguments.packages.split(",")):
        trees = _two_releases(package, scratch / package)
        for kind in KINDS if trees else ():
            old, new = (_image(kind, tree, scratch / f"{tree.name}.raw") for tree in trees)
            yield _Pair(name=" -> ".join(tree.name for tree in trees), kind=kind, old=old, new=new)
        shutil.rmtree(scratch / package, ignore_errors=True)
    for size, kind, draw in itertools.product(arguments.sizes, KINDS, range(1, arguments.draws + 1)):
        tree = scratch / "tree"
        files = _copy_files(tree, int(size * _MIB / _PACKED[kind]), draw)
        old = _image(kind, tree, scratch / "old.raw")
        for percent in arguments.changed:
            changed = _change(tree, files, percent)
            new = _image(kind, tree, scratch / "new.raw")
            name = f"{size} MiB, {percent} % of files changed"
            yield _Pair(name=name, kind=kind, old=old, new=new, draw=draw)
            for file, content in changed.items():
                file.write_bytes(content)
        shutil.rmtree(tree)


# --- images ---------------------------------------------------------------------------------------------------------


def _image(kind: Kind, tree: Path, path: Path) -> Path:
    """As who publishes extension images would make it: nothing in it depends on when."""
    release = tree / "usr/lib/extension-release.d/extension-release.large"
    release.parent.mkdir(parents=True, exist_ok=True)
    release.write_text(f"ID=opensuse-microos\nSYSEXT_LEVEL={_LEVEL}\n")
    path.unlink(missing_ok=True)
    squashfs = ["mksquashfs", str(tree), str(path), "-comp", "zstd", "-Xcompression-level", "3", "-all-root", "-quiet"]
    squashfs += ["-no-progress", "-no-xattrs", "-mkfs-time", "0", "-all-time", "0"]
    erofs = ["mkfs.erofs", "-zlz4", "-T0", "--all-root", "-x-1", "-U", _UUID, str(path), str(tree)]
    subprocess.run(squashfs if kind == "squashfs" else erofs, check=True, capture_output=True)
    return path


def _copy_files(tree: Path, size: int, draw: int) -> Sequence[Path]:
    """Copy programs and libraries of this machine, drawn by a seed, of so many bytes together."""
    found = [Path(folder, name) for top in _FROM for folder, _, names in os.walk(top) for name in names]
    plain = sorted(path for path in found if path.is_file() and not path.is_symlink())
    random.Random(draw).shuffle(plain)
    copied: list[Path] = []
    largest = size // _LARGEST
    for path in plain:
        length = path.stat().st_size
        if not 0 < length <= min(size, largest):
            continue
        size -= length
        target = tree / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        copied.append(target)
    return sorted(copied)


def _change(tree: Path, files: Sequence[Path], percent: int) -> dict[Path, bytes]:
    """Change some of the files a little, some of these in their length too; what was in them."""
    chance = random.Random(f"{percent} {len(files)}")
    before = {}
    for number, path in enumerate(chance.sample(files, max(1, len(files) * percent // 100))):
        content = before[path] = path.read_bytes()
        offset = chance.randrange(len(content))
        fresh = chance.randbytes(chance.randrange(1, _CHANGED))
        path.write_bytes(content[:offset] + fresh + content[offset + (len(fresh) if number % _LENGTH_CHANGES else 0) :])
    return before


def _two_releases(package: str, folder: Path) -> Sequence[Path]:
    """The newest two releases of a package that can be had, unpacked; none where there is no apt, or one release."""
    folder.mkdir()
    if shutil.which("apt-cache") is None:
        return ()
    # mirrors have two releases for a while, of which an old list may name one
    if subprocess.run(["apt-get", "update", "-qq"], capture_output=True).returncode != 0:
        print(f"tests/bench: apt-get update failed: {package} may be left out", file=sys.stderr)
    done = subprocess.run(["apt-cache", "madison", package], capture_output=True, text=True)
    versions = list(dict.fromkeys(line.split("|")[1].strip() for line in done.stdout.splitlines()))[:2]
    trees = []
    for version in reversed(versions):
        got = subprocess.run(["apt-get", "download", f"{package}={version}"], cwd=folder, capture_output=True)
        if got.returncode != 0:
            return ()
        (archive,) = folder.glob("*.deb")
        tree = folder / f"{package} {version}"
        subprocess.run(["dpkg-deb", "-x", archive, tree], check=True)
        archive.unlink()
        for other in tree.iterdir():
            if other.name != "usr":
                shutil.rmtree(other)
        trees.append(tree)
    return trees if len(trees) > 1 else ()


# --- the machine ----------------------------------------------------------------------------------------------------


@contextmanager
def _disk(scratch: Path) -> Iterator[Path]:
    """A btrfs, where files can share blocks."""
    image, mount = scratch / "disk", scratch / "mount"
    with open(image, "wb") as file:
        file.truncate(8 << 30)
    mount.mkdir()
    subprocess.run(["mkfs.btrfs", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)
    try:
        yield mount
    finally:
        subprocess.run(["umount", mount], check=True)


def _measured(pair: _Pair, scratch: Path, disk: Path, *, line: bool) -> dict[str, Any]:
    folder = scratch / "served"
    folder.mkdir()
    versions = [folder / f"large-{number}.x86-64.raw" for number in (1, 2)]
    for path, image in zip(versions, (pair.old, pair.new), strict=True):
        os.link(image, path)
        (folder / index_name(path.name)).write_bytes(chunk_index(path))
    size = versions[1].stat().st_size
    case: dict[str, Any] = {"image": pair.name, "draw": pair.draw, "kind": pair.kind, "bytes": size}
    with Server(folder) as server:
        root = disk / "machine"
        _start(server, folder, root, server.url, versions[:1], indexes=True)
        came = _next(server, folder, root, server.url, versions, indexes=True)
        case |= {"share": round(came["sent"] / size, 4), "requests": came["requests"]}
        case |= {"seconds": came["seconds"], "peak_rss_mib": came["peak_rss_mib"]}
        case["on_disk"] = _own_bytes(root / "var/lib/sysext-store" / versions[1].name)
        shutil.rmtree(root)
        _start(server, folder, root, server.url, versions[:1], indexes=False)
        whole = _next(server, folder, root, server.url, versions, indexes=False)
        case |= {"whole_seconds": whole["seconds"], "whole_peak_rss_mib": whole["peak_rss_mib"]}
        shutil.rmtree(root)
        if line:
            with SlowLine(server.port, bits_per_second=_BITS, round_trip=_ROUND_TRIP) as slow:
                for indexes, key in ((True, "line_seconds"), (False, "line_whole_seconds")):
                    _start(server, folder, root, server.url, versions[:1], indexes=indexes)
                    case[key] = _next(server, folder, root, slow.url, versions, indexes=indexes)["seconds"]
                    shutil.rmtree(root)
    shutil.rmtree(folder)
    return case


def _start(server: Server, folder: Path, root: Path, url: str, images: Sequence[Path], *, indexes: bool) -> None:
    """A machine that has the first version."""
    PlainMachine(root).snapshot(1, _tree(url))
    _list(folder, images, indexes=indexes)
    _main_job(root, 1)


def _next(
    server: Server, folder: Path, root: Path, url: str, images: Sequence[Path], *, indexes: bool
) -> dict[str, Any]:
    """The machine gets the second version; what that took."""
    machine = PlainMachine(root)
    machine.snapshot(2, _tree(url))
    _list(folder, images, indexes=indexes)
    subprocess.run(["sync"], check=True)
    server.clear()
    figures = _main_job(root, 2)
    about = [request for request in server.requests if images[1].name in request.path]
    figures["sent"] = sum(request.sent for request in about)
    figures["requests"] = sum(request.path.endswith(".raw") for request in about)
    return figures


def _tree(url: str) -> dict[str, Any]:
    return {
        "etc/os-release": f"ID=opensuse-microos\nSYSEXT_LEVEL={_LEVEL}\n",
        "etc/keys.gpg": SigningKey.shared().public(),
        "etc/tukit-sysext/images.d/large.conf": "[Image]\nPolicy=required\n",
        "etc/tukit-sysext/sources.d/main.conf": f"[Source]\nKeyring=/etc/keys.gpg\nURL={url}\n",
    }


def _list(folder: Path, images: Sequence[Path], *, indexes: bool) -> None:
    names = [image.name for image in images]
    names += [index_name(name) for name in names if indexes]
    write_checksums(folder, names=names)
    (folder / "SHA256SUMS.gpg").write_bytes(SigningKey.shared().sign((folder / "SHA256SUMS").read_bytes()))


def _main_job(root: Path, number: int) -> dict[str, Any]:
    """The main job in a process of its own."""
    command = [sys.executable, "-m", __name__, str(root), str(number)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"tests/bench: the image was not linked: {done.stdout}{done.stderr}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _own_bytes(path: Path) -> int:
    """Bytes of a file that no other one has on the disk too."""
    subprocess.run(["sync"], check=True)
    done = subprocess.run(["btrfs", "filesystem", "du", "--raw", path], check=True, capture_output=True, text=True)
    return int(done.stdout.splitlines()[1].split()[1])


def main() -> None:
    """The main job for a snapshot of a machine, in this process."""
    machine = PlainMachine(Path(sys.argv[1]))
    number = int(sys.argv[2])
    peaks: list[float] = []
    look_into = ContentJudge.look_into

    def looked_into(*given: Any, **more: Any) -> Any:
        peaks.append(_peak())
        return look_into(*given, **more)

    begin = time.perf_counter()
    with patch.object(ContentJudge, "look_into", looked_into):
        outcome = Plugins().finalizing(Transaction(machine=machine.machine, path=machine.tree(number), number=number))
    seconds = time.perf_counter() - begin
    if outcome is None or [change.image for change in outcome.changes] != ["large"]:
        raise SystemExit(str(outcome))
    print(json.dumps({"seconds": round(seconds, 2), "peak_rss_mib": round(peaks[0], 1)}))


def _peak() -> float:
    """The most memory of this program in MiB; getrusage(2) counts that of who started it, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


if __name__ == "__main__":
    main()
