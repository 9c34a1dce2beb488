# SPDX-License-Identifier: LGPL-2.1-or-later
"""The way in of libexec/guard: ``verify --boot`` without a command line, whose grammar a boot would wait for."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.system.descriptors import make_whole, outputs
from tukit_sysext.system.environment import make_our_own

log = logging.getLogger(__name__)


def run() -> NoReturn:
    """Guard the merge; an argument is what libexec/guard says of all that it judges by.

    The work is imported where it starts, so that a module that is missing or broken becomes a status too. Whether
    anybody can read what is said decides nothing.
    """
    make_whole()
    make_our_own()
    outputs()
    os.umask(0o022)
    os.chdir("/")
    logging.basicConfig(level=logging.ERROR, format="tukit-sysext: %(message)s", stream=sys.stderr)
    status = ExitStatus.FAILED
    try:
        from tukit_sysext.commands import verify_boot
        from tukit_sysext.machine import Machine
        from tukit_sysext.metrics import metrics

        machine = Machine()
        status = verify_boot.guard(machine, next(iter(sys.argv[1:]), None))
        metrics.update(machine)
    except Exception as error:
        # the machine has to boot, whatever it is; the failed unit tells it
        log.error("%s: %s", type(error).__name__, error, exc_info=error)
    finally:
        sys.stdout.flush()
        os._exit(status)
