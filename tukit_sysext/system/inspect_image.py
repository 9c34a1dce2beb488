# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looking into an image with systemd-dissect(1), in a child with limits and a timeout.

Only for images whose hash is right, or that systemd-sysext would merge anyway: the child mounts what it is given.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tukit_sysext.errors import ImageBroken, NoVerdict
from tukit_sysext.rules.link_names import MergeNameRefused, link_name_accepted, merge_name
from tukit_sysext.rules.release import ReleaseData, parse
from tukit_sysext.rules.systemd import SystemdVersion
from tukit_sysext.system.control import CONTROL, KNOWN_GOOD
from tukit_sysext.system.disk_space import not_writable
from tukit_sysext.system.process import ProcessResult, TimedOut, run
from tukit_sysext.system.scratch import not_written, scratch_folder

log = logging.getLogger(__name__)

DISSECT = "/usr/bin/systemd-dissect"
RELEASE_FOLDER = "usr/lib/extension-release.d"
_CONFEXT_FOLDER = "etc/extension-release.d"
PREFIX = "extension-release."
_OS_RELEASE = "usr/lib/os-release"
_HAS_OS_RELEASE = f"has {_OS_RELEASE}, which is the system's alone: systemd-sysext refuses it"
_NO_SUCH_FILE = "No such file or directory"
_SHORTAGE = (
    "operation not permitted",
    "permission denied",
    "timed out",
    "no space left",
    "quota exceeded",
    "cannot allocate memory",
    "too many open files",
    "temporarily unavailable",
    "resource busy",
    "operation not supported",  # a library that only some images need, such as libcryptsetup for dm-verity
    "no such device",  # mount(2): the kernel has no such file system, as before the reboot into the modules' kernel
)
"""What systemd-dissect says where the machine may be to blame though the control run was content: all of it passes."""
_WITHOUT_SCRATCH = "images cannot be looked into"
_STRICT = "user.extension-release.strict"
_LIMIT = 64 * 1024
_TIMEOUT = 60.0
_CPU_SECONDS = 60
_COPY_LIMIT = 16 * 1024 * 1024

_DESCRIPTOR = re.compile(r"/proc/self/fd/\d+: ")
"""How an image that is given by descriptor is named in messages, which tells a person nothing."""

_Found = Mapping[str, tuple[ReleaseData, bool | None]]
"""Release data and the xattr "strict" (None: not set), by what stands behind ``extension-release.``."""


class Inspection(NamedTuple):
    """What an image says of itself: the name under which systemd-sysext accepts it, and its extension-release."""

    merge_name: str
    release: ReleaseData


def inspect_image(image: int | Path, *, preferred: str, scratch: Path) -> Inspection:
    """Read the extension-release of an image file, given by descriptor or by path.

    ``preferred`` is the name that is taken where several would do. ``scratch`` is a directory of ours that may be
    written. Raises ImageBroken when systemd would fail on the image, NoVerdict where not known, ToolBroken where
    systemd-dissect does not work or ``scratch`` cannot be written, NoSpace where that is full.
    """
    with _controlled(scratch):
        return _choose(_release_files(image, scratch), preferred=preferred)


def inspect_linked(image: int | Path, *, stem: str, systemd: SystemdVersion | None, scratch: Path) -> Inspection:
    """The same for an image that is linked as ``stem`` and ``.raw`` in a tree with this systemd (None: any).

    Raises MergeNameRefused where that systemd takes it under another name only, else as inspect_image().
    """
    with _controlled(scratch):
        return _accepted(_release_files(image, scratch), stem=stem, systemd=systemd)


def _accepted(files: _Found, *, stem: str, systemd: SystemdVersion | None) -> Inspection:
    suffix = link_name_accepted(stem, _strictness(files), systemd_version=systemd)
    if suffix is not None:
        release = files[suffix][0]
        _refuse(release, suffix)
        return Inspection(merge_name=stem, release=release)
    name = _choose(files, preferred=stem).merge_name
    raise MergeNameRefused(f"its content calls itself {name}, and systemd-sysext fails on it as {stem}.raw")


@contextmanager
def _controlled(scratch: Path) -> Iterator[None]:
    """A refusal of an image counts only where systemd-dissect works: see tukit_sysext.system.control."""
    CONTROL.recall(DISSECT)
    try:
        yield
    except (ImageBroken, NoVerdict):
        CONTROL.check(DISSECT, lambda: try_dissect(scratch))
        raise


def try_dissect(scratch: Path) -> None:
    """Look into the image that is known to be good. Raises ImageBroken, NoVerdict, ToolBroken, NoSpace."""
    _choose(_release_files(KNOWN_GOOD / "image.raw", scratch), preferred="known-good")


def _release_files(image: int | Path, scratch: Path) -> _Found:
    where = f"/proc/self/fd/{image}" if isinstance(image, int) else str(image)
    descriptors = (image,) if isinstance(image, int) else ()
    with scratch_folder(scratch, what=_WITHOUT_SCRATCH) as folder:
        release = folder / "release"
        result = _copy(where, f"/{RELEASE_FOLDER}", release, descriptors)
        if result.status != 0:
            blame_machine(folder, result)
            if _NO_SUCH_FILE in result.messages and _is_confext(where, folder, descriptors):
                raise ImageBroken(f"is a confext, for /etc, and no sysext: it has {_CONFEXT_FOLDER}")
            raise ImageBroken(f"cannot be read as an extension image: {last_line(result)}")
        os_release = _copy(where, f"/{_OS_RELEASE}", folder / "os-release", descriptors)
        if os_release.status == 0:
            raise ImageBroken(_HAS_OS_RELEASE)
        if _NO_SUCH_FILE not in os_release.messages:
            blame_machine(folder, os_release)
            raise ImageBroken(f"cannot be looked into for {_OS_RELEASE}: {last_line(os_release)}")
        return _read(release)


def _is_confext(image: str, folder: Path, descriptors: Sequence[int]) -> bool:
    return _copy(image, f"/{_CONFEXT_FOLDER}", folder / "confext", descriptors).status == 0


def last_line(result: ProcessResult) -> str:
    """What systemd-dissect said last."""
    said = [_DESCRIPTOR.sub("", line) for line in result.messages.strip().splitlines()]
    return said[-1] if said else f"systemd-dissect ended with {result.status}"


def blame_machine(folder: Path, result: ProcessResult) -> None:
    """Raise NoSpace or ToolBroken where nothing can be written, NoVerdict where something else is short."""
    error = not_writable(folder)
    if error is not None:
        raise not_written(folder.parent, error, what=_WITHOUT_SCRATCH) from error
    if any(word in result.messages.lower() for word in _SHORTAGE):
        raise NoVerdict(f"it cannot be looked into now: {last_line(result)}")


def _copy(image: str, inside: str, destination: Path, descriptors: Sequence[int]) -> ProcessResult:
    argv = [DISSECT, "--copy-from", image, inside, str(destination)]
    try:
        result = run(argv, timeout=_TIMEOUT, cpu_seconds=_CPU_SECONDS, file_size=_COPY_LIMIT, descriptors=descriptors)
    except TimedOut as error:
        raise NoVerdict(f"systemd-dissect did not come to an end with it: {error}") from error
    if result.died:
        raise NoVerdict(f"systemd-dissect cannot tell: {result.died}")
    return result


def inspect_directory(folder: Path, *, preferred: str) -> Inspection:
    """The same for an extension that is a directory tree. Raises ImageBroken."""
    if os.path.lexists(folder / _OS_RELEASE):
        raise ImageBroken(_HAS_OS_RELEASE)
    return _choose(_read(folder / RELEASE_FOLDER), preferred=preferred)


def _read(folder: Path) -> _Found:
    files: dict[str, tuple[ReleaseData, bool | None]] = {}
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise ImageBroken(f"no extension image: {RELEASE_FOLDER}: {error.strerror}") from error
    for name in names:
        path = folder / name
        if not name.startswith(PREFIX) or path.is_symlink() or not path.is_file():
            continue
        with open(path, "rb") as file:
            content = file.read(_LIMIT + 1)
            strict = _strict(file.fileno())
        if len(content) > _LIMIT:
            raise ImageBroken(f"{RELEASE_FOLDER}/{name}: larger than {_LIMIT} bytes")
        files[name.removeprefix(PREFIX)] = (parse(content.decode("utf-8", "surrogateescape")), strict)
    return files


def _strict(descriptor: int) -> bool | None:
    try:
        text = os.getxattr(descriptor, _STRICT).decode("ascii", "replace").strip("\0 \n").lower()
    except OSError:
        return None
    return text not in ("0", "no", "n", "false", "f", "off")


def _strictness(files: _Found) -> Mapping[str, bool | None]:
    return {suffix: strict for suffix, (_, strict) in files.items()}


def _choose(found: _Found, *, preferred: str) -> Inspection:
    files = _strictness(found)
    name = merge_name(files, preferred)
    suffix = link_name_accepted(name, files, systemd_version=None) or name
    release = found[suffix][0]
    _refuse(release, name)
    return Inspection(merge_name=name, release=release)


def _refuse(release: ReleaseData, suffix: str) -> None:
    if release.refused is not None:
        raise ImageBroken(f"{RELEASE_FOLDER}/{PREFIX}{suffix}: {release.refused}")
