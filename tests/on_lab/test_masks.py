# SPDX-License-Identifier: LGPL-2.1-or-later
"""A mask and a folder of versions in /etc/extensions, held against what systemd-sysext makes of them."""

from __future__ import annotations

import json
import re

from tests.lab.images import make_image
from tests.on_lab.site import NEW, OLD, STORE, Site
from tests.unit.snapshots.test_versions import CASES

ANY = {"ID": "_any"}
EXTENSIONS = "/etc/extensions"


def merged(site: Site) -> list[str]:
    """What is merged into /usr after a merge, as systemd-sysext says; nothing is, when this returns."""
    site.lab.run(["systemd-sysext", "merge"], check=False)
    status = json.loads(site.lab.run(["systemd-sysext", "status", "--json=short"]).stdout)
    told = site.command("status").stdout
    site.lab.run(["systemd-sysext", "unmerge"])
    (row,) = [row for row in status if row["hierarchy"] == "/usr"]
    names = [] if row["extensions"] in ("none", None) else list(row["extensions"])
    for name in names:
        assert re.search(rf"^ +(?:/\S+/)?{name}[ .].* yes ", told, re.M), "status says the same"
    return names


def test_a_mask_of_a_required_image_refuses_nothing(site: Site) -> None:
    """The image goes with the next boot, whatever is published, and updates pass without a word of it."""
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    assert merged(site) == ["debug"]
    site.lab.run(["ln", "-sfn", "/dev/null", f"{EXTENSIONS}/debug.raw"])
    assert merged(site) == []
    assert " masked " in site.command("status").stdout
    site.publish("debug", "1.1", NEW)
    done = site.update()
    assert (done.returncode, "debug" in done.stderr) == (0, False), done
    assert site.links(site.default()) == {"debug.raw": "/dev/null"}
    assert site.json("status")["missed"] == {}
    site.lab.reboot()
    site.lab.run(["rm", f"{EXTENSIONS}/debug.raw"])
    assert "debug: 1.1 added" in site.command("update").stdout
    assert merged(site) == ["debug"]


def test_a_folder_of_versions_works(site: Site) -> None:
    """It is nothing that is broken, and becomes an image of ours when it is adopted."""
    folder = site.lab.path(f"{EXTENSIONS}/tool.raw.v")
    folder.mkdir(parents=True)
    for version in ("1.9", "1.10"):
        make_image(folder, "tool", version, release=ANY, manifest=None).rename(folder / f"tool_{version}.raw")
    assert merged(site) == ["tool"]
    assert "broken" not in site.command("verify").stdout and "would not be merged" not in site.command("check").stdout
    assert site.command("verify", "--boot").returncode == 0
    assert folder.is_dir(), "nothing is moved away"
    assert "linked as tool.raw (was tool.raw.v)" in site.command("adopt").stdout
    assert site.links() == {"tool.raw": "tool-1.10.x86-64.raw"}
    assert merged(site) == ["tool"]


def test_the_version_is_the_one_that_systemd_takes(site: Site) -> None:
    for number, (files, taken) in enumerate(CASES):
        folder = f"/var/tmp/{number}/tool.raw.v"
        site.lab.run(["mkdir", "-p", folder])
        for name in files:
            site.write(f"{folder}/{name}", "an image")
        found = site.lab.run(["systemd-vpick", "--print=filename", "--suffix=.raw", folder], check=False)
        assert (found.stdout.strip() or None) == taken, (files, found)


def test_an_image_with_a_wrong_name_is_adopted_under_its_own(site: Site) -> None:
    """systemd-sysext merges nothing at all with it; its content tells the name."""
    made = make_image(site.lab.path("/var/tmp"), "tool", "1.0", release=ANY, manifest=None)
    target = site.lab.path(f"{EXTENSIONS}/wrong.raw")
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(made.read_bytes())
    assert site.lab.run(["systemd-sysext", "merge"], check=False).returncode != 0
    assert "linked as tool.raw (was wrong.raw)" in site.command("adopt", "tool").stdout
    (image,) = site.links().values()
    assert image.startswith("tool-") and site.lab.path(f"{STORE}/{image}").exists()
    assert list(site.links()) == ["tool.raw"]
    assert merged(site) == ["tool"]


def test_what_masks_in_a_later_directory_masks_nothing_of_ours(site: Site) -> None:
    """The first directory of the search path wins, which is ours: the plan and ``status`` say the same."""
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    for folder in ("/run/extensions", "/var/lib/extensions"):
        site.lab.run(["mkdir", "-p", folder])
        for mask in (["ln", "-s", "/dev/null", f"{folder}/debug.raw"], ["mkdir", f"{folder}/debug"]):
            site.lab.run(mask)
            assert merged(site) == ["debug"], mask
            done = site.command("check")
            assert (done.returncode, "1.0 stays" in " ".join(done.stdout.split())) == (0, True), done
            assert site.command("verify").returncode == 0, mask
            assert site.command("verify", "--boot").returncode == 0, mask
            site.lab.run(["rm", "-rf", mask[-1]])


def test_a_mask_is_no_image_that_hides_one_of_a_later_directory(site: Site) -> None:
    """systemd-sysext passes it over: an image of its name in /var/lib/extensions is merged, and has to be good."""
    folder = site.lab.path("/var/lib/extensions")
    folder.mkdir(parents=True, exist_ok=True)
    make_image(folder, "tool", "1", release=ANY, manifest=None).rename(folder / "tool.raw")
    assert merged(site) == ["tool"]
    site.lab.run(["ln", "-s", "/dev/null", f"{EXTENSIONS}/tool.raw"])
    assert merged(site) == ["tool"]
    assert site.command("verify", "--boot").returncode == 0
    (folder / "tool.raw").write_bytes(bytes(4096))
    assert site.command("verify", "--boot").returncode == 0, "it blocks the merge, and is moved away"
    assert not (folder / "tool.raw").exists()
    assert merged(site) == []
