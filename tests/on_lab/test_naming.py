# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images as publishers call them, from the list to what systemd-sysext merges."""

from __future__ import annotations

import pytest

from tests.on_lab.site import NEW, OLD, Site
from tests.on_lab.test_bad_images import merged_marks

GCC_13, GCC_14 = "gcc-13-13.4.0-x86-64.raw", "gcc-14-14.3.0-x86-64.raw"


def test_a_series_is_never_replaced_by_another(site: Site) -> None:
    """gcc-13 is not gcc, and gcc-14 does not come in its place."""
    site.publish("gcc-13", "13.4.0", OLD, file_name=GCC_13, manifest=None)
    site.publish("gcc-14", "14.3.0", OLD, file_name=GCC_14, manifest=None)
    site.want("gcc-13")
    site.want("gcc", policy="optional")
    assert site.lab.tukit("execute", "true").returncode == 0
    assert site.links(site.default()) == {"gcc-13.raw": GCC_13}
    site.lab.reboot()
    assert merged_marks(site) == {"gcc-13"}
    shown = site.lab.run(["tukit-sysext", "list"]).stdout
    assert {line.split()[0] for line in shown.splitlines() if line.startswith("gcc")} == {"gcc", "gcc-13", "gcc-14"}


def test_content_that_calls_itself_otherwise_is_not_taken(site: Site) -> None:
    """Whatever the signed list calls it; what is linked stays, and it is said."""
    site.publish("gcc", "13.4.0", {"ID": "_any"})
    site.want("gcc")
    assert site.lab.tukit("execute", "true").returncode == 0
    site.lab.reboot()
    site.publish("gcc-14", "14.3.0", {"ID": "_any"}, file_name="gcc-14.3.0.x86-64.raw", manifest=None)
    done = site.update()
    assert done.returncode == 0
    assert site.links(site.default()) == {"gcc.raw": "gcc-13.4.0.x86-64.raw"}
    assert "its content calls itself gcc-14, not gcc" in site.lab.run(["tukit-sysext", "list", "--all", "gcc"]).stdout
    assert "gcc-14.3.0.x86-64.raw" not in {path.name for path in site.lab.path("/var/lib/sysext-store").iterdir()}


@pytest.mark.parametrize("of", ["source", "image"])
def test_a_pattern_with_the_version_of_the_system_that_will_boot(site: Site, of: str) -> None:
    """%w is VERSION_ID of the tree that a transaction makes, not that of the running system."""
    for release in (OLD, NEW):
        file_name = f"k3sv1.32.1-{release['VERSION_ID']}.img"
        site.publish("k3s", "1.32.1", release, file_name=file_name, manifest=None)
    if of == "source":
        source = site.lab.path("/etc/tukit-sysext/sources.d/main.conf")
        source.write_text(f"{source.read_text()}MatchPattern=k3s@v-%w.img\n")
        site.want("k3s")
    else:
        site.want("k3s", MatchPattern="k3s@v-%w.img")
    assert site.lab.tukit("execute", "true").returncode == 0
    assert site.links(site.default()) == {"k3s.raw": f"k3sv1.32.1-{OLD['VERSION_ID']}.img"}
    site.lab.reboot()
    assert merged_marks(site) == {"k3s"}
    assert site.update().returncode == 0
    assert site.links(site.default()) == {"k3s.raw": f"k3sv1.32.1-{NEW['VERSION_ID']}.img"}
    site.lab.reboot()
    assert merged_marks(site) == {"k3s"}
