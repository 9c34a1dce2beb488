# SPDX-License-Identifier: LGPL-2.1-or-later
"""The file of metrics for node_exporter's textfile collector ([Metrics] File=), written after whatever may change it.

That is after every hook (:mod:`tukit_sysext.entry`), and after every command that the grammar says changes something
(:mod:`tukit_sysext.cli`). No update and no command fails because the file cannot be written.
"""

from __future__ import annotations

import logging
from pathlib import Path

from tukit_sysext.config.early import metrics_of
from tukit_sysext.errors import Busy
from tukit_sysext.machine import Machine
from tukit_sysext.system.durable import write_file
from tukit_sysext.system.lock import alone
from tukit_sysext.system.small_file import read_small
from tukit_sysext.system.tree import Tree

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds for which another process is waited for that measures."""


def file_of(machine: Machine) -> Path | None:
    """Where the running system's configuration wants the metrics; None: nowhere. Raises TukitSysextError, OSError."""
    with Tree(machine.layout.root) as tree:
        file = metrics_of(tree)
    return machine.layout.root / file.lstrip("/") if file is not None else None


def update(machine: Machine) -> None:
    """Write the file where one is wanted, and it would change. Never raises."""
    if not machine.privileged:
        return
    try:
        path = file_of(machine)
        if path is not None:
            # who measured first must not write last
            with alone(machine.layout.locks / "metrics", patience=PATIENCE):
                _write(machine, path)
    except (OSError, Busy) as error:
        log.warning("the metrics are not written: %s", error)
    except Exception as error:
        # a fault of ours, which must not be one of the job that was done
        log.error("the metrics are not written: %s: %s", type(error).__name__, error)


def _write(machine: Machine, path: Path) -> None:
    # 5 ms, of which a machine without such a file is spared in every transaction
    from tukit_sysext.metrics.exposition import rendered
    from tukit_sysext.metrics.measured import measured

    content = rendered(measured(machine)).encode()
    try:
        if read_small(path, limit=len(content) + 1) == content:
            return
    except FileNotFoundError:
        pass
    # readers see the old file or the new one; it need not be durable, as it is made again
    write_file(path, content, durable=False)
