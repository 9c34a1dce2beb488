# SPDX-License-Identifier: LGPL-2.1-or-later
"""A fixed choice of the crash matrix, with every kind of step; all of it by ``python -m tests.crash`` (threat L12)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash import calls, leaving
from tests.crash.order import hollow, unwaited


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.crash", *options]
    return subprocess.run(command, cwd=Path(__file__).parents[2], check=False, capture_output=True, text=True)


@pytest.mark.root
def test_every_kind_of_step() -> None:
    done = run("--subset")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.root
def test_a_power_cut_misses_what_does_not_wait_for_the_disk() -> None:
    done = run("--leave-out", "--scenario", "collect")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.root
def test_the_order_that_lost_every_image_on_another_kernel_loses_one_here() -> None:
    done = run("--leave-out", "content of an image, under a name and not before")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "noticed at update:power:" in done.stdout


@pytest.mark.root
@pytest.mark.long
@pytest.mark.timeout(3 * 3600)
def test_every_step() -> None:
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.root
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_power_cut_misses_whatever_does_not_wait_for_the_disk() -> None:
    done = run("--leave-out")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_wait_for_the_disk_is_known() -> None:
    assert leaving.places() == leaving.known()


def test_calls_are_counted_as_strace_counts_them() -> None:
    found = calls.parse(
        'openat(AT_FDCWD</>, "/a", O_RDONLY) = 3</a>\n'
        'openat(AT_FDCWD</>, "/b.1234", O_WRONLY|O_CREAT, 0666) = 4</b.1234>\n'
        'write(4</b.1234>, "x", 1) = -1 ENOSPC (No space left on device) (INJECTED)\n'
        "--- SIGKILL {si_signo=SIGKILL} ---\n"
        "+++ killed by SIGKILL +++\n"
    )
    assert [(call.name, call.number, call.injected) for call in found] == [("openat", 2, False), ("write", 1, True)]
    assert [call.about for call in found] == ['AT_FDCWD</>, "/b.PID", O_WRONLY|O_CREAT, 0666)', "4</b.PID>"]


def test_what_is_no_call_is_told() -> None:
    with pytest.raises(ValueError, match="no call"):
        calls.parse("no call\n")


_WRITTEN = """\
openat(AT_FDCWD</>, "/etc/a/.tukit-sysext.b", O_WRONLY|O_CREAT|O_TRUNC, 0644) = 3</etc/a/.tukit-sysext.b>
write(3</etc/a/.tukit-sysext.b>, "x", 1) = 1
fsync(3</etc/a/.tukit-sysext.b>) = 0
rename("/etc/a/.tukit-sysext.b", "/etc/a/b") = 0
fsync(4</etc/a>) = 0
symlinkat("/x", 5</etc/c>, ".tukit-sysext.d~") = 0
renameat(5</etc/c>, ".tukit-sysext.d~", 5</etc/c>, "d") = 0
fsync(5</etc/c>) = 0
renameat2(4</etc/a>, "b", 5</etc/c>, "b", RENAME_NOREPLACE) = 0
fsync(5</etc/c>) = 0
fsync(4</etc/a>) = 0
unlinkat(9</etc/e>, "e", 0) = 0
fsync(9</etc/e>) = 0
mkdir("/etc/f/f", 0755) = 0
fsync(9</etc/f>) = 0
unlinkat(4</etc/a>, "g", 0) = 0
fsync(4</etc/a>) = 0
openat(AT_FDCWD</>, "/etc/a/g", O_RDWR|O_CREAT, 0644) = 6</etc/a/g>
pwrite64(6</etc/a/g>, "x", 1, 0) = 1
fdatasync(6</etc/a/g>) = 0
openat(AT_FDCWD</>, "/var/lib/sysext-store", O_RDWR|O_TMPFILE, 0600) = 7</var/lib/sysext-store/#1>(deleted)
write(7</var/lib/sysext-store/#1>(deleted), "x", 1) = 1
linkat(AT_FDCWD</>, "/proc/self/fd/7", 8</var/lib/sysext-store>, ".tukit-sysext.i", AT_SYMLINK_FOLLOW) = 0
fsync(7</var/lib/sysext-store/#1>(deleted)) = 0
renameat2(8</var/lib/sysext-store>, ".tukit-sysext.i", 8</var/lib/sysext-store>, "i.raw", RENAME_NOREPLACE) = 0
fsync(8</var/lib/sysext-store>) = 0
unlinkat(4</etc/a>, "none", 0) = -1 ENOENT (No such file or directory)
rename("/run/.tukit-sysext.h", "/run/h") = 0
unlink("/var/cache/i") = 0
"""


def test_the_order_of_calls_is_right_as_it_is() -> None:
    assert [*unwaited(calls.parse(_WRITTEN))] == []


@pytest.mark.parametrize("number", [index for index, line in enumerate(_WRITTEN.splitlines()) if "sync(" in line])
def test_the_order_of_calls_tells_what_is_not_waited_for(number: int) -> None:
    lines = _WRITTEN.splitlines(keepends=True)
    del lines[number]
    assert [*unwaited(calls.parse("".join(lines)))]


_FORMER = """\
openat(AT_FDCWD</>, "/var/lib/sysext-store", O_RDWR|O_TMPFILE, 0600) = 7</var/lib/sysext-store/#1>(deleted)
write(7</var/lib/sysext-store/#1>(deleted), "x", 1) = 1
fsync(7</var/lib/sysext-store/#1>(deleted)) = 0
linkat(AT_FDCWD</>, "/proc/self/fd/7", 8</var/lib/sysext-store>, "i.raw", AT_SYMLINK_FOLLOW) = 0
fsync(8</var/lib/sysext-store>) = 0
openat(AT_FDCWD</>, "/var/lib/sysext-store", O_RDWR|O_TMPFILE, 0600) = 7</var/lib/sysext-store/#2>(deleted)
fsync(7</var/lib/sysext-store/#2>(deleted)) = 0
"""


def test_what_is_synced_while_it_has_no_name_does_not_count() -> None:
    """The order of calls that lost every image on btrfs of Linux 6.12."""
    former = calls.parse(_FORMER)
    assert [*unwaited(former)] == [
        "/var/lib/sysext-store/i.raw: has its name before its content lasts",
        "/var/lib/sysext-store/i.raw: not waited for in the end",
    ]
    assert hollow(former) == {"/var/lib/sysext-store/i.raw"}


def test_what_is_synced_under_a_name_counts_under_the_next() -> None:
    assert hollow(calls.parse(_WRITTEN)) == frozenset()
    cut = [line for line in _WRITTEN.splitlines() if "fsync(7" not in line]
    assert hollow(calls.parse("\n".join(cut))) == {"/var/lib/sysext-store/i.raw"}
