# SPDX-License-Identifier: LGPL-2.1-or-later
"""A merge into which somebody writes, where no systemd runs whose unit could know of it."""

from __future__ import annotations

import pytest

from tests.lab import Flavour
from tests.lab.images import MARKS
from tests.on_lab.site import OLD, Site


@pytest.mark.parametrize("flavour", [Flavour.MICROOS])
def test_what_was_written_stays_as_long_as_something_is_merged(site: Site) -> None:
    site.publish("debug", "1.0", OLD)
    site.command("install", "debug")
    site.lab.run(["sh", "-c", "systemd-sysext --mutable=yes merge && echo here >/usr/written"])
    site.publish("debug", "1.1", OLD)

    done = site.command("update", "--now", "debug")

    assert done.stderr == ""
    assert site.lab.run(["cat", f"/usr/{MARKS}/debug", "/usr/written"]).stdout == "1.1here\n"
    site.lab.run(["sh", "-c", "echo more >>/usr/written"])

    done = site.command("remove", "--now", "debug")

    assert "is kept in /var/lib/extensions.mutable, and shows with the next merge" in done.stderr
    assert site.lab.path("/var/lib/extensions.mutable/usr/written").read_text() == "here\nmore\n"
