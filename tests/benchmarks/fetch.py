# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fetching one large image by the hook, beside curl, sha256sum and mv to the same file system with fsync.

seconds: finalize-pre from its start to its end, with the list, its signature, the look into the image and the link.
ratio: the median of pairs that were run one after the other.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from tests.benchmarks.machine import measure, site
from tests.on_lab.site import OLD, STATE, STORE

_HOOK = "/usr/lib/tukit/plugins/50-tukit-sysext"
_REFERENCE = """
set -e
curl -sS -o /var/lib/reference.tmp "$1"
test "$(sha256sum </var/lib/reference.tmp)" = "$2  -"
sync /var/lib/reference.tmp
mv /var/lib/reference.tmp /var/lib/reference
sync /var/lib
"""


def options(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--size-mib", type=int, default=512, help="size of the image (512)")
    parser.add_argument("--runs", type=int, default=9, help="pairs of runs (9)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure."""
    ours, reference, peaks = [], [], []
    with site() as (machine, (web, *_)):
        image = machine.publish("large", "1.0", OLD, size_mib=arguments.size_mib)
        sha256 = next(
            line.split()[0] for line in (image.parent / "SHA256SUMS").read_text().splitlines() if line.endswith(".raw")
        )
        machine.want("large")
        lab = machine.lab
        lab.tukit("open", check=True)
        number = max(machine.numbers())
        tree = f"/.snapshots/{number}/snapshot"
        for _ in range(arguments.runs):
            lab.run(["sh", "-c", f"rm -rf {STORE}/* {STATE}/images/* {tree}/etc/extensions/* /var/lib/reference; sync"])
            url = f"{web.server.url}/{image.name}"
            by_hand = measure(lab, ["/bin/sh", "-c", _REFERENCE, "sh", url, sha256])
            lab.run(["sh", "-c", "rm /var/lib/reference; sync"])
            hook = measure(lab, [_HOOK, "finalize-pre", tree, str(number)])
            if by_hand.statuses | hook.statuses != {0} or machine.links(number) != {"large.raw": image.name}:
                raise SystemExit("tests/bench: the image was not fetched")
            ours.append(hook.seconds[0])
            reference.append(by_hand.seconds[0])
            peaks.append(hook.peak_rss_mib)
    return {
        "seconds": round(statistics.median(ours), 3),
        "reference_seconds": round(statistics.median(reference), 3),
        "ratio": round(statistics.median(mine / other for mine, other in zip(ours, reference, strict=True)), 3),
        "peak_rss_mib": round(max(peaks), 1),
    }
