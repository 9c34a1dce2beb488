# SPDX-License-Identifier: LGPL-2.1-or-later
"""Leaves a thread and a process behind that never end."""

import subprocess
import threading

from tukit_sysext.plugin_api import hookimpl

tukit_sysext_interface = ">=1,<2"

threading.Thread(target=threading.Event().wait).start()


@hookimpl
def tukit_sysext_transaction_judged() -> None:
    """See the specification."""
    subprocess.Popen(["/usr/bin/sleep", "infinity"])
    print("the twin leaves a process behind")
