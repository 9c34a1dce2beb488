# SPDX-License-Identifier: LGPL-2.1-or-later
"""The systemd units, as the RPM installs them, through systemd's own checks."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.on_lab.sandbox import settings_of
from tests.rpm import TOP, build_rpm, payload
from tukit_sysext.layout import Layout

pytestmark = [pytest.mark.tool("systemd-analyze", "rpmbuild"), pytest.mark.rpm]

UNITS = Path("usr/lib/systemd/system")
PRESET = TOP / "spec/tukit-sysext.preset"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with our units and the host's targets that they refer to."""
    units = tmp_path / "root" / UNITS
    units.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(payload(build_rpm(tmp_path)))) as archive:
        for member in archive:
            if Path(member.name).parent == UNITS and (content := archive.extractfile(member)):
                (units / Path(member.name).name).write_bytes(content.read())
    for target in ("basic", "multi-user", "network-online", "paths", "shutdown", "sysinit", "timers"):
        shutil.copy(Path("/usr/lib/systemd/system") / f"{target}.target", units)
    commands = tmp_path / "root" / "usr" / "bin"
    commands.mkdir()
    for command in ("rm", "sh", "sleep", "systemd-sysext", "test", "touch", "tukit-sysext"):
        (commands / command).touch(mode=0o755)
    guard = tmp_path / "root/usr/libexec/tukit-sysext/guard"
    guard.parent.mkdir(parents=True)
    guard.touch(mode=0o755)
    return tmp_path / "root"


SINCE_254 = ("RestartSteps", "RestartMaxDelaySec")
"""Keys that an older systemd does without."""


def verify(root: Path) -> str:
    """What `systemd-analyze verify` complains of; its status is 0 for an unknown key."""
    names = sorted(path.name for path in (root / UNITS).glob("tukit-sysext*"))
    assert len(names) >= 4
    done = subprocess.run(
        ["systemd-analyze", "verify", f"--root={root}", "--man=no", *names],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = [line for line in done.stdout.splitlines() if not any(f"Unknown key '{key}'" in line for key in SINCE_254)]
    return "\n".join(lines) or (f"status {done.returncode}" if done.returncode else "")


def test_systemd_finds_nothing_wrong(root: Path) -> None:
    assert verify(root) == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [("Type=oneshot", "Type=oneshot\nUnheardOf=yes"), ("/usr/bin/tukit-sysext", "/usr/bin/elsewhere")],
)
def test_it_would_find_something(root: Path, old: str, new: str) -> None:
    unit = root / UNITS / "tukit-sysext-refused.service"
    unit.write_text(unit.read_text().replace(old, new))
    assert "tukit-sysext-refused.service" in verify(root)


def links(root: Path) -> dict[str, set[str]]:
    """What an administrator switched on, by what starts it."""
    folders = (root / "etc/systemd/system").glob("*.wants")
    return {folder.name: {path.name for path in folder.iterdir()} for folder in folders}


def systemctl(root: Path, *arguments: str) -> None:
    subprocess.run(["systemctl", f"--root={root}", *arguments], check=True, stdin=subprocess.DEVNULL)


def test_one_command_switches_all_on_and_each_part_can_be_switched_off(root: Path) -> None:
    assert links(root) == {}
    parts = {
        "adapt.path",
        "settle.path",
        "snapshots.path",
        "refused.path",
        "repair.path",
        "repair.timer",
        "gc.timer",
        "provision.timer",
    }
    all_parts = {f"tukit-sysext-{part}" for part in parts}
    systemctl(root, "enable", "tukit-sysext.target")
    target = {"multi-user.target.wants": {"tukit-sysext.target"}}
    assert links(root) == {**target, "tukit-sysext.target.wants": all_parts}
    systemctl(root, "disable", "tukit-sysext-gc.timer")
    assert links(root) == {**target, "tukit-sysext.target.wants": all_parts - {"tukit-sysext-gc.timer"}}
    systemctl(root, "disable", "tukit-sysext.target")
    assert links(root) == {}


def test_what_a_distribution_would_preset_is_what_the_command_switches_on(root: Path) -> None:
    systemctl(root, "enable", "tukit-sysext.target")
    by_hand = links(root)
    systemctl(root, "disable", "tukit-sysext.target")
    presets = root / "usr/lib/systemd/system-preset"
    presets.mkdir()
    shutil.copy(PRESET, presets / "90-default.preset")
    (presets / "99-default.preset").write_text("disable *\n")
    systemctl(root, "preset-all")
    assert links(root) == by_hand


# what repairs speaks to servers, and mounts images to look into them
@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("settle", 30),
        ("snapshots", 15),
        ("refused", 30),
        ("boot", 30),
        ("gc", 35),
        ("repair", 40),
        ("provision", 40),
        ("adapt", 40),
    ],
)
def test_the_services_are_confined(root: Path, name: str, figure: int) -> None:
    """systemd's figure for exposure, times ten: below 30 counts as confined, and 96 is a unit without a word."""
    unit = root / UNITS / f"tukit-sysext-{name}.service"
    command = ["systemd-analyze", "security", "--no-pager", "--offline=yes", f"--threshold={figure}"]
    assert subprocess.run([*command, str(unit)], check=False, stdout=subprocess.DEVNULL).returncode == 0
    lines = unit.read_text().splitlines()
    unit.write_text("\n".join(line for line in lines if not line.startswith(("Capability", "Restrict"))))
    assert subprocess.run([*command, str(unit)], check=False, stdout=subprocess.DEVNULL).returncode != 0


FOLDERS = {
    "StateDirectory": ["tukit-sysext tukit-sysext/images tukit-sysext/seen sysext-store"],
    "CacheDirectory": ["tukit-sysext"],
    "RuntimeDirectory": ["tukit-sysext tukit-sysext/events"],
    "RuntimeDirectoryPreserve": ["yes"],
}
"""What a service makes where it is missing: systemd does, also where the service itself sees a read-only system."""


@pytest.mark.parametrize("name", ["adapt", "boot", "gc", "provision", "repair", "settle"])
def test_a_service_does_not_wait_for_its_folders(name: str) -> None:
    settings = settings_of(f"tukit-sysext-{name}.service")
    assert {key: settings.get(key) for key in FOLDERS} == FOLDERS
    assert settings["ProtectSystem"] == ["strict"], "so that what is missing could not be made from within"


def test_the_guard_is_before_whatever_merges() -> None:
    """A configuration extension makes /etc a read-only overlay, in which no link could be moved."""
    (before,) = settings_of("tukit-sysext-boot.service", "Unit")["Before"]
    assert {"systemd-sysext.service", "systemd-confext.service"} <= set(before.split())


@pytest.mark.parametrize(("name", "mark"), [("refused", "refused.json"), ("repair", "repair")])
def test_without_a_mark_no_python_is_started(name: str, mark: str) -> None:
    settings = settings_of(f"tukit-sysext-{name}.service")
    assert settings["ExecCondition"] == [f"/usr/bin/test -e /run/tukit-sysext/{mark}"]
    assert [key for key in settings if key.startswith("Exec")] == ["ExecCondition", "ExecStart"]


def test_what_comes_while_images_are_brought_in_line_is_another_run() -> None:
    """The mark goes first; the path unit looks at it again when the service ends."""
    settings = settings_of("tukit-sysext-adapt.service")
    assert settings["ExecStartPre"] == [f"/usr/bin/rm -f {Layout().adapt}"]
    assert settings["ExecStart"] == ["/usr/bin/tukit-sysext adapt"]
    assert settings_of("tukit-sysext-adapt.path", "Path") == {"PathExists": [str(Layout().adapt)]}


def test_what_merges_by_itself_fails_where_something_is_merged() -> None:
    """`merge` does, by its own word in systemd-sysext(8); `refresh` would replace and remove."""
    assert settings_of("tukit-sysext-merge.service")["ExecStart"] == ["/usr/bin/systemd-sysext merge"]


def test_a_slow_machine_refuses_nothing() -> None:
    """A Python that starts needed more than 30 seconds on an emulated machine, and a timeout shows as a refusal."""
    assert settings_of("tukit-sysext-refused.service")["TimeoutStartSec"] == ["15min"]


def test_snapshots_are_seen_without_any_plugin() -> None:
    """What was noted is seen whenever it came, so that noting, and not settling, is what changes start."""
    assert settings_of("tukit-sysext-snapshots.path", "Path") == {"PathChanged": ["/.snapshots"]}
    assert settings_of("tukit-sysext-snapshots.service")["ExecStart"] == [f"/usr/bin/touch {Layout().events}/snapshots"]
    settle = settings_of("tukit-sysext-settle.path", "Path")
    assert settle["DirectoryNotEmpty"] == [str(Layout().events)] and "PathChanged" not in settle
    assert "tukit-sysext-snapshots.service" in settings_of("tukit-sysext-settle.service", "Unit").get("After", ())


def test_repair_is_tried_when_the_network_comes_up() -> None:
    """Each of those that set it up on a distribution that we know of writes one of these."""
    watched = settings_of("tukit-sysext-repair.path", "Path")["PathChanged"]
    assert {
        "/run/NetworkManager/resolv.conf",
        "/run/netconfig/resolv.conf",
        "/run/systemd/resolve/resolv.conf",
        "/run/systemd/netif/state",
        "/etc/resolv.conf",
    } < set(watched)
