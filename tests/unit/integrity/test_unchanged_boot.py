# SPDX-License-Identifier: LGPL-2.1-or-later
"""A boot of what was well at the last one and did not change since: no Python is started (B33).

What the program compares is tried in a root of its own, with stand-ins for what it runs; what Python makes of it on a
plain machine.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.rpm import TOP
from tests.trees import Link, make_tree
from tests.unit.integrity.verify_site import VerifySite, file_of
from tukit_sysext import cli
from tukit_sysext.commands.verify_boot import guard
from tukit_sysext.ledger.ledger import Ledger, LedgerEvent
from tukit_sysext.plugins.builtin.recorder import Recorder

GUARD = TOP / "spec/libexec/guard"
STAMP = "var/lib/tukit-sysext/quiet"
LEDGER = "var/lib/tukit-sysext/ledger.db"
STORE = "var/lib/sysext-store"
IMAGE = f"{STORE}/gdb-1.raw"

STAT = "/usr/bin/stat -c '%i %s %.9Z'"
"""What Python does as well, of the ledger."""

STAND_INS = {
    "python3": 'echo "$@" >>"$root/asked"\n'
    f'printf "%s\\n" "$4" "$({STAT} "$root/{LEDGER}")" >"$root/{STAMP}"\n'
    'exit "$(cat "$root/status")"',
    "btrfs": 'echo "ID $(cat "$root/default") gen $$ top level 5 path @/.snapshots/1/snapshot"',
    "uname": 'cat "$root/machine"',
    "stat": '[ "$1" != -f ] || { cat "$root/file-systems"; exec 1>/dev/null; }; exec /usr/bin/stat "$@"',
    "systemd-sysext": "",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root in which all is well, and the guard has run."""
    root = tmp_path / "root"
    programs = {f"usr/bin/{name}": f"#!/bin/sh\nroot={root}\n{text or ':'}\n" for name, text in STAND_INS.items()}
    make_tree(
        root,
        {
            **programs,
            "default": "257",
            "machine": "x86_64",
            "status": "0",
            "file-systems": "1234",
            "etc/os-release": Link("../usr/lib/os-release"),
            "usr/lib/os-release": "SYSEXT_LEVEL=1",
            "usr/lib/systemd/libsystemd-shared-257.so": "",
            "usr/lib64/systemd": None,
            "usr/lib/x86_64-linux-gnu/systemd": None,
            "usr/lib/python3.13/site-packages/tukit_sysext/update/facts.py": "",
            "usr/lib/tukit-sysext/images.d/vim.conf": "[Image]\n",
            "etc/tukit-sysext/tukit-sysext.conf": "",
            "etc/tukit-sysext/images.d/gdb.conf": "[Image]\n",
            "etc/tukit-sysext/quarantine": None,
            "etc/extensions/gdb.raw": Link(f"{root}/{IMAGE}"),
            "var/lib/extensions/other.raw": Link(f"{root}/{STORE}/other.raw"),
            IMAGE: "gdb 1",
            f"{STORE}/gdb-2.raw": "gdb 2",
            f"{STORE}/other.raw": "other",
            "var/lib/tukit-sysext/images/gdb-1.raw.json": "{}",
            LEDGER: "",
            "var/lib/overlay/1/etc/extensions": None,
            ".snapshots/1/info.xml": "<snapshot/>",
            ".snapshots/1/snapshot/etc/extensions": None,
            "run/tukit-sysext/events": None,
        },
    )
    for name in programs:
        (root / name).chmod(0o755)
    assert looks(root) and not looks(root)
    return root


def looks(root: Path, *, status: int = 0) -> bool:
    """Boot: whether Python is started."""
    asked = root / "asked"
    asked.unlink(missing_ok=True)
    done = subprocess.run(["sh", GUARD, root], check=False, stdin=subprocess.DEVNULL, env={})
    assert done.returncode == status
    return asked.exists()


Change = Callable[[Path], object]


def written(path: str, text: str = "changed") -> Change:
    """A file that comes, or has another content."""

    def change(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)

    return change


def replaced(path: str) -> Change:
    """The same content in another file, as a package manager does it."""

    def change(root: Path) -> None:
        shutil.copy2(root / path, root / "new")
        (root / "new").rename(root / path)

    return change


def linked(path: str, target: str) -> Change:
    """A link that comes, or leads elsewhere now."""

    def change(root: Path) -> None:
        (root / path).unlink(missing_ok=True)
        (root / path).symlink_to(root / target)

    return change


def gone(path: str) -> Change:
    return lambda root: (root / path).unlink()


def flipped(root: Path) -> None:
    """Another content, and neither another size nor another time."""
    path = root / IMAGE
    status = path.stat()
    path.write_text("gdb 9")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES: Mapping[str, Change] = {
    "another snapshot boots": written("file-systems", "5678"),
    "another one boots next": written("default", "258"),
    "another machine": written("machine", "aarch64"),
    "the level of the system": written("usr/lib/os-release", "SYSEXT_LEVEL=2"),
    "an os-release of its own": lambda root: (gone("etc/os-release")(root), written("etc/os-release")(root)),
    "systemd": written("usr/lib/systemd/libsystemd-shared-258.so"),
    "systemd in lib64": written("usr/lib64/systemd/libsystemd-shared-258.so"),
    "systemd of Debian": written("usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-258.so"),
    "what merges": replaced("usr/bin/systemd-sysext"),
    "the interpreter": replaced("usr/bin/python3"),
    "our package": written("usr/lib/python3.13/site-packages/tukit_sysext/more.py"),
    "a room of it": replaced("usr/lib/python3.13/site-packages/tukit_sysext/update/facts.py"),
    "a setting": written("etc/tukit-sysext/tukit-sysext.conf"),
    "settings": written("etc/tukit-sysext/tukit-sysext.conf.d/more.conf"),
    "what is wanted": written("etc/tukit-sysext/images.d/vim.conf"),
    "what is wanted no more": gone("etc/tukit-sysext/images.d/gdb.conf"),
    "what a package wants": written("usr/lib/tukit-sysext/images.d/gdb.conf"),
    "a setting of a package": written("usr/lib/tukit-sysext/tukit-sysext.conf"),
    "something in quarantine": written("etc/tukit-sysext/quarantine/gdb.raw"),
    "a link": linked("etc/extensions/more.raw", IMAGE),
    "a link that is hidden": linked("etc/extensions/.more.raw", IMAGE),
    "a link with two dots": linked("etc/extensions/..more.raw", IMAGE),
    "a link that leads elsewhere": linked("etc/extensions/gdb.raw", f"{STORE}/gdb-2.raw"),
    "a link that is gone": gone("etc/extensions/gdb.raw"),
    "a file among the links": written("etc/extensions/page.raw", "<html>"),
    "a file of others": written("var/lib/extensions/page.raw", "<html>"),
    "a hidden file of others": written("var/lib/extensions/.page.raw", "<html>"),
    "a file of others with two dots": written("var/lib/extensions/..page.raw", "<html>"),
    "an image": written(IMAGE, "gdb 1 is longer now"),
    "an image whose times are as they were": flipped,
    "an image in the place of another": replaced(IMAGE),
    "an image that others may write": lambda root: (root / IMAGE).chmod(0o666),
    "an image with two names": lambda root: (root / "second").hardlink_to(root / IMAGE),
    "an image of others": written(f"{STORE}/other.raw"),
    "a record": written("var/lib/tukit-sysext/images/gdb-1.raw.json"),
    "a record that is gone": gone("var/lib/tukit-sysext/images/gdb-1.raw.json"),
    "the ledger": written(LEDGER),
    "a ledger made anew": replaced(LEDGER),
    "what a power cut left of it": written("var/lib/tukit-sysext/ledger.db-journal"),
    "another snapshot": lambda root: (root / ".snapshots/2").mkdir(),
    "what snapper knows of one": written(".snapshots/1/info.xml", "<snapshot></snapshot>"),
    "a link in another snapshot": written(".snapshots/1/snapshot/etc/extensions/more.raw"),
    "a link in an overlay": written("var/lib/overlay/1/etc/extensions/more.raw"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_each_thing_that_a_boot_is_judged_by_makes_it_look(root: Path, what: str) -> None:
    CHANGES[what](root)
    assert looks(root)
    assert not looks(root), "that is what the next boot is compared with"


def without(root: Path, path: str) -> None:
    """A file is gone, and Python keeps nothing, as it is not all well."""
    (root / path).unlink()
    (root / "usr/bin/python3").write_text(f'#!/bin/sh\necho "$@" >>{root}/asked\n')


UNSURE: Mapping[str, Change] = {
    "a link that leads nowhere": linked("etc/extensions/lost.raw", "nowhere"),
    "no ledger": lambda root: without(root, LEDGER),
    "no store": lambda root: shutil.move(root / STORE, root / "elsewhere"),
    "what boots next cannot be told": written("usr/bin/btrfs", "#!/bin/sh\nexit 1\n"),
    "stat does not work": written("usr/bin/stat", "#!/bin/sh\nexit 1\n"),
    "no hash": lambda root: (root / "usr/bin/sha256sum").symlink_to("/bin/false"),
    "nothing was kept": lambda root: without(root, STAMP),
    "images until the next boot": lambda root: (root / "run/extensions").mkdir(),
    "configuration until the next boot": written("run/tukit-sysext/images.d/vim.conf"),
    "a refusal": written("run/tukit-sysext/refused.json"),
    "who logs in is told of one": written("run/motd.d/tukit-sysext"),
    "a needed repair": written("run/tukit-sysext/repair"),
}


@pytest.mark.parametrize("what", UNSURE)
def test_what_is_not_known_makes_each_boot_look(root: Path, what: str) -> None:
    UNSURE[what](root)
    assert looks(root)
    assert looks(root)


def test_what_does_not_matter(root: Path) -> None:
    """systemd's locks, which it makes at each merge, and ours, and events that are settled after the boot."""
    (root / "etc/extensions/.#gone.raw.lck").touch()
    (root / "etc/extensions/.#gone.raw.lck").unlink()
    for name in (
        "etc/extensions/.#gdb.raw.lck",
        "var/lib/extensions/.#other.raw.lck",
        "run/tukit-sysext/lock",
        "run/tukit-sysext/changes.lock",
        "run/tukit-sysext/locks/tree",
        "run/tukit-sysext/events/look",
    ):
        written(name)(root)
    assert not looks(root)


def test_its_status_is_that_of_the_command(root: Path) -> None:
    (root / "status").write_text("1")
    (root / "default").write_text("258")
    assert looks(root, status=1)


def kept(site: VerifySite, stamp: str | None = None) -> str | None:
    """What a boot leaves for the next one, where there was something already."""
    site.layout.quiet.write_text("former\n")
    guard(site.machine, stamp)
    return site.layout.quiet.read_text() if site.layout.quiet.exists() else None


def test_where_all_is_well_it_is_kept(well: VerifySite) -> None:
    """With the ledger in which the boot is, in the words of stat(1)."""
    before = well.layout.ledger.stat().st_ctime_ns
    found = kept(well, "hash")
    assert well.layout.ledger.stat().st_ctime_ns != before
    ledger = subprocess.run([*shlex.split(STAT), well.layout.ledger], check=True, stdout=subprocess.PIPE, text=True)
    assert found == f"hash\n{ledger.stdout}"
    assert STAT.removeprefix("/usr/bin/") in GUARD.read_text()
    assert kept(well) == "former\n", "by hand nothing is compared"
    for by_hand in ([], ["--dry-run"]):
        cli.main(["verify", "--boot", *by_hand], machine=well.machine)
        assert well.layout.quiet.read_text() == "former\n"


def test_another_boot_of_the_same_is_no_event(well: VerifySite) -> None:
    """The ledger stays as it is to the byte, which is why a boot may leave it alone where it has not changed."""
    kept(well, "hash")
    before = well.layout.ledger.stat().st_ctime_ns
    kept(well, "hash")
    assert well.layout.ledger.stat().st_ctime_ns == before
    with Ledger(well.layout.ledger) as ledger:
        assert [event.kind for event in ledger.events() if event.kind == "booted"] == ["booted"]


def refused(site: VerifySite) -> None:
    with Ledger(site.layout.ledger) as ledger:
        ledger.add([LedgerEvent(time="2026-11-01T10:00:00Z", kind="refused", snapshot=7, image="gdb", detail="no")])


def unrecorded(site: VerifySite) -> None:
    site.store_image("1", "vim")
    site.link("1", "vim")
    site.machine.store().records.remove(file_of("1", "vim"))


def quarantined(site: VerifySite) -> None:
    (site.layout.store / file_of("1")).write_text("rotten")
    site.store_image("2", "other")
    cli.main(["verify", "--boot"], machine=site.machine)
    assert (site.root / "etc/tukit-sysext/quarantine/gdb.raw").is_symlink()


def configured(text: str) -> Callable[[VerifySite], object]:
    return lambda site: (site.root / "etc/tukit-sysext/tukit-sysext.conf").write_text(text)


UNQUIET: Mapping[str, Callable[[VerifySite], object]] = {
    "an image without a record": unrecorded,
    "a damaged image": lambda site: (site.layout.store / file_of("1")).write_text("rotten"),
    "something in quarantine": quarantined,
    "an image of others": lambda site: (site.root / "etc/extensions/page.txt").write_text("page"),
    "no os-release": lambda site: (site.root / "etc/os-release").unlink(),
    "a refusal": refused,
    "a plugin of others": configured("[Plugins]\nLoad=elsewhere\n"),
    "which plugins is not known": configured("[Plugins]\nLoad=a/b\n"),
    "metrics": configured("[Metrics]\nFile=/run/metrics.prom\n"),
    "a snapshot that was not settled": lambda site: site.wanting_snapshot(8),
    "a snapshot that is not known": lambda site: (site.tree(7).parent / "info.xml").write_text("<"),
    "which snapshot runs is not known": lambda site: (site.root / ".subvolume").unlink(),
}


@pytest.mark.parametrize("what", UNQUIET)
def test_where_the_next_boot_has_to_look_nothing_is_kept(well: VerifySite, what: str) -> None:
    UNQUIET[what](well)
    assert kept(well, "hash") is None
    assert kept(well) is None


def test_nor_where_the_boot_could_not_be_entered(well: VerifySite, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tukit_sysext.plugins.builtin.recorder._note", failing)
    assert kept(well, "hash") is None


def test_nor_where_one_of_our_plugins_is_missing(well: VerifySite, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Recorder) -> None:
        raise ImportError("it lacks a module")

    monkeypatch.setattr(Recorder, "__init__", broken)
    assert kept(well, "hash") is None


def test_where_it_cannot_be_kept_the_boot_goes_on(well: VerifySite) -> None:
    well.layout.quiet.mkdir()
    assert guard(well.machine, "hash") == 0
