# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test machine booted: systemd is its first process, in namespaces on this kernel, from the disk of a lab.

What is real here and not in a lab: the units and their sandboxes, D-Bus, path and timer units, the merge at boot,
failed units, the journal, a shutdown, a package installed by rpm with its scripts. What is not: initrd, udev, SELinux.
"""
