# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test machine itself: what the other tests take for granted."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour, Lab, LabError, base

EXTENSION = """\
mkdir -p /run/tree/usr/lib/extension-release.d /run/tree/usr/share/hello
echo hello >/run/tree/usr/share/hello/hello.txt
printf 'ID=_any\\n' >/run/tree/usr/lib/extension-release.d/extension-release.hello
"""
SQUASHFS = "mksquashfs /run/tree /var/lib/hello.raw -quiet -no-progress >/dev/null"
EROFS = "mkfs.erofs --quiet /var/lib/hello.raw /run/tree"
GPT = """\
mksquashfs /run/tree /run/part.squashfs -quiet -no-progress >/dev/null
truncate -s 4M /var/lib/hello.raw
echo 'label: gpt
start=2048, size=4096, type=4f68bce3-e8cd-4db1-96e7-fbcaf984b709' | sfdisk --quiet /var/lib/hello.raw
dd if=/run/part.squashfs of=/var/lib/hello.raw bs=512 seek=2048 conv=notrunc status=none
"""


def sh(lab: Lab, script: str) -> str:
    return lab.run(["sh", "-ec", script]).stdout


def loop_name(device: str) -> str:
    """The backing file that the kernel shows for a loop device, "" when it has none."""
    try:
        return (Path("/sys/block") / Path(device).name / "loop/backing_file").read_text().strip()
    except OSError:
        return ""


class TestLayout:
    def test_a_fresh_lab_has_one_snapshot_that_runs(self, lab: Lab, flavour: Flavour) -> None:
        (only,) = lab.snapshots()
        assert (only.number, only.default, only.active) == (1, True, True)
        assert only.read_only == (flavour is Flavour.MICROOS)

    def test_os_release(self, lab: Lab, flavour: Flavour) -> None:
        assert os.readlink(lab.path("/etc/os-release")) == "../usr/lib/os-release"
        lines = lab.run(["cat", "/etc/os-release"]).stdout.splitlines()
        assert f'ID="opensuse-{flavour.value}"' in lines
        assert {'ID_LIKE="suse opensuse"', 'VERSION_ID="20261101"', 'SYSEXT_LEVEL="glibc-2.42"'} <= set(lines)

    def test_etc_is_writable_and_the_root_as_the_flavour_has_it(self, lab: Lab, flavour: Flavour) -> None:
        sh(lab, "touch /etc/mark /var/mark /root/mark /run/mark /tmp/mark")
        done = lab.run(["touch", "/usr/mark"], check=False)
        assert (done.returncode == 0) == (flavour is Flavour.TUMBLEWEED)
        # The root of a subvolume has inode 256: MicroOS nests one in each snapshot for /etc.
        is_subvolume = lab.snapshot(1).joinpath("etc").stat().st_ino == 256
        assert is_subvolume == (flavour is Flavour.MICROOS)

    def test_unlocked_root_can_be_written_and_is_locked_again(self, lab: Lab, flavour: Flavour) -> None:
        with lab.unlocked():
            sh(lab, "touch /usr/while-unlocked")
        assert lab.snapshot(1).joinpath("usr/while-unlocked").exists()
        done = lab.run(["touch", "/usr/afterwards"], check=False)
        assert (done.returncode == 0) == (flavour is Flavour.TUMBLEWEED)
        assert lab.snapshots()[0].read_only == (flavour is Flavour.MICROOS)

    def test_installed_files_are_there(self, flavour: Flavour, start_lab: StartLab, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        for name in ("usr/share/a", "etc/b", "var/lib/c"):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(name)
        lab = start_lab(flavour, install={tree: "/", tree / "etc/b": "/usr/lib/one/file"})
        inside = sh(lab, "cat /usr/share/a /etc/b /var/lib/c /usr/lib/one/file")
        assert inside == "usr/share/aetc/bvar/lib/cetc/b"


class TestRun:
    def test_streams_and_status(self, lab: Lab) -> None:
        done = lab.run(["sh", "-c", "cat; echo err >&2; exit 5"], input="in", check=False)
        assert (done.stdout, done.stderr, done.returncode) == ("in", "err\n", 5)

    def test_failure_is_raised_with_the_output(self, lab: Lab) -> None:
        with pytest.raises(subprocess.CalledProcessError) as caught:
            lab.run(["sh", "-c", "echo why; exit 1"])
        assert "why" in "".join(caught.value.__notes__)

    def test_nothing_of_our_environment_gets_in(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", "/foreign")
        printed = lab.run(["env"], env={"GIVEN": "yes"}).stdout
        assert "GIVEN=yes" in printed
        assert "PYTHONPATH" not in printed

    def test_a_timeout_ends_the_command(self, lab: Lab) -> None:
        with pytest.raises(subprocess.TimeoutExpired):
            lab.run(["sh", "-c", "sleep 1000"], timeout=0.2)
        assert "sleep" not in sh(lab, "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | sed 's/sh -ec.*//'")

    def test_a_stopped_lab_says_so(self, lab: Lab) -> None:
        lab.stop()
        lab.stop()
        with pytest.raises(LabError, match="stopped"):
            lab.run(["true"])

    def test_tools_are_there(self, lab: Lab) -> None:
        sh(lab, "command -v snapper btrfs rpm rsync gpgv strace systemd-dissect systemd-sysext mksquashfs sfdisk")
        sh(lab, "/usr/bin/python3 -I -c 'import pluggy, packaging, btrfsutil, pyrpm.spec'")


class TestSnapshots:
    def test_create_and_delete(self, lab: Lab, flavour: Flavour) -> None:
        sh(lab, "echo text >/etc/written-by-test")
        number = int(lab.run(["snapper", "--no-dbus", "create", "--print-number", "--userdata", "a=b,c=d"]).stdout)
        created = next(row for row in lab.snapshots() if row.number == number)
        assert created.read_only
        assert created.userdata == {"a": "b", "c": "d"}
        # With 50-etc on MicroOS, as part of the tree on Tumbleweed: /etc is in the snapshot either way.
        assert lab.snapshot(number).joinpath("etc/written-by-test").read_text() == "text\n"
        lab.run(["snapper", "--no-dbus", "delete", str(number)])
        assert [row.number for row in lab.snapshots()] == [1]
        assert f"snapshots/{number}/" not in lab.run(["btrfs", "subvolume", "list", "/"]).stdout

    def test_etc_of_a_snapshot_comes_from_its_parent(self, lab: Lab) -> None:
        lab.tukit("execute", "sh", "-c", "echo first >/etc/origin", check=True)
        lab.tukit("--continue", "execute", "sh", "-c", "echo second >>/etc/origin", check=True)
        assert lab.snapshot(2).joinpath("etc/origin").read_text() == "first\n"
        assert lab.snapshot(3).joinpath("etc/origin").read_text() == "first\nsecond\n"
        assert not lab.path("/etc/origin").exists()

    def test_reboot_goes_to_the_default(self, lab: Lab) -> None:
        sh(lab, "touch /run/before /tmp/before /var/lib/before")
        lab.tukit("execute", "sh", "-c", "touch /usr/new /etc/new", check=True)
        assert (lab.running, lab.default) == (1, 2)
        lab.reboot()
        assert (lab.running, lab.default) == (2, 2)
        sh(lab, "ls -d /usr/new /etc/new /var/lib/before")
        assert not lab.path("/run/before").exists()
        assert not lab.path("/tmp/before").exists()

    def test_rollback_by_snapper(self, lab: Lab, flavour: Flavour) -> None:
        """The ambit follows from the root: transactional where it is read-only, classic where it is not."""
        lab.tukit("execute", "touch", "/usr/new", check=True)
        lab.reboot()
        said = lab.run(["snapper", "--no-dbus", "rollback", "1"]).stdout
        assert f"Ambit is {'transactional' if flavour is Flavour.MICROOS else 'classic'}." in said
        assert lab.default == (1 if flavour is Flavour.MICROOS else 4)
        lab.reboot()
        assert lab.running == lab.default
        assert not lab.path("/usr/new").exists()

    def test_rollback_by_tukit(self, lab: Lab) -> None:
        lab.tukit("execute", "touch", "/usr/new", check=True)
        lab.tukit("rollback", "1", check=True)
        lab.reboot()
        assert not lab.path("/usr/new").exists()


class TestTukit:
    """What no recording covers, or only with one layout of /etc."""

    def test_a_transaction_leaves_nothing_mounted(self, lab: Lab) -> None:
        lab.tukit("execute", "true", check=True)
        lab.tukit("execute", "false")
        assert "transactional-update" not in lab.path("/proc/1/mountinfo").read_text()
        assert list(lab.path("/tmp").iterdir()) == []

    def test_discard_of_a_change_in_etc_alone(self, lab: Lab, flavour: Flavour) -> None:
        lab.tukit("--discard", "execute", "touch", "/etc/written-by-test", check=True)
        if flavour is Flavour.MICROOS:
            # A nested subvolume is not watched: discarded, and what it brought goes to the running /etc.
            assert [row.number for row in lab.snapshots()] == [1]
            assert lab.path("/etc/written-by-test").exists()
        else:
            assert lab.default == 2
            assert not lab.path("/etc/written-by-test").exists()

    def test_a_killed_plugin_aborts(self, lab: Lab) -> None:
        self.add_plugin(lab, "/etc/tukit/plugins/killed", 'if [ "$1" = execute-pre ]; then kill -9 $$; fi')
        assert lab.tukit("execute", "true").returncode == 128 + signal.SIGKILL
        assert [row.number for row in lab.snapshots()] == [1]

    def test_plugins_in_etc_shadow_and_mask(self, lab: Lab) -> None:
        with lab.unlocked():
            for name in ("shadowed", "masked", "plain"):
                self.add_plugin(lab, f"/usr/lib/tukit/plugins/{name}", f"[ $1 = init-pre ] && echo {name} from usr; :")
        self.add_plugin(lab, "/etc/tukit/plugins/shadowed", "[ $1 = init-pre ] && echo shadowed from etc; :")
        lab.path("/etc/tukit/plugins/masked").symlink_to("/dev/null")
        lab.path("/etc/tukit/plugins/not-executable").write_text("#!/bin/sh\necho never\n")
        said = lab.tukit("execute", "true", check=True).stdout
        assert "plain from usr" in said
        assert "shadowed from etc" in said
        for absent in ("shadowed from usr", "masked from", "never"):
            assert absent not in said

    def test_what_a_plugin_inherits(self, lab: Lab) -> None:
        self.add_plugin(
            lab,
            "/etc/tukit/plugins/show",
            'if [ "$1" = finalize-pre ]; then echo "$PATH|$GIVEN|$(umask)|$(pwd)"; cat; echo loud >&2; fi',
        )
        done = lab.tukit("execute", "true", input="from stdin\n", env={"GIVEN": "yes", "PATH": "/usr/bin:/usr/sbin:/x"})
        assert "/usr/bin:/usr/sbin:/bin:/sbin|yes|0022|/\nfrom stdin\n---" in done.stdout
        assert done.stderr == "loud\n"

    def test_stages_have_the_tree_mounted(self, lab: Lab) -> None:
        script = 'if [ "$1" = finalize-pre ]; then findmnt -n -o FSROOT "$2"; touch "$2/usr/by-plugin"; fi'
        self.add_plugin(lab, "/etc/tukit/plugins/mounted", script)
        assert "/@/.snapshots/2/snapshot" in lab.tukit("execute", "true", check=True).stdout
        assert lab.snapshot(2).joinpath("usr/by-plugin").exists()

    def test_only_one_at_a_time(self, lab: Lab) -> None:
        """While one runs (it waits for its command's input to end) another fails at once."""
        command = lab.enter_command(["tukit", "execute", "sh", "-c", "echo running; cat"])
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
            assert first.stdin is not None and first.stdout is not None
            for line in first.stdout:
                if line == "running\n":
                    break
            second = lab.tukit("execute", "true")
            first.stdin.close()
            first.stdout.read()
        assert second.returncode == 1
        assert "ERROR: Another instance of tukit is already running" in second.stderr
        assert first.returncode == 0

    def test_nested_transactions_are_refused(self, lab: Lab) -> None:
        done = lab.tukit("open", env={"TRANSACTIONAL_UPDATE": "true"})
        assert done.returncode == 1
        assert "from within a running transaction" in done.stderr

    def test_a_closed_snapshot_cannot_be_resumed(self, lab: Lab) -> None:
        lab.tukit("execute", "true", check=True)
        assert "Snapshot 2 is not an open transaction." in lab.tukit("call", "2", "true").stderr
        assert "Snapshot 77 does not exist." in lab.tukit("close", "77").stderr

    def test_quiet_and_snapshots(self, lab: Lab) -> None:
        assert lab.tukit("-q", "--fields=number,default", "snapshots").stdout == "0\tno\t\n1\tyes\t\n"

    @staticmethod
    def add_plugin(lab: Lab, path: str, script: str) -> None:
        file = lab.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)


class TestExtensions:
    @pytest.mark.parametrize("make", [SQUASHFS, EROFS, GPT], ids=["squashfs", "erofs", "gpt"])
    def test_dissect_and_merge(self, lab: Lab, make: str) -> None:
        sh(lab, EXTENSION + make)
        release = "/usr/lib/extension-release.d/extension-release.hello"
        lab.run(["systemd-dissect", "--copy-from", "/var/lib/hello.raw", release, "/run/copied"])
        assert lab.path("/run/copied").read_text() == "ID=_any\n"
        sh(lab, "mkdir -p /etc/extensions; ln -s /var/lib/hello.raw /etc/extensions/hello.raw; systemd-sysext merge")
        assert sh(lab, "cat /usr/share/hello/hello.txt") == "hello\n"
        sh(lab, "systemd-sysext unmerge")
        assert not lab.path("/usr/share/hello").exists()
        # Had the image's loop device stayed, it would keep the lab's disk from going with the lab.
        assert "hello.raw" not in sh(lab, "losetup --list")


class TestNothingIsLeft:
    def test_stop(self, flavour: Flavour) -> None:
        with Lab.start(flavour) as lab:
            device, name = lab.device, loop_name(lab.device)
            assert name
        # Another lab may have taken the device by now, but the file was ours alone.
        assert loop_name(device) != name

    def test_two_at_once(self, flavour: Flavour, start_lab: StartLab) -> None:
        one, two = start_lab(flavour, name="one"), start_lab(flavour, name="two")
        assert one.device != two.device
        sh(one, "touch /var/only-in-one")
        assert not two.path("/var/only-in-one").exists()
        one.tukit("execute", "true", check=True)
        assert [len(each.snapshots()) for each in (one, two)] == [2, 1]
        assert [sh(each, "hostname || cat /proc/sys/kernel/hostname").strip() for each in (one, two)] == ["one", "two"]

    def test_the_host_sees_no_mount(self, lab: Lab) -> None:
        assert lab.device not in Path("/proc/self/mountinfo").read_text()

    def test_owner_killed(self, flavour: Flavour) -> None:
        """SIGKILL to the process that owns a lab, while a command and an image are busy in it."""
        script = f"""
import sys
from tests.lab import Flavour, Lab
lab = Lab.start(Flavour({flavour.value!r}))
lab.run(["sh", "-ec", {EXTENSION + SQUASHFS!r}])
lab.run(["sh", "-c", "mkdir -p /run/m; systemd-dissect --mount /var/lib/hello.raw /run/m"])
lab.run(["sh", "-c", "sleep 1000 >/dev/null 2>&1 & mount --bind /usr /mnt"])
print(lab.pid, lab.device, flush=True)
sys.stdin.read()
"""
        project = Path(__file__).parents[2]
        with subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=project
        ) as owner:
            assert owner.stdout is not None
            pid, device = owner.stdout.readline().split()
            holder = os.pidfd_open(int(pid))
            try:
                name = loop_name(device)
                assert name
                owner.kill()
                assert select.select([holder], [], [], 30)[0], "the lab's first process is still there"
            finally:
                os.close(holder)
        assert loop_name(device) != name
        assert device not in Path("/proc/self/mountinfo").read_text()
        loops = subprocess.run(["losetup", "--list"], capture_output=True, text=True, check=True).stdout
        assert "hello.raw" not in loops

    def test_host_cannot_be_written(self, lab: Lab, tmp_path: Path) -> None:
        """No path of the host is inside, and what the kernel has but once is read-only."""
        marker = tmp_path / "marker"
        marker.write_text("host")
        assert not lab.path(marker).exists()
        for target in ("/proc/sys/kernel/hostname", "/sys/kernel/uevent_helper", "/proc/sysrq-trigger"):
            assert lab.run(["sh", "-c", f"echo x >{target}"], check=False).returncode != 0, target
        assert lab.run(["touch", "/dev/.kernel/new"], check=False).returncode != 0
        shared = sh(lab, "findmnt --raw --noheadings --output SOURCE,FSTYPE,TARGET")
        foreign = {
            line.split()[0]
            for line in shared.splitlines()
            if line.split()[1] not in ("proc", "sysfs", "tmpfs", "devpts", "devtmpfs")
        }
        assert {source.partition("[")[0] for source in foreign} == {lab.device}
        host_disks = [disk.name for disk in Path("/sys/block").iterdir() if not disk.name.startswith("loop")]
        for name in host_disks:
            assert not lab.path(f"/dev/{name}").exists()
            assert not lab.path(f"/dev/.kernel/{name}").is_block_device()


class TestBase:
    def test_missing_tools_are_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(base, "CACHE", tmp_path)
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(LabError, match=r"needs debootstrap, mkfs\.btrfs.*\nHint: apt-get install debootstrap"):
            base.disk_for("microos")

    def test_failing_debootstrap_says_why_and_leaves_nothing(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(base, "CACHE", tmp_path)
        monkeypatch.setattr(base, "host_mirror", lambda: "file:///nowhere/debian")
        with pytest.raises(LabError, match=r"(?s)debootstrap failed.*Hint: is file:///nowhere/debian reachable"):
            base.disk_for("microos")
        assert [entry.name for entry in tmp_path.iterdir()] == ["lock"]


class TestCommand:
    """tests/lab/lab, as people use it."""

    LAB = Path(__file__).parents[1] / "lab/lab"

    def lab(self, *words: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.LAB, *words], input=input, capture_output=True, text=True)

    def test_a_lab_stays_until_it_is_stopped(self, flavour: Flavour, tmp_path: Path) -> None:
        name = f"test-{os.getpid()}"
        (tmp_path / "file").write_text("given\n")
        started = self.lab("start", name, "--flavour", flavour.value, "--install", f"{tmp_path}/file:/usr/lib/given")
        try:
            assert started.returncode == 0, started.stderr
            assert "runs already" in self.lab("start", name).stderr
            assert self.lab("run", "--name", name, "cat", "/usr/lib/given").stdout == "given\n"
            assert self.lab("run", "--name", name, "tukit", "execute", "true").returncode == 0
            assert self.lab("reboot", name).returncode == 0
            assert name in self.lab("list").stdout
            shell = self.lab("sh", name, input="findmnt -n -o FSROOT /; exit 3\n")
            assert (shell.stdout.strip(), shell.returncode) == ("/@/.snapshots/2/snapshot", 3)
        finally:
            stopped = self.lab("stop", name)
        assert stopped.returncode == 0, stopped.stderr
        assert name not in self.lab("list").stdout
        assert f"no lab named {name}" in self.lab("stop", name).stderr
