# SPDX-License-Identifier: LGPL-2.1-or-later
"""Seconds of tukit-sysext publish for a folder of images on this machine, the start of the process included.

cold: all images are new, so that each is looked into and described; again: nothing is new; one_more: one image is. The
reference is sha256sum of all images. Signing by gpg, and gpgv, count; the agent of gpg runs already.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.lab.images import make_image
from tests.lab.signing import SigningKey
from tests.rpm import TOP

_RELEASE = {"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.42"}


def options(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--images", type=int, default=100, help="images (100)")
    parser.add_argument("--size-mib", type=int, default=10, help="size of each (10)")
    parser.add_argument("--runs", type=int, default=5, help="runs of what is repeated (5); the median counts")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        folder = Path(scratch, "images")
        for number in range(arguments.images):
            make_image(folder, f"image{number:03}", "1.0", release=_RELEASE, manifest=None, size_mib=arguments.size_mib)
        key = SigningKey.shared()
        argv = [sys.executable, "-IB", "-c", f"import sys; sys.path.insert(0, {str(TOP)!r});"]
        argv[-1] += "from tukit_sysext.cli import run; run()"
        argv += ["publish", str(folder), "--key", key.fingerprint, "--homedir", str(key.folder)]
        images = sorted(str(path) for path in folder.glob("*.raw"))
        reference = statistics.median(_seconds(["sha256sum", *images]) for _ in range(arguments.runs))
        cold = _seconds(argv)
        again = statistics.median(_seconds(argv) for _ in range(arguments.runs))
        make_image(folder, "more", "1.0", release=_RELEASE, manifest=None, size_mib=arguments.size_mib)
        one_more = _seconds(argv)
        subprocess.run(["gpgconf", "--homedir", str(key.folder), "--kill", "gpg-agent"], check=True)
        listed = (folder / "SHA256SUMS").read_text().count(".raw\n")
    if listed != arguments.images + 1:
        raise SystemExit("tests/bench: not all images were listed")
    return {
        "cold_seconds": round(cold, 2),
        "again_seconds": round(again, 2),
        "one_more_seconds": round(one_more, 2),
        "sha256sum_seconds": round(reference, 2),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, 1),
        "images": listed,
    }


def _seconds(argv: Sequence[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun
