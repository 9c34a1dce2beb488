# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nothing to do means that nothing is done: no write below the tree, no word, and --discard discards."""

from __future__ import annotations

import re

import pytest

from tests.lab import Flavour
from tests.on_lab.listing import listing
from tests.on_lab.site import NEW, OLD, Site

_WRITES = (
    "openat,openat2,open,creat,write,pwrite64,writev,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,"
    "symlinkat,mkdir,mkdirat,rmdir,chmod,fchmod,fchmodat,chown,fchown,fchownat,lchown,utimensat,truncate,ftruncate,"
    "setxattr,fsetxattr,lsetxattr,removexattr,fremovexattr,mknod,mknodat,fallocate,mount"
)


@pytest.fixture
def site(any_site: Site) -> Site:
    """These tests are run with every kind of source."""
    return any_site


def settled(site: Site) -> None:
    """A running system whose images are all there."""
    site.publish("debug", "1.0", OLD)
    site.publish("strace", "1.0", OLD)
    site.want("debug")
    site.want("strace", policy="optional")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()


def words_of_plugin(output: str) -> list[str]:
    """What plugins said in tukit's output."""
    return re.findall(r"^Output of plugin .*?^---$", output, flags=re.MULTILINE | re.DOTALL)


def test_nothing_is_said_or_written(site: Site) -> None:
    settled(site)
    site.lab.tukit("open", check=True)
    number = max(site.numbers())
    tree = site.lab.snapshot(number)
    before = listing(tree)

    done = site.lab.run(
        ["strace", "-f", "-y", "-o", "/var/trace", "-e", f"trace={_WRITES}",
         "/usr/lib/tukit/plugins/50-tukit-sysext", "finalize-pre", f"/.snapshots/{number}/snapshot", str(number)],
    )  # fmt: skip

    assert (done.stdout, done.stderr) == ("", "")
    assert listing(tree) == before
    written = [line for line in site.lab.path("/var/trace").read_text().splitlines() if is_write(line, number)]
    assert written == []


def is_write(line: str, number: int) -> bool:
    """Whether a line of strace is a call that succeeded and changes something below the snapshot."""
    below = f"/.snapshots/{number}/snapshot"
    if below not in line or " = -1 " in line or " = ?" in line:
        return False
    opened = re.search(r"\b(open|openat|openat2)\(", line)
    return opened is None or re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_TMPFILE", line) is not None


def test_the_trace_would_show_a_write(site: Site) -> None:
    settled(site)
    site.publish("debug", "1.1", OLD)
    site.lab.tukit("open", check=True)
    number = max(site.numbers())
    site.lab.run(
        ["strace", "-f", "-y", "-o", "/var/trace", "-e", f"trace={_WRITES}",
         "/usr/lib/tukit/plugins/50-tukit-sysext", "finalize-pre", f"/.snapshots/{number}/snapshot", str(number)],
    )  # fmt: skip
    assert any(is_write(line, number) for line in site.lab.path("/var/trace").read_text().splitlines())


def test_a_transaction_that_changes_nothing_is_discarded(site: Site) -> None:
    settled(site)
    numbers, links, ledger = site.numbers(), site.links(), site.ledger_here()
    etc = listing(site.lab.path("/etc"))

    done = site.lab.tukit("--discard", "execute", "true")

    assert done.returncode == 0
    assert "No changes to the root file system - discarding snapshot." in done.stdout
    assert words_of_plugin(done.stdout) == []
    assert (site.numbers(), site.links(), site.ledger_here()) == (numbers, links, ledger)
    assert {path for path, facts in listing(site.lab.path("/etc")).items() if facts != etc.get(path)} <= {".", ""}


def test_an_update_of_images_alone_with_discard(site: Site, flavour: Flavour) -> None:
    """With /etc as a subvolume tukit takes the snapshot for unchanged, and copies its /etc to the running one."""
    settled(site)
    running = site.lab.running
    site.publish("debug", "1.1", OLD)

    done = site.lab.tukit("--discard", "execute", "true")

    assert done.returncode == 0
    assert "debug: 1.0 -> 1.1, from source main" in done.stdout
    links = {"debug.raw": "debug-1.1.x86-64.raw", "strace.raw": "strace-1.0.x86-64.raw"}
    if flavour is Flavour.MICROOS:
        assert site.default() == running
        assert "discarding snapshot" in done.stdout
        assert site.links() == links
    else:
        assert site.default() != running
        assert site.links(site.default()) == links
    number = site.default()
    assert dict(site.ledger_here()[number]) == links
    told = [event for event in site.json("history", "debug")["events"] if event["snapshot"] == number][-1]
    assert told["kind"] == "replaced"
    by = f"1.0 -> 1.1 by the /etc of snapshot {number + 1}, which was discarded"
    assert told["detail"] == f"debug: {by if flavour is Flavour.MICROOS else '1.0 -> 1.1, from source main'}"
    assert set(site.ledger_here()) == site.numbers()


@pytest.mark.parametrize("stage", ["init-pre", "execute-pre", "execute-post", "resume-post", "keep-pre", "reboot-pre"])
def test_a_stage_that_is_not_ours_starts_no_python(site: Site, stage: str) -> None:
    site.lab.run(
        ["strace", "-f", "-o", "/var/trace", "-e", "trace=execve",
         "/usr/lib/tukit/plugins/50-tukit-sysext", stage, "/tmp/x", "7", "sh", "-c", "exit 3"],
    )  # fmt: skip
    assert len(re.findall(r"execve\(.* = 0$", site.lab.path("/var/trace").read_text(), flags=re.MULTILINE)) == 1


def test_new_images_for_the_same_system_are_taken_by_any_transaction(site: Site) -> None:
    settled(site)
    site.publish("debug", "1.1", OLD)
    site.publish("debug", "1.2", NEW)
    assert "debug: 1.0 -> 1.1, from source main" in site.lab.tukit("execute", "true").stdout
