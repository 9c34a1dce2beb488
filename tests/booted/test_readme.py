# SPDX-License-Identifier: LGPL-2.1-or-later
"""README's first image on a booted machine, as it is written; its source is ours, with an image of that name."""

from __future__ import annotations

from tests.booted.conftest import Boot
from tests.lab.readme import commands
from tests.on_lab.site import OLD, Site


def test_the_first_image(boot: Boot) -> None:
    machine = boot()
    site = Site(lab=machine).with_source()
    site.publish("gdb", "1.0", OLD)
    lines = commands("First image")
    assert len(lines) == 5
    said = {line: machine.run(["sh", "-c", line]).stdout for line in lines}
    assert "gdb" in said[lines[0]]
    assert machine.merged() == {"gdb": "1.0"}
    assert "1.0" in said["tukit-sysext status"]
