# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stand-in for what transactional-update >= 5 does with /etc at the first boot of a snapshot, for the lab alone.

What changed in the old system's /etc since the snapshot was made is taken over into the new one's, entry by entry,
where the new one's is still as it was then. Changes are seen by mode, owner, time in seconds and size. Extended
attributes are not compared here. Checked against a recording of the real one: tests/unit/lab/test_etc_sync.py.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

_SYNC_POINT = "etc.syncpoint"
_ORIGIN = "transactional-update.comparewith"
"""In there: the number of the snapshot whose /etc it was."""


def sync_at_boot(root: Path) -> None:
    """What is done before the first boot of a snapshot that was made from another one's /etc; else nothing."""
    syncpoint = root / "etc" / _SYNC_POINT
    origin = syncpoint / _ORIGIN
    if not origin.is_file():
        return
    parent = root / ".snapshots" / origin.read_text().strip() / "snapshot/etc"
    if parent.is_dir():
        sync(parent, root / "etc", syncpoint)
    subprocess.run(["btrfs", "subvolume", "delete", str(syncpoint)], check=True, stdout=subprocess.DEVNULL)


def sync(parent: Path, current: Path, syncpoint: Path) -> None:
    """Bring changes of ``parent`` since ``syncpoint`` into ``current``."""
    then, old, new = _entries(syncpoint), _entries(parent), _entries(current)
    kept = {name for name in then if name not in new or _differs(syncpoint / name, current / name)}
    kept |= {name for name in new if name not in then}
    for name in then:
        if name in old or name in kept:
            continue
        inside = f"{name}/"
        if not any(other.startswith(inside) for other in kept):
            _delete(current / name)
    for name in sorted(old):
        if name not in kept and (name not in then or _differs(syncpoint / name, parent / name)):
            _copy(parent / name, current / name)


def _entries(folder: Path) -> set[str]:
    found: set[str] = set()
    for path, folders, files in os.walk(folder):
        here = Path(path).relative_to(folder)
        if here == Path():
            folders[:] = [name for name in folders if name != _SYNC_POINT]
        found |= {str(here / name) for name in (*folders, *files)}
    return found


def _differs(a: Path, b: Path) -> bool:
    one, other = a.lstat(), b.lstat()
    same = (one.st_mode, one.st_uid, one.st_gid, int(one.st_mtime)) == (
        other.st_mode,
        other.st_uid,
        other.st_gid,
        int(other.st_mtime),
    )
    return not same or (not stat.S_ISDIR(one.st_mode) and one.st_size != other.st_size)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    status = source.lstat()
    if os.path.lexists(target) and stat.S_IFMT(target.lstat().st_mode) != stat.S_IFMT(status.st_mode):
        _delete(target)
    if stat.S_ISDIR(status.st_mode):
        target.mkdir(exist_ok=True)
    elif stat.S_ISLNK(status.st_mode):
        target.unlink(missing_ok=True)
        target.symlink_to(os.readlink(source))
    elif stat.S_ISREG(status.st_mode) and target.parent.is_dir():
        shutil.copyfile(source, target)
    else:
        return
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    if not target.is_symlink():
        target.chmod(stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
