# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every change of a tree outside a transaction observes: it can be made there, and is not interrupted halfway."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.snapshots.targets import Target, obstacle
from tukit_sysext.system.tree import Tree


def check_changeable(target: Target, tree: Tree) -> None:
    """Raises TukitSysextError where the tree cannot be changed, as a dry run says too."""
    snapshot = target.snapshot
    # the running system is no transaction, whatever its snapshot's userdata says
    open_ = snapshot is not None and snapshot.open and not target.running
    why = obstacle(target.machine, tree, called=str(target), running=target.running, open_=open_)
    if not why:
        return
    next_step = "try it after the reboot"
    if open_ and snapshot is not None:
        next_step = f"change it within the transaction, or after: tukit close {snapshot.number}"
    elif snapshot is not None and snapshot.subvolume.read_only and not target.next:
        next_step = f"snapper modify --read-write {snapshot.number}"
    raise TukitSysextError(f"{target} cannot be changed: {why}", next_step=f"nothing was changed; {next_step}")


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back SIGINT, SIGTERM and SIGHUP until this is over: none of it takes long."""
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
