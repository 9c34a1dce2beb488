# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is taken over is updated as any other image: what is said of it already counts, and both trees have it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from tests.documents import faults
from tests.lab import Flavour
from tests.lab.images import make_image
from tests.on_lab.site import OLD, STORE, Site
from tests.trees import make_tree

ANY = {"ID": "_any"}
CONF = "/etc/tukit-sysext/images.d"


def by_hand(site: Site, name: str, release: Mapping[str, str], *snapshots: int) -> None:
    """Put a file that nobody knows the origin of into /etc/extensions of the running system and of snapshots."""
    made = make_image(site.lab.path("/root"), name, "1", release=release, manifest=None, file_name=f"{name}.raw")
    for root in (site.lab.path("/"), *(site.lab.snapshot(number) for number in snapshots)):
        (root / "etc/extensions").mkdir(exist_ok=True)
        shutil.copy(made, root / "etc/extensions")


def between(site: Site) -> int:
    """From now on another snapshot boots next; its number."""
    site.lab.tukit("execute", "true", check=True)
    assert site.default() != site.lab.running
    return site.default()


def test_an_image_without_a_version_is_older_than_any_other(site: Site) -> None:
    site.publish("debug", "1.1", OLD)
    by_hand(site, "debug", {**OLD, **site.identity})
    assert "debug: 0 taken over" in site.command("adopt", "debug").stdout
    site.command("update")
    assert site.links() == {"debug.raw": "debug-1.1.x86-64.raw"}


def test_what_the_vendor_wants_counts(site: Site) -> None:
    vendor = "[Image]\nPolicy=optional\nVersion=<2\nHold=1.0\n"
    with site.lab.unlocked():
        make_tree(site.lab.path("/usr/lib/tukit-sysext"), {"images.d/debug.conf": vendor})
    by_hand(site, "debug", {**ANY, "SYSEXT_VERSION_ID": "2.0"})
    for option in ("--dry-run", "--quiet"):
        done = site.command("adopt", option, "debug")
        assert "/usr/lib/tukit-sysext/images.d/debug.conf says Hold=1.0" in done.stderr or option == "--dry-run"
        assert "optional" in done.stdout or option == "--quiet"
    assert not site.lab.path(f"{CONF}/debug.conf").exists()
    (row,) = site.json("status")["trees"][0]["images"]
    assert (row["version"], row["policy"]) == ("2.0", "optional")
    # a policy that is asked for is written beside the rest
    by_hand(site, "tools", ANY)
    site.want("tools", policy="optional", Version=">0")
    site.command("adopt", "--policy", "required", "tools")
    text = site.lab.path(f"{CONF}/tools.conf").read_text()
    assert "Policy=required" in text and "Version=>0" in text


def test_who_takes_over_what_was_removed_wants_it_again(site: Site) -> None:
    by_hand(site, "debug", ANY)
    site.publish("tools", "1.0", ANY)
    site.command("install", "tools")
    for name in ("debug", "tools"):
        site.want(name, policy=None, State="removed")
    # a link of another tool is not ours to be kept as long as nobody says so
    assert "tools" not in site.command("adopt").stdout
    assert "tools: 1.0 taken over" in site.command("adopt", "tools").stdout
    for name in ("debug", "tools"):
        assert "removed" not in site.lab.path(f"{CONF}/{name}.conf").read_text()
    site.lab.tukit("execute", "true", check=True)
    assert site.links(site.default()) == {"debug.raw": "debug-0.x86-64.raw", "tools.raw": "tools-1.0.x86-64.raw"}


def test_a_link_is_found_by_the_name_of_its_image(site: Site) -> None:
    make_image(site.lab.path(STORE), "gcc", "30.3", release=ANY, release_name="gcc-30.3.x86-64", manifest=None)
    site.lab.path("/etc/extensions").mkdir(exist_ok=True)
    site.lab.path("/etc/extensions/gcc-30.3.x86-64.raw").symlink_to(f"{STORE}/gcc-30.3.x86-64.raw")
    assert "did you mean gcc?" in site.command("adopt", "gc", check=False).stderr
    assert "gcc: 30.3 taken over" in site.command("adopt", "gcc").stdout


def test_both_trees(site: Site) -> None:
    following = between(site)
    by_hand(site, "hand", ANY, following)
    by_hand(site, "here", ANY)
    assert faults("adopt", site.json("adopt", "--dry-run")) == []
    told = site.command("adopt", "--dry-run").stdout
    assert f"snapshot {following} (boots next): hand: ? would be taken over" in told
    done = site.command("adopt")
    assert f"snapshot {following} (boots next): hand: 0 taken over" in done.stdout
    assert f"snapshot {following} (boots next) has no here.raw" in done.stderr
    assert "tukit-sysext install here" in done.stderr
    assert site.links(following) == {"hand.raw": "hand-0.x86-64.raw"}
    kept = list((site.lab.snapshot(following) / "etc/tukit-sysext/adopted").iterdir())
    assert [path.name.split(".2")[0] for path in kept] == ["hand.raw"]
    site.command("install", "here")
    assert site.links(following) == site.links()

    site.command("remove", "hand")
    site.lab.reboot()
    site.command("verify", "--boot")

    assert site.links() == {"here.raw": "here-0.x86-64.raw"}


def test_a_transaction_that_is_open_is_told(site: Site) -> None:
    site.lab.tukit("open", check=True)
    number = max(site.numbers())
    by_hand(site, "hand", ANY)
    told = site.command("adopt", "hand").stderr
    assert f"snapshot {number} is open in a transaction and was not changed" in told
    assert "tukit-sysext adopt hand, once more" in told


def test_the_source_of_sysextmgr_in_both_trees(site: Site, flavour: Flavour) -> None:
    site.write("/etc/sysextmgr/sysextmgr.conf", "[default]\nurl=https://images.example.org/\n")
    following = between(site)
    found = site.json("adopt")
    assert faults("adopt", found) == []
    assert [tree["snapshot"] for tree in found["source"]["trees"]] == [site.lab.running, following]
    assert (site.lab.snapshot(following) / "etc/tukit-sysext/sources.d/sysextmgr.conf").exists()
