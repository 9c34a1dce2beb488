# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is wrong with the links of a snapshot that an update brings although the main job was not done.

The update passes then (it may be the one that fixes us), and the line that says so names every link that does not fit,
leads nowhere or is damaged, by the records of the images. The sh hook starts this where anything of ours is broken: it
imports the standard library and tukit_sysext.rules, nothing else. Nothing in here raises, changes anything, or waits
for a reader for long.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import select
import signal
import stat
import sys
import syslog
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tukit_sysext.rules.architectures import architecture
from tukit_sysext.rules.matching import Host, check
from tukit_sysext.rules.printable import printable
from tukit_sysext.rules.release import ReleaseData, parse
from tukit_sysext.rules.systemd import SystemdVersion, parse_systemd_version

STORE = "/var/lib/sysext-store"
RECORDS = "/var/lib/tukit-sysext/images"

PATIENCE = 5.0
"""Seconds for which a reader of what is said is waited for."""
_AGAIN = 0.5
_LIMIT = 1024 * 1024
_HOPS = 8
_SHARED = re.compile(r"libsystemd-shared-(.+)\.so")


def run(arguments: Sequence[str]) -> None:
    """Say what is wrong in a tree: the status with which the main job ended, the tree, the number of its snapshot."""
    status, tree, number = arguments
    line = (
        f"tukit-sysext FAILED (status {status}): extension images of snapshot {number} were NOT checked, "
        f"the transaction goes on{in_words(Path(tree))}"
    )
    say(sys.stderr.fileno() if sys.stderr is not None else 2, f"{printable(line)}\n", journal=True)


def in_words(tree: Path, *, root: Path = Path("/")) -> str:
    """What is wrong with the links of a tree, to go on with a line; empty where nothing is. Never raises."""
    try:
        problems = "; ".join(wrong_links(tree, root=root)) if tree.is_absolute() else "there is no tree to look at"
    except Exception as error:
        problems = f"its links cannot be looked at: {error}"
    return f"; {problems}" if problems else ""


def wrong_links(tree: Path, *, root: Path = Path("/")) -> Iterator[str]:
    """Links of a tree that lead nowhere, are damaged, or do not fit, by the records below ``root``. Raises OSError."""
    host: Host | None = None
    extensions = tree / "etc/extensions"
    for name in sorted(os.listdir(extensions)) if extensions.is_dir() else ():
        image = _image(extensions / name) if name.endswith(".raw") else None
        if image is None:
            continue
        try:
            status = os.lstat(root / STORE.lstrip("/") / image)
        except OSError as error:
            yield f"{name} leads nowhere ({image}: {error.strerror})"
            continue
        try:
            record = json.loads(_read(root / RECORDS.lstrip("/") / f"{image}.json"))
            size, release = int(record["size"]), {str(k): str(v) for k, v in record["extension_release"].items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
            continue  # of unknown origin: it stays
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            yield f"{name} is damaged ({image}: expected {size} bytes, found {status.st_size})"
            continue
        host = host or _host(tree)
        compatibility = check(host, ReleaseData(release))
        if not compatibility.fits:
            yield f"{name} does not fit ({image}: {compatibility.reason})"


def _image(link: Path) -> str | None:
    """The file of the store that a link leads to; None for what is none, or leads elsewhere."""
    try:
        target = os.readlink(link)
    except OSError:
        return None
    folder, name = posixpath.split(posixpath.normpath(posixpath.join("/etc/extensions", target)))
    return name if folder.replace("//", "/") == STORE and name else None


def _host(tree: Path) -> Host:
    release = ReleaseData()
    for path in ("etc/os-release", "usr/lib/os-release"):
        with suppress(OSError):
            release = parse(_read(_inside(tree, path)).decode("utf-8", "surrogateescape"))
            break
    return Host(release=release, architecture=architecture(os.uname().machine), systemd=_systemd(tree))


def _inside(tree: Path, path: str) -> Path:
    """A path of the tree whose last part may be a link, which is followed inside of the tree."""
    for _ in range(_HOPS):
        try:
            target = os.readlink(tree / path)
        except OSError:
            break
        path = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target)).lstrip("/")
    return tree / path


def _systemd(tree: Path) -> SystemdVersion | None:
    folders = [tree / "usr/lib/systemd", tree / "usr/lib64/systemd", *tree.glob("usr/lib/*-linux-gnu/systemd")]
    for folder in folders:
        for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
            match = _SHARED.fullmatch(name)
            version = parse_systemd_version(match[1]) if match else None
            if version is not None:
                return version
    return None


def _read(path: Path) -> bytes:
    """A regular file, so that nothing else is waited for. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path}: expected a regular file")
        return os.read(descriptor, _LIMIT)
    finally:
        os.close(descriptor)


def say(descriptor: int, text: str, *, journal: bool = False) -> None:
    """Write to a descriptor, whatever is at its other end: no reader, a full disk, a pipe that nobody reads.

    With ``journal`` to syslog(3) too, first. Never raises, and ends. Of the main thread, as signals have it.
    """
    data, waiting = text.encode(errors="backslashreplace"), True

    def give_up(*_: object) -> None:
        if waiting:
            raise TimeoutError

    handler = signal.signal(signal.SIGALRM, give_up)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, PATIENCE, _AGAIN)
    try:
        if journal:
            with suppress(OSError):
                syslog.openlog("tukit-sysext", 0, syslog.LOG_DAEMON)
                syslog.syslog(syslog.LOG_ERR, printable(text.rstrip("\n")))
        while data:
            try:
                data = data[os.write(descriptor, data) :]
            except BlockingIOError:
                select.select((), (descriptor,), (), PATIENCE)
    except (OSError, ValueError):
        pass  # TimeoutError too: nobody listens
    finally:
        waiting = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler if handler is not None else signal.SIG_DFL)
