# SPDX-License-Identifier: LGPL-2.1-or-later
"""The hook executables towards their callers: arguments, environment, standard input, children, events."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.on_lab.site import OLD, STATE, Site

TUKIT = "/usr/lib/tukit/plugins/50-tukit-sysext"
SNAPPER = "/usr/lib/snapper/plugins/60-tukit-sysext"


@pytest.mark.parametrize(
    "arguments",
    [
        ["finalize-pre"],
        ["finalize-pre", "/"],
        ["finalize-pre", "/", "1; touch /var/evil"],
        ["finalize-pre", "/", "$(touch /var/evil)"],
        ["finalize-pre", "relative", "1"],
        ["finalize-pre", "/nowhere", "1"],
        ["finalize-pre", "/", "0"],
        ["finalize-pre", "/", "-1"],
        ["finalize-pre", "/", "99"],
        ["finalize-pre", "/var", "1"],
        ["finalize-pre", "/ \n", "1", "more"],
    ],
)
def test_arguments_that_cannot_be(site: Site, arguments: list[str]) -> None:
    """L5: one loud line, nothing done, and the transaction is not ours to stop."""
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    done = site.lab.run([TUKIT, *arguments], check=False)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1 and "tukit-sysext" in done.stderr
    assert not site.lab.path("/var/evil").exists()
    assert site.links() == {}


@pytest.mark.parametrize(
    ("plugin", "arguments"),
    [
        (TUKIT, ["finalize-post", "../../../../var/evil"]),
        (TUKIT, ["abort-post", "1\n2"]),
        (TUKIT, ["keep-post"]),
        (TUKIT, []),
        (TUKIT, ["no-such-stage"]),
        (SNAPPER, ["create-snapshot-post", "/", "btrfs", "../../evil"]),
        (SNAPPER, ["create-snapshot-post", "/", "btrfs"]),
        (SNAPPER, ["create-snapshot-post", "/home", "btrfs", "1"]),
        (SNAPPER, ["rollback-post", "/", "btrfs", "x", "y"]),
        (SNAPPER, []),
    ],
)
def test_events_that_cannot_be(site: Site, plugin: str, arguments: list[str]) -> None:
    done = site.lab.run([plugin, *arguments], check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert site.json("history")["events"] == [], "of which the command settles what there is"
    assert site.events() == []
    assert not site.lab.path("/var/evil").exists()


def test_a_poisoned_environment(site: Site) -> None:
    """L7: nothing of the caller's environment reaches Python or its children, and standard input stays the caller's."""
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("open", check=True)
    number = max(site.numbers())
    poison = site.lab.path("/var/poison")
    poison.mkdir()
    evil = "open('/var/evil', 'w').close()\n"
    for name in ("sitecustomize", "usercustomize", "pluggy", "json", "tukit_sysext"):
        (poison / f"{name}.py").write_text(evil)
    # sh does without it, and Python cannot start with it
    (poison / "libz.so.1").write_bytes(b"no library" * 100)
    tree = f"/.snapshots/{number}/snapshot"
    script = f"cd /var/poison && umask 077 && {TUKIT} finalize-pre {tree} {number} && cat"
    done = site.lab.run(
        ["sh", "-c", script],
        input="for the caller",
        env={
            "PYTHONPATH": "/var/poison",
            "PYTHONSTARTUP": "/var/poison/json.py",
            "PYTHONHOME": "/var/poison",
            "LD_LIBRARY_PATH": "/var/poison",
            "LD_PRELOAD": "/var/poison/evil.so",
            "TMPDIR": "/nowhere",
            "TUKIT_SYSEXT_ROOT": "/nowhere",
        },
    )
    assert done.stdout == "debug: 1.0 added, from source main\nfor the caller"
    assert not site.lab.path("/var/evil").exists()
    assert site.links(number) == {"debug.raw": "debug-1.0.x86-64.raw"}
    folder = site.lab.snapshot(number) / "etc/extensions"
    assert folder.stat().st_mode & 0o777 == 0o755, "the umask of the caller does not count"
    assert site.lab.path("/var/lib/sysext-store/debug-1.0.x86-64.raw").stat().st_mode & 0o777 == 0o644


def test_standard_input_is_the_callers(site: Site) -> None:
    """L7: whatever reads it in our process finds nothing in it."""
    site.lab.tukit("open", check=True)
    number = max(site.numbers())
    with site.lab.unlocked():
        reading = site.lab.path("/usr/lib/python3/dist-packages/reading.pth")
        reading.write_text("import sys; open('/var/read', 'w').write(sys.stdin.read())\n")
    script = f"{TUKIT} finalize-pre /.snapshots/{number}/snapshot {number} && cat"
    assert site.lab.run(["sh", "-c", script], input="for the caller").stdout == "for the caller"
    assert site.lab.path("/var/read").read_text() == ""


def test_no_child_holds_the_callers_pipe(site: Site) -> None:
    """C12: tukit reads our standard output to its end."""
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("open", check=True)
    number = max(site.numbers())
    hook = site.lab.enter_command([TUKIT, "finalize-pre", f"/.snapshots/{number}/snapshot", str(number)])
    with subprocess.Popen(hook, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.read() == "debug: 1.0 added, from source main\n"
        assert process.wait(30) == 0


def test_events_are_spooled_where_systemd_runs(site: Site) -> None:
    site.lab.path("/run/systemd/system").mkdir(parents=True)
    site.lab.run([SNAPPER, "create-snapshot-post", "/", "btrfs", "1"])
    site.lab.run([TUKIT, "finalize-post", "1"])
    assert [name.rsplit("-", 1)[0] for name in site.events()] == ["snapper-create-snapshot-post", "tukit-finalize-post"]
    assert not site.lab.path(f"{STATE}/ledger.db").exists()
    site.command("settle")
    assert site.events() == []
    assert set(site.ledger_here()) == site.numbers()


def test_an_event_that_cannot_be_spooled_is_no_loss(site: Site) -> None:
    site.lab.path("/run/systemd/system").mkdir(parents=True)
    site.lab.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/run/tukit-sysext"])
    done = site.lab.run([SNAPPER, "create-snapshot-post", "/", "btrfs", "1"], check=False)
    assert (done.returncode, done.stderr) == (0, "")
    site.lab.run(["umount", "/run/tukit-sysext"])
    site.command("settle")
    assert set(site.ledger_here()) == site.numbers()


def test_a_link_out_of_the_tree_is_not_followed(site: Site) -> None:
    """L4: the update is refused, as the required image has no place; nothing is written where the link leads."""
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    site.lab.path("/var/elsewhere").mkdir()
    site.lab.tukit("open", check=True)
    number = max(site.numbers())
    site.lab.tukit("callext", str(number), "rm", "-rf", "{}/etc/extensions", check=True)
    site.lab.tukit("callext", str(number), "ln", "-s", "/var/elsewhere", "{}/etc/extensions", check=True)
    done = site.lab.tukit("close", str(number))
    assert done.returncode == 75
    assert "etc/extensions: reached through a symbolic link" in done.stderr
    assert list(site.lab.path("/var/elsewhere").iterdir()) == []
    assert number not in site.numbers()


def test_a_shell_that_cannot_fork_stops_nobody(site: Site) -> None:
    """It gives up with a status of its own, which would abort the transaction or fail snapper's action.

    All at the same time: bash tries for 15 seconds.
    """
    strace = ["strace", "-o", "/dev/null", "-e", "inject=clone,clone3,fork,vfork:error=EAGAIN"]
    calls = [
        [TUKIT, "finalize-pre", "/.snapshots/1/snapshot", "1"],
        [TUKIT, "finalize-post", "1"],
        [SNAPPER, "create-snapshot-post", "/", "btrfs", "1"],
    ]
    argvs = [[*strace, shell, *call] for shell in ("dash", "bash") for call in calls]
    with ThreadPoolExecutor(len(argvs)) as threads:
        ended = list(threads.map(lambda argv: site.lab.run(argv, check=False).returncode, argvs))
    assert dict(zip(map(tuple, argvs), ended, strict=True)) == dict.fromkeys(map(tuple, argvs), 0)
