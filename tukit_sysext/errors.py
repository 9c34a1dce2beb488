# SPDX-License-Identifier: LGPL-2.1-or-later
"""The errors that carry a message for a person.

Two kinds are kept apart, because they end differently inside a transaction: an expected condition of the machine
(:class:`TukitSysextError` and its children) is reported and worked around, everything else is a fault of ours.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

_THROUGH_DESCRIPTOR = r"/proc/(?:self|[0-9]+)/fd/[0-9]+/?"


def in_words(error: BaseException) -> str:
    """An exception of a plugin in one line; its own text may be anything, and may fail too."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = "(no text)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def os_error_text(error: OSError) -> str:
    """What failed and why; a file that was reached through a descriptor is called by its own name alone."""
    path = error.filename2 or error.filename
    if path is None:
        return error.strerror or str(error)
    name = re.sub(_THROUGH_DESCRIPTOR, "", os.fsdecode(path) if not isinstance(path, int) else "")
    return f"{name}: {error.strerror}" if name else str(error.strerror)


COMMAND = (
    r"(?:man (?=\S)|(?:sudo )?(?:tukit-sysext|tukit|snapper|gpg|systemctl|journalctl|systemd-sysext|systemd-confext|"
    r"fuser|btrfs|zypper|chmod|chown|mv|rm|ln|mkdir|mount|umount|restorecon|timedatectl|transactional-update)"
    r"(?= [\w/-]|$))"
)
"""What a line of a next step begins with that is a command, as a pattern: most runs need none, and compile none."""


def next_step_lines(step: str) -> Iterator[str]:
    """A next step as it is shown, a line for each of its parts: a command stands alone on its own, to be copied."""
    for number, line in enumerate(step.splitlines()):
        if number and line.endswith(":"):  # between two commands
            yield line
            continue
        if number == 0 and not re.match(COMMAND, line):
            yield f"next step: {line}"
            continue
        if number == 0:
            yield "next step:"
        yield f"  {line.strip()}"


class WithNextStep:
    """A message for the log, with the next step below it: a command stands alone on its line there too."""

    def __init__(self, text: str, step: str | None) -> None:
        self.text = text
        self.step = "\n".join(f"  {line}" for line in next_step_lines(step or ""))

    def __str__(self) -> str:
        return f"{self.text}\n{self.step}" if self.step else self.text


class TukitSysextError(Exception):
    """Something expected went wrong; the message names the object, what was expected and what was found.

    ``next_step`` is what can be done by the person who reads it, or None where there is none: lines, each of them prose
    or a command that can be pasted.
    """

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message)
        self.next_step = next_step


class NeedsRoot(TukitSysextError):
    """An ordinary user asked for what only root may do. The command line tells how to ask for it as root."""


class UsageError(TukitSysextError):
    """The caller's words are off: exit status 2 on the command line."""


class OutsideTree(TukitSysextError):
    """A path of a tree leads out of it, or through a symbolic link where none is followed."""


class UnknownState(TukitSysextError):
    """What a snapshot has could not be read. Unknown is not "none": nothing may be concluded from it."""


class NoEtc(UnknownState):
    """A tree has no /etc, an empty one, or lacks a layer of it: it is being made, or was half made or half deleted."""


class SourceUnreachable(TukitSysextError):
    """A source did not answer. It says nothing about what the source publishes."""


class NotFound(SourceUnreachable):
    """A source answered: it does not have the file."""


class NotServed(SourceUnreachable):
    """A server answered: it does not give us the file.

    A status of 400, 401 or 403, a redirect that is not followed, or a host alone that one was redirected to.
    """


class ImageBroken(TukitSysextError):
    """An image, or what describes it, is not what the signed or listed data says, or cannot be merged."""


class NoVerdict(TukitSysextError):
    """An image or a list cannot be used, and may be good or bad: the program that checks it has crashed.

    No update takes it, and nothing is deleted or put into quarantine for it.
    """


class ToolBroken(TukitSysextError):
    """A program that we rely on cannot be run, or fails on what is known to be good.

    A fault of this machine: it says nothing of an image or a source, and refuses no update.
    """


class StoreError(TukitSysextError):
    """The image store cannot take an image: no room, read-only, an I/O error, or something foreign in the way."""


class PluginFailed(TukitSysextError):
    """A plugin that is named could not be loaded, or did not do what it is asked for: what it would say is unknown."""


class MemoryUnreadable(TukitSysextError):
    """What is remembered of a source cannot be read: none of its lists is accepted.

    A fault on our side, that refuses no update.
    """


class NoSpace(StoreError):
    """The file system of the store is full."""


class Busy(TukitSysextError):
    """Another process holds the lock that is needed alone."""
