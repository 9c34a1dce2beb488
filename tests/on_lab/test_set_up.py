# SPDX-License-Identifier: LGPL-2.1-or-later
"""The commands about the machinery, on a machine: what doctor says mends it, and preflight says what the hook does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.on_lab.site import NEW, OLD, STATE, Site
from tests.unit.metrics.exposition import check

USER = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
UNITS = "/usr/lib/systemd/system"
EXAMPLE = Path(__file__).resolve().parents[2] / "spec/examples/transactional-update-preflight.conf"


def problems(site: Site) -> list[Any]:
    return [item for item in site.json("doctor")["results"] if item["severity"] == "problem"]


def test_the_commands_of_doctor_mend_what_it_found(site: Site) -> None:
    path = site.lab.path
    site.write("/etc/tukit/plugins/50-tukit-sysext", "#!/bin/sh\n")
    site.write("/etc/tukit/plugins/sysext-of-others", "#!/bin/sh\n")
    path("/var/lib/sysext-store").chmod(0o777)
    path("/var/lib/tukit-sysext/seen").rmdir()
    path("/etc/systemd/system/tukit-sysext-settle.path").symlink_to("/dev/null")
    path("/etc/extensions/round.raw").symlink_to("round.raw")
    found = problems(site)
    assert {item["check"] for item in found} == {
        "tukit-hook",
        "other-tools",
        "store",
        "folders",
        "unit tukit-sysext-settle",
        "unit systemd-sysext",
        "links",
    }
    for item in found:
        site.lab.run(["sh", "-c", item["next_step"]])
    assert problems(site) == []
    assert site.command("doctor").returncode == 0


def test_doctor_for_an_ordinary_user(site: Site) -> None:
    done = site.lab.run([*USER, "tukit-sysext", "doctor"], check=False)
    assert done.returncode == 1, "systemd-sysext.service is not enabled in the lab"
    assert "unknown: /.snapshots: Permission denied" in done.stdout
    assert "next step:\n    sudo tukit-sysext doctor" in done.stdout
    assert done.stderr == ""


def offered(site: Site, version: str) -> None:
    name = f"cpe:/o:opensuse:opensuse:{version}"
    site.write("/var/repo/repodata/repomd.xml", f'<repomd><tags><distro cpeid="{name}">x</distro></tags></repomd>')
    site.write("/etc/zypp/repos.d/oss.repo", "[oss]\nenabled=1\nbaseurl=dir:///var/repo\n")


def goes_on(site: Site) -> bool:
    """Whether systemd would start transactional-update.service with the example."""
    (line,) = [line for line in EXAMPLE.read_text().splitlines() if line.startswith("ExecCondition=")]
    shell = line.removeprefix("ExecCondition=").replace("$$", "$")
    return site.lab.run(["sh", "-c", shell], check=False).returncode == 0


def test_preflight_says_what_the_update_will_do(site: Site) -> None:
    by_version = {"ID": OLD["ID"], "VERSION_ID": OLD["VERSION_ID"]}
    site.publish("debug", "1.0", by_version)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    offered(site, NEW["VERSION_ID"])
    assert site.json("preflight")["verdict"] == "would be refused"
    assert not goes_on(site)
    assert site.update().returncode == 75

    site.publish("debug", "1.1", {"ID": OLD["ID"], "VERSION_ID": NEW["VERSION_ID"]})
    assert site.json("preflight")["verdict"] == "passes"
    assert goes_on(site)
    assert site.update().returncode == 0
    site.lab.reboot()
    assert site.json("preflight")["verdict"] == "no update"


def test_the_metrics_of_a_refused_update(site: Site) -> None:
    """Written by the hook itself: what a unit would do later may never happen."""
    file = "/run/tukit-sysext/tukit-sysext.prom"
    site.write("/etc/tukit-sysext/tukit-sysext.conf", f"[Metrics]\nFile={file}\n")
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    site.lab.path("/run/systemd/system").mkdir(parents=True)  # so that events are left to units, which the lab has not
    assert site.update().returncode == 75
    found = check(site.lab.path(file).read_text())
    assert found["tukit_sysext_update_refused", ""] == 1
    assert found["tukit_sysext_images_good", 'tree="running"'] == 1
    site.publish("debug", "1.1", NEW)
    assert site.update().returncode == 0
    site.command("settle")
    found = check(site.lab.path(file).read_text())
    assert found["tukit_sysext_update_refused", ""] == 0
    assert found["tukit_sysext_images_good", 'tree="next"'] == 1


def test_after_a_purge_all_goes_on(site: Site) -> None:
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    told = json.loads(site.command("purge", "--json").stdout)
    assert sum(folder["files"] for folder in told["folders"]) > 2
    assert sorted(path.name for path in site.lab.path(STATE).rglob("*")) == ["images", "seen"]
    assert site.links() == {"debug.raw": "debug-1.0.x86-64.raw"}
    assert site.store() == ["debug-1.0.x86-64.raw"]
    site.publish("debug", "1.1", NEW)
    assert site.update().returncode == 0
    assert site.links(site.default()) == {"debug.raw": "debug-1.1.x86-64.raw"}
    assert site.lab.running in site.ledger_here()
