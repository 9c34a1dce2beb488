# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every command with --json prints what its schema says, on a real machine on which much is wrong."""

from __future__ import annotations

import pytest

from tests.documents import calls, faults, read
from tests.lab import Flavour
from tests.on_lab.site import NEW, OLD, STORE, Site

LATER = {"VERSION_ID": "20261215", "SYSEXT_LEVEL": "glibc-2.44"}


@pytest.mark.parametrize("flavour", [Flavour.MICROOS], indirect=True)
def test_documents_are_as_the_schemas_say(site: Site) -> None:
    """Between an update and the reboot, with another update refused, damage, and a source that is away."""
    for name in ("gdb", "htop"):
        site.publish(name, "1.0", OLD)
        site.publish(name, "1.1", NEW)
    site.want("gdb")
    site.want("htop", policy="optional")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    assert site.update().returncode == 0
    assert site.update(release=LATER).returncode == 75
    site.lab.path(f"{STORE}/htop-1.0.x86-64.raw").write_bytes(b"half")
    site.lab.path("/etc/extensions/by-hand").mkdir()
    site.write("/etc/tukit-sysext/sources.d/away.conf", "[Source]\nPath=/nowhere\nVerify=no\n")
    site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Store]\nGrace=soon\n")
    site.write("/etc/tukit-sysext/tukit-sysext.conf.d/block-gdb.conf", "[Block]\nImage=gdb=1.0\n")
    found: dict[str, list[str]] = {}
    for command, arguments in calls():
        done = site.command(command, *arguments.split(), "--json", check=False)
        assert done.stdout, f"{command} {arguments}: {done.stderr}"
        found[f"{command} {arguments}"] = faults(command, read(done.stdout))
    assert {call: told for call, told in found.items() if told} == {}
