# SPDX-License-Identifier: LGPL-2.1-or-later
"""The crash matrix: a fault at every call by which the package changes something, enumerated (threats L11 and L12).

    python -m tests.crash                  the whole matrix, as root: some 3300 points, three quarters of an hour
    python -m tests.crash --subset         the fixed choice that tests/run makes, some two minutes
    python -m tests.crash --leave-out      leaves out each wait for the disk, which must be noticed; some six minutes
    python -m tests.crash --leave-out WHAT only this one, as it was printed
    python -m tests.crash --part 1/2       half of it, beside the other half
    python -m tests.crash --point POINT    one point again, as it was printed (update:kill:fsync:7)
    python -m tests.crash --list           the points, and what each strikes at

A point is a scenario (scenarios.py), a call of our process that changes something (calls.py), and a fault: SIGKILL
before it, ENOSPC or EIO from it, or a power cut right before it. Two runs without a fault count the calls first; they
must make the same. For each point the disk is as it was before, strace(1) brings the fault about, and then

* the invariants of the collection hold (checks.py), and the exit status is what tukit may see
* the next run, without a fault, succeeds, and leaves the same links, store, records, signature times and ledger as a
  run that was never disturbed

A power cut is a copy of the disk, taken when the process has been killed, and mounted in the place of the original:
the btrfs is mounted with commit=600, so that only what was synced is in it. The store is a subvolume of its own, or
what is synced elsewhere would make its names last too. Right after the last call all that the run has said to be done
must be there. A power cut does not count where another process called sync(2) meanwhile (witness.py): it is made again.
What a drive itself loses where it is not told to flush does not show: the copy has all that was written.

The disk is that of the kernel which runs here. Linux 6.12 lost every image of an `install` that had returned 0, and
nothing showed it on 6.18: its btrfs passes over fsync(2) of a file that has no name yet, and logs the name that it
gets later without its content. So each cut disk gets what such a kernel would leave: a file that got its first name,
and was not synced under one, is cut to 0 bytes (order.hollow). On 6.12.117, in a virtual machine that was switched off,
the former order left 0 bytes, and all was whole of what is written now: an image that had no name while it came, one
that had, one in the place of another, a record and a link. --leave-out tries the former order.

btrfs makes some things last that nobody asked it for, and no power cut shows that they were not waited for. So the
order of the calls must be right as well (order.py): content, its name, and what stands on it, each waited for before
the next. With --leave-out every wait must be missed by a power cut, or, where leaving.py says why none can, by this.

What is real: the hook and the command as the RPM installs them, btrfs with its snapshots, signed lists over HTTP from a
server on loopback, images, gpgv and systemd-dissect. What is not: the system around it, which is the host's /usr under
a root of its own; snapper and tukit, of which the disk has only what they leave; and that one image is fetched after
the other (ground.ONE_WORKER), as strace counts calls for each thread, and all must come in the same order. Children
(gpgv, systemd-dissect) are not traced: they write nothing that lasts. /sys/block is empty, as the loop devices of
others would change the count.
"""
