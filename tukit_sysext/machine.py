# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine that we run on, as one value that is handed around: paths, store, subvolumes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from tukit_sysext.errors import NeedsRoot
from tukit_sysext.layout import Layout
from tukit_sysext.progress.progress import Progress
from tukit_sysext.store.image_store import Store
from tukit_sysext.system.subvolume import BtrfsSubvolumes, Subvolumes


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """Paths of the running system, its image store, and access to its subvolumes.

    ``read_only`` is said by who only wants to know (``check``): nothing that lasts is written then. ``patient``: a
    server with which no connection comes about is asked again until the deadline, because nobody is there who could do
    that (the hook, and what a boot starts). ``progress`` gets how far a job is. ``privileged``: whether we may
    change things and look into images.
    """

    layout: Layout = field(default_factory=Layout)
    subvolumes: Subvolumes = field(default_factory=BtrfsSubvolumes)
    read_only: bool = False
    patient: bool = False
    privileged: bool = field(default_factory=lambda: os.geteuid() == 0)
    progress: Progress = field(default_factory=Progress, compare=False)

    def require_root(self, command: str) -> None:
        """Raise NeedsRoot for an ordinary user, before anything is touched (threat L8)."""
        if not self.privileged:
            raise NeedsRoot(f"{command} needs root")

    def store(self, *, writable: bool = True) -> Store:
        """The image store; nothing of it or of its records is written where we only look, or if not ``writable``."""
        return Store(self.layout, writable=writable and not self.read_only)
