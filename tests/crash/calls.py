# SPDX-License-Identifier: LGPL-2.1-or-later
"""The system calls by which a process changes something, as strace(1) tells them, and which of them are counted how."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

_OPENING = ("open", "openat", "openat2")
_CHANGING = (
    "creat", "write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile", "splice",
    "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat",
    "mkdir", "mkdirat", "rmdir", "mknod", "mknodat", "fsync", "fdatasync", "sync_file_range", "syncfs", "sync", "msync",
    "ftruncate", "truncate", "fallocate", "chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat",
    "utime", "utimes", "utimensat", "futimesat", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr",
    "fremovexattr", "flock", "ioctl",
)  # fmt: skip
TRACED = tuple(f"?{name}" for name in (*_OPENING, *_CHANGING))
"""For strace's trace=; a question mark where an architecture has no such call."""

_SHARING = "FICLONERANGE"
"""Of the many kinds of ioctl the one that changes a file."""
_CONTENT = ("write", "pwrite64", "writev", "pwritev", "pwritev2")
"""What is written differs: times, identities."""
_MAKES = re.compile(r"O_CREAT|O_TMPFILE|O_TRUNC")
_NUMBER = re.compile(r"\d+")
_LINE = re.compile(r"([a-z0-9_]+)\((.*)")
_VARIES = (
    (re.compile(r"inspect-[a-z0-9_]{8}"), "inspect-"),
    (re.compile(r"\b0x[0-9a-f]+\b"), "0x"),
    (re.compile(r"\.\d+(?=[\"> ]|$)"), ".PID"),
    (re.compile(r"broken-\d+-\d+"), "broken-TIME"),
    (re.compile(r"(pipe|socket):\[\d+\]"), r"\1"),
    (re.compile(r"#\d+>"), "#>"),
    (re.compile(r"locks/links-[0-9a-f]+-"), "locks/links-DEVICE-"),
)

_ALIKE = (
    (re.compile(r"[0-9a-f]{64}"), "HASH"),
    (re.compile(r"[a-z]+-\d\.[a-z0-9_-]+\.raw"), "IMAGE"),
    (re.compile(r"[a-z]+\.raw"), "LINK"),
    (re.compile(r"\b\d+\b"), "N"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A call that changes something: its name, its number among all calls of that name, and what it is about.

    ``failed`` where it changed nothing, ``injected`` where strace had it fail; ``descriptor`` is what it opened, or -1.
    """

    name: str
    number: int
    about: str
    failed: bool = False
    injected: bool = False
    descriptor: int = -1

    @property
    def kind(self) -> str:
        """The same for calls that do the same with another image, link or page of the ledger."""
        about = self.about
        for pattern, instead in _ALIKE:
            about = pattern.sub(instead, about)
        return f"{self.name} {about}"


def parse(text: str) -> list[Call]:
    """The calls in strace's output, of one process. Raises ValueError for lines that are none."""
    counted: Counter[str] = Counter()
    found: list[Call] = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            if not line.startswith(("+++ ", "--- ")):
                raise ValueError(f"strace: {line}")
            continue
        name, rest = match[1], match[2]
        counted[name] += 1
        if (name in _OPENING and not _MAKES.search(rest)) or (name == "ioctl" and _SHARING not in rest):
            continue
        about, _, result = rest.rpartition(" = ")
        about = about or rest
        if name in _CONTENT:
            about = re.sub(r', ["\[].*', "", about)
        for pattern, instead in _VARIES:
            about = pattern.sub(instead, about)
        found.append(
            Call(
                name=name,
                number=counted[name],
                about=about.strip(),
                failed=result.startswith("-1 "),
                injected="(INJECTED)" in rest,
                descriptor=int(returned[0]) if name in _OPENING and (returned := _NUMBER.match(result)) else -1,
            )
        )
    return found
