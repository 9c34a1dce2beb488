# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks of labs: unnamed sparse files behind loop devices, which vanish with the last process that uses them."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.lab.errors import LabError

# <linux/loop.h>
_LOOP_CTL_GET_FREE = 0x4C82
_LOOP_CONFIGURE = 0x4C0A
_LO_FLAGS_AUTOCLEAR = 4
_LOOP_INFO64 = struct.Struct("=5Q4I64s64s32s2Q")
_LOOP_CONFIG_TAIL = b"\0" * 64

_ROOM_FOR_A_LAB = 3 << 30
"""Bytes that /dev/shm must have free before a lab's disk is put there: memory is faster than a disk, but scarcer."""


def unnamed_file() -> int:
    """Open a new file without a name, in memory where there is plenty; returns its descriptor."""
    for folder in ("/dev/shm", "/var/tmp"):
        try:
            room = os.statvfs(folder)
        except OSError:
            continue
        if room.f_bavail * room.f_frsize >= _ROOM_FOR_A_LAB:
            fd, name = tempfile.mkstemp(prefix="tukit-lab-", dir=folder)
            os.unlink(name)
            return fd
    raise LabError(
        f"no room for the disk of a lab: neither /dev/shm nor /var/tmp has {_ROOM_FOR_A_LAB >> 30} GiB free",
        hint="stop other labs (`tests/lab/lab list`) or make room",
    )


def _data_ranges(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """The parts of a sparse file that hold data, as (start, end) in bytes."""
    position = 0
    while position < size:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        position = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, position


def copy_sparse(source: Path, target_fd: int) -> None:
    """Copy a sparse file to an open empty one, holes remaining holes."""
    source_fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(source_fd).st_size
        os.ftruncate(target_fd, size)
        for start, end in _data_ranges(source_fd, size):
            os.lseek(target_fd, start, os.SEEK_SET)
            while start < end:
                start += os.sendfile(target_fd, source_fd, start, end - start)
    finally:
        os.close(source_fd)


def change_filesystem_id(fd: int) -> None:
    """Give the btrfs in an open file another id; kernels before 6.7 mount one id only once."""
    done = subprocess.run(
        ["btrfstune", "-f", "-m", f"/proc/self/fd/{fd}"], pass_fds=[fd], capture_output=True, text=True
    )
    if done.returncode != 0:
        raise LabError(f"btrfstune could not change the id of a lab's disk: {done.stderr.strip()}")


def attach_loop(backing_fd: int, name: str) -> tuple[str, int]:
    """Put an open file behind a free loop device that clears itself after its last user.

    :param name: what `losetup` shows as the backing file, at most 63 bytes
    :returns: the device's path, and a descriptor that keeps it until it is closed
    """
    info = _LOOP_INFO64.pack(*(0,) * 5, 0, 0, 0, _LO_FLAGS_AUTOCLEAR, name.encode()[:63], b"", b"", 0, 0)
    config = bytearray(struct.pack("=II", backing_fd, 0) + info + _LOOP_CONFIG_TAIL)
    try:
        control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise LabError(f"loop devices are needed: /dev/loop-control: {error.strerror}") from error
    try:
        for _ in range(64):
            number = fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
            device = f"/dev/loop{number}"
            if not os.path.exists(device):  # a tmpfs on /dev, as in containers, has no node of a new device
                os.mknod(device, 0o660 | stat.S_IFBLK, os.makedev(7, number))
            loop_fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(loop_fd, _LOOP_CONFIGURE, config)
            except OSError as error:
                os.close(loop_fd)
                if error.errno != errno.EBUSY:  # EBUSY: another process took this number first
                    raise LabError(f"could not set up {device}: {error.strerror}") from error
            else:
                return device, loop_fd
    finally:
        os.close(control)
    raise LabError("no loop device stayed free long enough to be taken")
