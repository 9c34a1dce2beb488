# SPDX-License-Identifier: LGPL-2.1-or-later
"""The file of metrics for node_exporter's textfile collector ([Metrics] File=), written when something changed.

An update goes through whether the file can be written or not.
"""

from __future__ import annotations

import logging
from pathlib import Path

from tukit_sysext.config.early import metrics_of
from tukit_sysext.machine import Machine
from tukit_sysext.system.durable import write_file
from tukit_sysext.system.small_file import read_small
from tukit_sysext.system.tree import Tree

log = logging.getLogger(__name__)


def update(machine: Machine) -> bool:
    """Write the file where the running system's configuration names one, and it would change. Never raises.

    Returns whether it is known that there is none.
    """
    try:
        with Tree(machine.layout.root) as tree:
            file = metrics_of(tree)
        if file is not None and machine.privileged:
            _write(machine, machine.layout.root / file.lstrip("/"))
        return file is None
    except OSError as error:
        log.warning("the metrics are not written: %s", error)
    except Exception as error:
        log.error("the metrics are not written: %s: %s", type(error).__name__, error)
    return False


def _write(machine: Machine, path: Path) -> None:
    # 5 ms, of which a machine without such a file is spared in every transaction
    from tukit_sysext.metrics.measured import measured, rendered

    content = rendered(measured(machine)).encode()
    try:
        if read_small(path, limit=len(content) + 1) == content:
            return
    except FileNotFoundError:
        pass
    # readers see the old file or the new one; it need not be durable, as it is made again
    write_file(path, content, durable=False)
