# SPDX-License-Identifier: LGPL-2.1-or-later
"""A test that boots a machine and waits until it is killed, for test_driver.py alone: no run collects it."""

from __future__ import annotations

import json
import os
import signal
import uuid
from pathlib import Path

from tests.booted.conftest import Boot
from tests.on_lab.site import OLD, Site

FACTS = "TESTS_FACTS"
"""The variable with the number of the descriptor that is told of the machine when it is up."""


def test_waits(boot: Boot) -> None:
    machine = boot()
    site = Site(lab=machine).with_source()
    image = f"kept-{uuid.uuid4().hex}"
    site.publish(image, "1.0", OLD)
    site.command("install", image)
    machine.reboot()
    assert machine.merged() == {image: "1.0"}
    _, _, group = Path(f"/proc/{machine.pid}/cgroup").read_text().rpartition("0::/")
    facts = {
        "disk": Path("/sys/block", Path(machine.device).name, "loop/backing_file").read_text().strip(),
        "group": group.partition("/")[0],
        "holder": str(machine.holder_pid),
        "image": image,
        "pid": str(machine.pid),
    }
    with open(int(os.environ[FACTS]), "w") as pipe:
        json.dump(facts, pipe)
    signal.pause()
