# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of waits is true: its seconds are those of the constants, and no constant like these is missing (P5)."""

from __future__ import annotations

import ast
import re

import pytest

from spec.man import pages
from tests.benchmarks.worst import LIMITS
from tests.rpm import TOP
from tukit_sysext.last_check import PATIENCE
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.update.judging import MOST_TRIED
from tukit_sysext.waits import WAITS, Per, Wait, worst

ELSEWHERE = {
    "change/pack_folder.py:_PACK_TIMEOUT": "a command of a person",
    "change/pack_folder.py:_VERSION_TIMEOUT": "a command of a person",
    "collect/mounts.py:PATIENCE": "a collection; where a transaction lacks room, once for each server that is dead",
    "doctor/hooks.py:_TIMEOUT": "a command of a person",
    "ledger/readable.py:_PATIENCE": "less than the ledger's own, which is there",
    "system/gpg.py:_TIMEOUT": "a command of a person",
    "system/lock.py:_FORMER_PATIENCE": "less than the lock's own, which is there",
    "system/lock.py:_QUEUE_PATIENCE": "commands wait for each other",
    "system/merge.py:_TIMEOUT": "a command of a person, and the boot",
    "metrics/metrics.py:PATIENCE": "only where [Metrics] File= is set, and for the metrics alone",
    "net/sending.py:_STORE_TIMEOUT": "a command of a person",
    "system/openssl.py:_TIMEOUT": "of a source that has no list: in the place of gpgv's, and shorter",
    "preflight/zypper.py:_SEARCH_TIMEOUT": "a command of a person, and before an update",
    "preflight/zypper.py:_UPDATE_TIMEOUT": "a command of a person, and before an update",
    "system/scratch.py:_RM_TIMEOUT": "only for folders a thousand deep, which nobody makes by accident",
    "system/systemd_units.py:PATIENCE": "a command of a person",
}
_NAME = re.compile(r"_?[A-Z_]*(PATIENCE|TIMEOUT|BUSY_SECONDS|LEFT_AFTER)|LIMIT")


def constants() -> dict[str, float]:
    """The numbers of modules that look like a time that is waited for."""
    found = {}
    for path in (TOP / "tukit_sysext").rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name, value = node.targets[0].id, node.value
                if _NAME.fullmatch(name) and isinstance(value, ast.Constant) and isinstance(value.value, float):
                    found[f"{path.relative_to(TOP / 'tukit_sysext')}:{name}"] = value.value
    return found


@pytest.mark.parametrize("wait", WAITS, ids=lambda wait: wait.what)
def test_each_bound_is_that_of_the_code(wait: Wait) -> None:
    there = constants().get(wait.where) or getattr(NetworkSettings(), wait.where)
    assert wait.seconds == there


def test_every_wait_is_in_the_table() -> None:
    assert sorted(constants()) == sorted({wait.where for wait in WAITS if ":" in wait.where} | set(ELSEWHERE))


def test_contents_are_looked_into_as_often_as_the_search_does() -> None:
    (dissect,) = (wait for wait in WAITS if "inspect_image" in wait.where)
    assert dissect.times == 2 * (MOST_TRIED + 1)


def test_readers_are_waited_for_on_both_outputs_and_where_the_hook_says_it_in_their_place() -> None:
    (reader,) = (wait for wait in WAITS if wait.where == "last_check.py:PATIENCE")
    hook = (TOP / "hooks/50-tukit-sysext").read_text()
    by_the_hook = hook.count(f"signal.alarm({PATIENCE:g})") + hook.count(f"-s KILL {PATIENCE:g} printf")
    assert (reader.times, by_the_hook) == (2 + by_the_hook, 2)


def test_the_benchmark_has_each_of_them_at_once() -> None:
    """With a limit that is shorter than the default, or it would last for hours."""
    assert {wait.where for wait in WAITS} == set(LIMITS)
    assert all(LIMITS[wait.where] < wait.seconds for wait in WAITS)


def test_the_worst_is_their_sum() -> None:
    once = (Per.TRANSACTION, Per.SOURCE, Per.IMAGE)
    assert worst() == sum(wait.seconds * wait.times for wait in WAITS if wait.per in once)
    assert worst(directories=1) == worst() + 600 + 3600
    assert worst() - worst(limits={"finding_out": 10}) == 590
    assert worst(sources=2) > worst()
    assert worst(plugins=1) == worst() + 60 + 3600


def test_the_manual_page_has_the_table() -> None:
    page = pages.source("tukit-sysext.8")
    for wait in WAITS:
        assert wait.what[1:] in page
