# SPDX-License-Identifier: LGPL-2.1-or-later
"""SELinux labels of what is made: those that the policy has for a path, set before the file is there.

A new file else gets the label of its folder with whatever the policy says of the process that makes it, which in a
transaction is not what the same path has in a running system: files below a snapshot are labelled by the path that they
will have when it runs (``/etc/extensions/gdb.raw``), as rpm does in its chroot, not by the path through which they are
reached, for which the policy knows only what snapper may do there.

As in systemd and snapper: selabel_lookup(3) by path and type, and setfscreatecon(3) of this thread around the call that
makes the file, so that it never has another label. A file that is renamed or linked keeps its label, so it is looked up
by its final name. What the policy says nothing about is left to the kernel, as is a system without SELinux. A label
that cannot be looked up is reported once and keeps nothing from being written: an update with a file that has to be
relabelled (restorecon(8)) is better than none, and in enforcing mode the kernel has the last word anyway.

The bindings are libselinux's own (python3-selinux), imported only where SELinux is on: it also knows local changes and
substitutions (semanage-fcontext(8)), which a look at the policy's files by ourselves would not.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from tukit_sysext.errors import WithNextStep

log = logging.getLogger(__name__)

FILE, FOLDER, LINK = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK
"""Types of files, by which a policy tells labels apart."""

ON = Path("/sys/fs/selinux/enforce")
"""Is there where the kernel has SELinux on, enforcing or not."""


class _Policy:
    """The labels of the running policy."""

    def __init__(self, selinux: Any) -> None:
        self._selinux = selinux
        self._handle = selinux.selabel_open(selinux.SELABEL_CTX_FILE, None, 0)

    def label(self, path: str, kind: int) -> str | None:
        """The label of a path; None where the policy has none. Raises OSError."""
        try:
            _, label = self._selinux.selabel_lookup_raw(self._handle, path, kind)
        except FileNotFoundError:
            return None
        return str(label)

    def create_as(self, label: str | None) -> None:
        """What this thread makes from now on gets this label; None: what the kernel chooses. Raises OSError."""
        self._selinux.setfscreatecon_raw(label)


@cache
def _policy() -> _Policy | None:
    if not os.path.exists(ON):
        return None
    try:
        selinux = import_module("selinux")
        return _Policy(selinux) if selinux.is_selinux_enabled() == 1 else None
    except ImportError as error:
        text = f"SELinux is on, but its labels cannot be asked for: {error}"
        log.warning(WithNextStep(text, "install python3-selinux"))
    except OSError as error:
        log.warning("SELinux is on, but its labels cannot be asked for: %s", error)
    return None


def policy_lookup() -> Callable[[str, int], str | None] | None:
    """What tells the label of a path and a type of file, and may raise OSError, TypeError; None without SELinux."""
    policy = _policy()
    return policy.label if policy is not None else None


@cache
def _warn_once(why: str) -> None:
    text = f"files are made with labels that the kernel chooses: {why}"
    log.warning(WithNextStep(text, "restorecon -R /etc /var/lib/tukit-sysext /var/lib/sysext-store"))


@contextmanager
def labelled(path: str | os.PathLike[str], kind: int = FILE) -> Iterator[None]:
    """What this thread makes in the block gets the label of ``path``: absolute, as seen in the system that it is for.

    ``kind`` is FILE, FOLDER or LINK. Never raises for a label.
    """
    policy = _policy()
    if policy is None or not _set(policy, os.fspath(path), kind):
        yield
        return
    try:
        yield
    finally:
        try:
            policy.create_as(None)
        except OSError as error:
            _warn_once(f"it stays as it was: {error.strerror}")


def _set(policy: _Policy, path: str, kind: int) -> bool:
    try:
        label = policy.label(path, kind)
        if label is not None:
            policy.create_as(label)
    except (OSError, TypeError) as error:  # TypeError: a name that is no text for the bindings
        _warn_once(f"{path}: {error}")
        return False
    return label is not None
