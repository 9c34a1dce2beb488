# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is bad stays out of the merge at boot, and what is good is merged; bad images of ours are repaired."""

from __future__ import annotations

from pathlib import Path

from tests.booted import journal
from tests.booted.conftest import Boot
from tests.booted.units import BOOT, REFUSED, REPAIR
from tests.lab.images import make_image
from tests.on_lab.site import NEW, OLD, STATE, STORE, Site

BY_HAND = "/var/by-hand"
EXTENSIONS = "/etc/extensions"
QUARANTINE = "/etc/tukit-sysext/quarantine"
SHARED = ("/run/extensions", "/var/lib/extensions")
MERGE = "systemd-sysext.service"


def link_by_hand(site: Site) -> None:
    """One good image and one of every bad kind, none of them ours."""
    folder = site.lab.path(BY_HAND)
    folder.mkdir()
    fitting, unfitting = {**OLD, **site.identity}, {**NEW, **site.identity}
    make_image(folder, "good", "1.0", release=fitting, file_name="good.raw")
    make_image(folder, "unfitting", "1.0", release=unfitting, file_name="unfitting.raw")
    make_image(folder, "another", "1.0", release=fitting, file_name="misnamed.raw", strict=True)
    (folder / "truncated.raw").write_bytes((folder / "good.raw").read_bytes()[:900])
    (folder / "page.raw").write_bytes(b"<html>404 Not Found</html>\n")
    (folder / "empty.raw").touch()
    (folder / "folder.raw").mkdir()
    (folder / "loop.raw").symlink_to("loop.raw")
    for name in ("dangling.raw", *(path.name for path in folder.iterdir())):
        site.lab.path(f"{EXTENSIONS}/{name}").symlink_to(f"{BY_HAND}/{name}")


def spread_by_hand(site: Site) -> None:
    """Bad files and links in the folders that are no tree's own, and a bad file among the links."""
    machine, good = site.lab, site.lab.path(f"{BY_HAND}/good.raw").read_bytes()
    for folder in SHARED:
        machine.path(folder).mkdir(parents=True, exist_ok=True)
        machine.path(f"{folder}/torn.raw").write_bytes(good[:900])
        machine.path(f"{folder}/circle.raw").symlink_to("circle.raw")
        machine.path(f"{folder}/linked.raw").symlink_to(f"{BY_HAND}/page.raw")
        machine.path(f"{folder}/note.txt").write_text("no image\n")
    machine.path(f"{EXTENSIONS}/file.raw").touch()
    fitting = {**OLD, **site.identity}
    make_image(machine.path(SHARED[1]), "other", "1.0", release=fitting, file_name="other.raw", manifest=None)
    # what /etc/extensions has of a name counts, and this is not looked at
    machine.path(f"{SHARED[1]}/good.raw").touch()


def names(folder: Path) -> set[str]:
    return {path.name.removesuffix(".raw") for path in folder.iterdir() if path.suffix == ".raw"}


def test_links_of_others(boot: Boot) -> None:
    """Without the guard nothing is merged at all; with it only what would spoil the merge is moved."""
    machine = boot()
    link_by_hand(Site(lab=machine))
    machine.run(["systemctl", "mask", BOOT])
    machine.reboot()
    assert machine.merged() == {} and machine.failed_units() == [MERGE]

    machine.run(["systemctl", "unmask", BOOT])
    machine.reboot()

    assert machine.merged() == {"good": "1.0"}, journal.text(machine, f"--unit={BOOT}")
    assert machine.failed_units() == []
    assert names(machine.path(QUARANTINE)) == {"empty", "loop", "misnamed", "page", "truncated"}
    assert names(machine.path(EXTENSIONS)) == {"dangling", "folder", "good", "unfitting"}


def test_files_and_other_folders(boot: Boot) -> None:
    """Each of them alone keeps all images from being merged."""
    machine = boot()
    site = Site(lab=machine)
    link_by_hand(site)
    machine.reboot()
    spread_by_hand(site)  # /run is empty after a reboot, so that the guard is started anew in its place
    machine.run(["systemctl", "stop", MERGE])
    assert machine.run(["systemctl", "start", MERGE], check=False).returncode != 0 and machine.merged() == {}

    machine.run(["systemctl", "restart", BOOT])

    machine.run(["systemctl", "start", MERGE])
    assert machine.merged() == {"good": "1.0", "other": "1.0"}, journal.text(machine, f"--unit={BOOT}")
    for folder in SHARED:
        kept = {"good", "other"} if folder == SHARED[1] else set()
        assert names(machine.path(folder)) == kept
        assert names(machine.path(f"{folder}/.#tukit-sysext")) == {"circle", "linked", "torn"}
    assert "file" in names(machine.path(QUARANTINE))
    machine.path(f"{BY_HAND}/page.raw").write_bytes(machine.path(f"{BY_HAND}/good.raw").read_bytes())
    torn = machine.path(f"{SHARED[1]}/.#tukit-sysext/torn.raw")
    make_image(torn.parent, "torn", "1.0", release={**OLD, **site.identity}, file_name="torn.raw", manifest=None)
    machine.run(["systemctl", "restart", BOOT])
    assert {"other", "torn"} <= names(machine.path(SHARED[1]))
    machine.reboot()
    assert sorted(machine.merged()) == ["good", "other", "torn"]
    assert machine.failed_units() == []


def test_images_of_ours(boot: Boot) -> None:
    """C13, C14: damaged and missing, with their source there and away, while an update is refused."""
    machine = boot()
    site = Site(lab=machine).with_source()
    for name in ("good", "lost", "page", "torn"):
        site.publish(name, "1.0", OLD)
        site.command("install", name)
    machine.reboot()
    assert sorted(machine.merged()) == ["good", "lost", "page", "torn"]
    machine.path(f"{STORE}/page-1.0.x86-64.raw").write_bytes(b"<html>404 Not Found</html>\n")
    machine.path(f"{STATE}/images/page-1.0.x86-64.raw.json").unlink()
    torn = machine.path(f"{STORE}/torn-1.0.x86-64.raw")
    torn.write_bytes(torn.read_bytes()[:900])
    machine.path(f"{STORE}/lost-1.0.x86-64.raw").unlink()
    page = site.images / "page-1.0.x86-64.raw"
    page.rename(page.with_suffix(".away"))
    assert site.update().returncode == 75, "which shows again after the reboot"

    machine.reboot()

    assert machine.merged() == {"good": "1.0"}, journal.text(machine, f"--unit={BOOT}")
    assert machine.failed_units() == [REFUSED]
    assert machine.run(["systemctl", "start", REPAIR], check=False).returncode == 1
    assert names(machine.path(EXTENSIONS)) == {"good", "lost", "torn"}
    assert sorted(machine.failed_units()) == [REFUSED, REPAIR]
    mark = machine.path("/run/tukit-sysext/repair").read_text()
    assert "page.raw" in mark and "torn.raw" not in mark and "lost.raw" not in mark

    page = site.images / "page-1.0.x86-64.raw"
    page.with_suffix(".away").rename(page)
    machine.run(["systemctl", "start", REPAIR])
    machine.until(f"! systemctl --quiet is-failed {REPAIR}")
    assert names(machine.path(EXTENSIONS)) == {"good", "lost", "page", "torn"}
    machine.reboot()
    assert sorted(machine.merged()) == ["good", "lost", "page", "torn"]
    assert machine.failed_units() == [REFUSED]
