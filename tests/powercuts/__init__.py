# SPDX-License-Identifier: LGPL-2.1-or-later
"""Power cuts of a machine with another kernel: ``python -m tests.powercuts`` (root, qemu; half an hour for 100 points).

A virtual machine (Linux 6.12) installs and updates images while qemu logs every write and flush of its disk. A point is
a place in this log. What the disk holds after a power cut there is what was written before the last flush, and of what
was written since then whatever the disk has chosen to keep. Such a disk is looked at, booted in namespaces, and judged:
every image that a snapshot links is whole, what was promised before the point is there, the machine runs one of the
sets of images that there were, the next update completes, and so does a collection.

The disk has Tumbleweed's layout, or with ``--layout microos`` that in which /etc of each snapshot is a subvolume of its
own, so that power goes between the two.

With ``--project`` the package of another folder is recorded: of one that syncs an image before it has a name, which is
what lost all images on this kernel, more than half of the points lose one.
"""
