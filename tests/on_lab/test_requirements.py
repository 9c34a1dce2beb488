# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images that fit by systemd's rule and do not work: the judge is the system after a real merge."""

from __future__ import annotations

import pytest

from tests.on_lab.site import OLD, STORE, Site

pytestmark = pytest.mark.lab

TOOL = {"bin/debug-tool": "#!/bin/sh\necho debug\n"}
HIDING = {**TOOL, "links/more": "more\n"}
"""usr/links is a directory of it, and a link of the system."""


def test_an_image_that_hides_a_part_of_the_system(site: Site) -> None:
    lab = site.lab
    site.publish("debug", "1.0", OLD, files=TOOL)
    site.publish("debug", "1.1", {"ID": "_any"}, files=HIDING)
    site.want("debug")
    made = "mkdir /usr/real && echo here >/usr/real/file && ln -s real /usr/links"
    lab.tukit("execute", "sh", "-c", made, check=True)
    assert site.links(site.default()) == {"debug.raw": "debug-1.0.x86-64.raw"}
    lab.reboot()

    lab.merge()
    assert lab.run(["/usr/bin/debug-tool"]).stdout == "debug\n"
    assert lab.run(["cat", "/usr/links/file"]).stdout == "here\n"
    lab.run(["systemd-sysext", "unmerge"])

    told = site.command("check", "--verbose").stdout
    assert "1.1 of source main: does not fit, it would hide a part of the system: usr/links is a directory" in told

    link_by_hand(site, "debug-1.1.x86-64.raw")
    assert lab.run(["/usr/bin/debug-tool"]).stdout == "debug\n"
    assert lab.run(["cat", "/usr/links/file"], check=False).returncode != 0, "it hides the system's"


def link_by_hand(site: Site, image: str) -> None:
    """Merge what was passed over, to see what it would have done."""
    site.lab.path(f"{STORE}/by-hand.raw").write_bytes((site.images / image).read_bytes())
    site.lab.run(["ln", "-sfn", f"{STORE}/by-hand.raw", "/etc/extensions/debug.raw"])
    site.lab.merge()


def test_a_version_that_lacks_a_library_does_not_replace_one_that_works(site: Site) -> None:
    lab = site.lab
    works = lab.path("/usr/bin/true").resolve().read_bytes()
    fails = works.replace(b"libc.so.6\0", b"libx.so.6\0")
    site.publish("debug", "1.0", OLD, files={"bin/debug-tool": works})
    site.want("debug")
    lab.tukit("execute", "rpm", "-U", "--nodeps", "--force", site.release_rpm(OLD), check=True)
    lab.reboot()
    lab.merge()
    lab.run(["/usr/bin/debug-tool"])
    lab.run(["systemd-sysext", "unmerge"])

    site.publish("debug", "1.1", OLD, files={"bin/debug-tool": fails})
    done = lab.tukit("execute", "touch", "/usr/share/something", check=True)
    assert (site.links(site.default()), done.stderr) == ({"debug.raw": "debug-1.0.x86-64.raw"}, "")
    assert "1.1 of source main: needs what is missing" in site.command("check", "--verbose").stdout

    link_by_hand(site, "debug-1.1.x86-64.raw")
    broken = lab.run(["/usr/bin/debug-tool"], check=False)
    assert (broken.returncode, "libx.so.6" in broken.stderr) == (127, True)
