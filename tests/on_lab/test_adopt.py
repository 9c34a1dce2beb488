# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is taken over is updated as any other image: what is said of it already counts, and both trees have it."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.documents import faults
from tests.lab import Flavour
from tests.lab.images import make_image
from tests.on_lab.site import OLD, STORE, Site
from tests.trees import Link, make_tree

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
    assert "debug: adopted (version unknown)" in site.command("adopt", "debug").stdout
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
    assert "tools: adopted (version 1.0)" in site.command("adopt", "tools").stdout
    for name in ("debug", "tools"):
        assert "removed" not in site.lab.path(f"{CONF}/{name}.conf").read_text()
    site.lab.tukit("execute", "true", check=True)
    assert site.links(site.default()) == {"debug.raw": "debug-0.x86-64.raw", "tools.raw": "tools-1.0.x86-64.raw"}


def test_a_link_is_found_by_the_name_of_its_image(site: Site) -> None:
    make_image(site.lab.path(STORE), "gcc", "30.3", release=ANY, release_name="gcc-30.3.x86-64", manifest=None)
    site.lab.path("/etc/extensions").mkdir(exist_ok=True)
    site.lab.path("/etc/extensions/gcc-30.3.x86-64.raw").symlink_to(f"{STORE}/gcc-30.3.x86-64.raw")
    assert "Did you mean gcc?" in site.command("adopt", "gc", check=False).stderr
    assert "gcc: adopted (version 30.3)" in site.command("adopt", "gcc").stdout


def test_both_trees(site: Site) -> None:
    following = between(site)
    by_hand(site, "hand", ANY, following)
    by_hand(site, "here", ANY)
    assert faults("adopt", site.json("adopt", "--dry-run")) == []
    told = site.command("adopt", "--dry-run").stdout
    assert f"snapshot {following} (boots next): hand: would be adopted (version unknown)" in told
    done = site.command("adopt")
    assert f"snapshot {following} (boots next): hand: adopted (version unknown)" in done.stdout
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
    assert "next step:\n    tukit-sysext adopt hand\n" in told


def test_the_source_of_sysextmgr_in_both_trees(site: Site, flavour: Flavour) -> None:
    site.write("/etc/sysextmgr/sysextmgr.conf", "[default]\nurl=https://images.example.org/\n")
    following = between(site)
    found = site.json("adopt")
    assert faults("adopt", found) == []
    assert [tree["snapshot"] for tree in found["source"]["trees"]] == [site.lab.running, following]
    assert (site.lab.snapshot(following) / "etc/tukit-sysext/sources.d/sysextmgr.conf").exists()


_CONTEXTS = """\
/.* system_u:object_r:default_t:s0
/usr(/.*)? system_u:object_r:usr_t:s0
/usr/lib(/.*)? system_u:object_r:lib_t:s0
/usr/bin(/.*)? system_u:object_r:bin_t:s0
/usr/sbin/toold -- system_u:object_r:tool_exec_t:s0
/usr/lib/extension-release\\.d(/.*)? system_u:object_r:usr_t:s0
"""
_PACK = """
import json, os, pathlib, subprocess, sys
from tukit_sysext.change.pack_folder import pack
folder, labels = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
for path in ("usr/bin", "usr/bin/tool"):
    os.setxattr(folder / path, "security.selinux", b"system_u:object_r:etc_t:s0\\0")
note = pack(folder, folder.parent / "image.raw", lambda path, kind: labels.get(f"{path} {kind}"))
subprocess.run(["mount", "-o", "loop,ro", folder.parent / "image.raw", "/mnt"], check=True)
read = {}
for place, folders, files in os.walk("/mnt"):
    for path in (os.path.join(place, name) for name in (*folders, *files)):
        read[path.removeprefix("/mnt")] = os.getxattr(path, "security.selinux", follow_symlinks=False).decode()
subprocess.run(["umount", "/mnt"], check=True)
print(json.dumps({"note": note, "read": read}))
"""


def looked_up(contexts: Path, path: str, mode: int) -> str:
    """The label of a path by libselinux, which needs no kernel with SELinux for that."""
    argv = ["selabel_lookup", "-b", "file", "-f", str(contexts), "-k", path, "-t", str(mode)]
    search = "/usr/sbin:/usr/bin:/sbin:/bin"
    told = subprocess.run(argv, capture_output=True, text=True, check=True, env={"PATH": search}).stdout
    return told.rpartition("context: ")[2].strip()


@pytest.mark.tool("selabel_lookup")
@pytest.mark.parametrize("flavour", [Flavour.MICROOS])
def test_a_packed_folder_has_the_labels_of_usr(site: Site, tmp_path: Path) -> None:
    """By a policy's own words, read back from the image; what the folder is labelled as does not count."""
    top = site.lab.path("/root/packed")
    folder = make_tree(
        top / "tool",
        {
            "usr/bin/tool": "#!/bin/sh\n",
            "usr/sbin/toold": "#!/bin/sh\n",
            "usr/bin/a b": Link("tool"),
            "usr/lib/extension-release.d/extension-release.tool": "ID=_any\n",
        },
    )
    contexts = tmp_path / "file_contexts"
    contexts.write_text(_CONTEXTS)
    wanted = {f"/{path.relative_to(folder)}": stat.S_IFMT(path.lstat().st_mode) for path in folder.rglob("*")}
    labels = {path: looked_up(contexts, path, mode) for path, mode in wanted.items()}
    assert (labels["/usr/bin/tool"], labels["/usr/sbin/toold"], labels["/usr/lib"]) == (
        "system_u:object_r:bin_t:s0",
        "system_u:object_r:tool_exec_t:s0",
        "system_u:object_r:lib_t:s0",
    )

    asked = json.dumps({f"{path} {wanted[path]}": label for path, label in labels.items()})
    done = site.lab.run(["python3", "-c", _PACK, "/root/packed/tool", asked])

    assert json.loads(done.stdout) == {"note": "", "read": labels}
