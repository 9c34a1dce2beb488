#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Run by health-checker after a boot: check | stop
#
# Fails only where an image is lost that the snapshot has which this one was made from. Whatever else is wrong, and be
# it ours, is no reason to go back.

lost=3 # ExitStatus.LOST
# what boots is not kept waiting for longer than this
patience=300

case $1 in
check)
    # repair has its chance first; that it failed is told by its own unit
    [ ! -e /run/tukit-sysext/repair ] || timeout "$patience" systemctl start tukit-sysext-repair.service
    timeout "$patience" tukit-sysext verify --lost
    [ $? -ne $lost ] || exit 1
    ;;
stop) ;;
*)
    printf 'Usage: %s {check|stop}\n' "$0"
    exit 1
    ;;
esac
exit 0
