# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images that fit by systemd's rule and do not work: the judge is the system after a real merge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.lab.packages import Rpm, build_package
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

    told = site.command("check", "--all").stdout
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
    assert "1.1 of source main: needs what is missing" in site.command("check", "--all").stdout

    link_by_hand(site, "debug-1.1.x86-64.raw")
    broken = lab.run(["/usr/bin/debug-tool"], check=False)
    assert (broken.returncode, "libx.so.6" in broken.stderr) == (127, True)


def package_tool(site: Site, folder: Path, name: str, version: str) -> None:
    """Install a package with a program of its name, which says its version."""
    program = f"#!/bin/sh\necho {version}\n".encode()
    build_package(Rpm(name=name, version=version, files={f"/usr/bin/{name}": program}), folder, folder / "scratch")
    rpm = next(folder.glob(f"{name}-*.rpm"))
    site.lab.path(f"/var/cache/{rpm.name}").write_bytes(rpm.read_bytes())
    site.lab.tukit("execute", "rpm", "-U", "--nodeps", f"/var/cache/{rpm.name}", check=True)
    site.lab.reboot()


def publish_package(site: Site, image: str, name: str, version: str, more: str = "") -> None:
    """Publish an image that was built from a package."""
    raw = site.publish(image, "1.0", OLD, files={f"bin/{name}": f"#!/bin/sh\necho {version}\n{more}"}, manifest="mkosi")
    description = raw.with_name(f"{raw.name.removesuffix('.raw')}.manifest")
    package = {"type": "rpm", "name": name, "version": f"{version}-1", "architecture": "noarch"}
    description.write_text(json.dumps(json.loads(description.read_bytes()) | {"packages": [package]}))
    site.list_images()


def test_an_older_package_and_two_images_with_one_path(start_lab: StartLab, our_tree: Path, tmp_path: Path) -> None:
    """The system after a real merge is what was said of it: which openssl, and the file of which image, is seen."""
    site = Site(lab=start_lab(Flavour.MICROOS, install={our_tree: "/"})).prepare()
    lab = site.lab
    package_tool(site, tmp_path, "openssl", "3.2.3")
    assert lab.run(["openssl"]).stdout == "3.2.3\n"
    publish_package(site, "crypto", "openssl", "3.1.4")
    for name, says in (("tool-9", "nine"), ("tool-10", "tenn")):  # as large, so that the contents have to tell
        site.publish(name, "1.0", OLD, files={"bin/tool": f"#!/bin/sh\necho {says}\n"})
        site.want(name)
    site.want("crypto")
    older = "crypto: its openssl-3.1.4-1 is older than openssl-3.2.3-1 of the system, and hides /usr/bin/openssl"
    no_label = "crypto: a program or library of it has no SELinux label, with which no service of this system may start"
    on_top = "tool-10: it hides /usr/bin/tool of tool-9 1.0, which differs: the last name is on top"

    site.write("/etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n")
    lab.path("/etc/selinux/targeted/policy").mkdir(parents=True)
    for again in (False, True):  # nothing changes then, and the comparison is remembered
        done = lab.tukit("execute", "touch", "/usr/share/something", check=True)
        assert (no_label in done.stderr) is not again
        assert [line for line in (older, on_top) if f"tukit-sysext: {line}" not in done.stderr] == [], done.stderr
        lab.reboot()
    for command in (("check", "--all"), ("status",)):
        said = " ".join(site.command(*command).stdout.split())
        assert [line for line in (older, on_top, no_label) if line.partition(": ")[2] not in said] == [], said
    lab.merge()
    assert [lab.run([program]).stdout for program in ("openssl", "tool")] == ["3.1.4\n", "tenn\n"]
    assert lab.run(["rpm", "-q", "--queryformat", "%{VERSION}", "openssl"]).stdout == "3.2.3", "rpm does not see it"
    lab.run(["systemd-sysext", "unmerge"])

    for name in ("crypto", "tool-10"):
        site.want(name, policy="optional", Shadow="refuse")
    done = lab.tukit("execute", "touch", "/usr/share/more", check=True)
    assert site.links(site.default()) == {"tool-9.raw": "tool-9-1.0.x86-64.raw"}
    assert "which Shadow= refuses" in done.stdout
    lab.reboot()
    lab.merge()
    assert [lab.run([program]).stdout for program in ("openssl", "tool")] == ["3.2.3\n", "nine\n"]
