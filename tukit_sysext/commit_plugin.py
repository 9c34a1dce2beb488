# SPDX-License-Identifier: LGPL-2.1-or-later
"""The way in of libzypp's plugin, which hears of each commit: packages of the running system come and go.

It only leaves a mark, for which systemd starts ``tukit-sysext adapt`` (tukit-sysext-adapt.path). A frame of libzypp is
a command, headers and a body, and ends with NUL; each is answered with ACK, and soon, as libzypp kills who is slow. An
aborted commit has a COMMITBEGIN, but no COMMITEND: packages may have changed all the same.

Where the system changes in transactions (tukit has a plugin of ours), in a chroot, or without a store or systemd there
is nothing to do. For another root (zypper --root) or a dry run libzypp starts no plugin.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from tukit_sysext.layout import Layout

ACK = b"ACK\n\n\0"
_PIECE = 64 * 1024
_LONGEST = 64
"""The most bytes of a frame that are kept: its command. The list of packages behind it may have megabytes."""


def run(*, transaction: bool) -> None:
    """Answer on standard output until libzypp has said all; ``transaction``: tukit has said that it is one."""
    if serve(0, 1) and not transaction and changes_in_place(Layout()):
        leave_mark(Layout())
    _answer(1)


def serve(incoming: int, outgoing: int) -> bool:
    """Answer each frame but the last one (PLUGINEND, or the end of input); whether a commit has begun."""
    begun = False
    for command in _commands(incoming):
        if command == b"PLUGINEND":
            break
        begun = begun or command == b"COMMITBEGIN"
        _answer(outgoing)
    return begun


def changes_in_place(layout: Layout) -> bool:
    """Whether this is the system that systemd runs, with a store."""
    if not ((layout.root / "run/systemd/system").is_dir() and layout.store.is_dir()):
        return False
    try:
        return os.path.samestat(os.stat(layout.root), os.stat(layout.root / "proc/1/root/."))
    except FileNotFoundError:
        return False  # without /proc it is a chroot, as systemd has it too
    except OSError:
        return True  # nobody tells


def leave_mark(layout: Layout) -> None:
    """Have systemd see that packages came or went. Raises OSError."""
    os.umask(0o022)
    layout.runtime.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    os.close(os.open(layout.adapt, flags, 0o644))


def _answer(outgoing: int) -> None:
    with suppress(OSError):  # who does not read it any more is not waited for
        os.write(outgoing, ACK)


def _commands(incoming: int) -> Iterator[bytes]:
    """The command of each frame, as soon as all of the frame is there."""
    head = b""
    while piece := os.read(incoming, _PIECE):
        *ended, rest = piece.split(b"\0")
        for part in ended:
            yield (head + part[:_LONGEST]).lstrip(b"\n").partition(b"\n")[0].strip()
            head = b""
        head = (head + rest[:_LONGEST])[:_LONGEST]
