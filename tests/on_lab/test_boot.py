# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real systemd boots in the lab, with our units as the RPM installs them: what is bad stays out of the merge."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.images import MARKS
from tests.on_lab.site import OLD, STATE, STORE, Site

pytestmark = pytest.mark.long

OUT = "/var/out"
MASKED = (
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "getty.target",
    "systemd-firstboot.service",
    "systemd-logind.service",
    "systemd-remount-fs.service",
    "systemd-udev-trigger.service",
    "systemd-udevd.service",
)
"""What has no place in a namespace."""

CHECK = f"""\
[Unit]
After=multi-user.target tukit-sysext-refused.service

[Service]
Type=oneshot
ExecStart=-/bin/sh {OUT}/check
ExecStopPost=systemctl --no-block exit
"""

STEPS = f"""\
cd {OUT}
exec 2> errors
ls /usr/{MARKS} > merged
ls /etc/extensions > linked
systemctl is-active systemd-sysext.service tukit-sysext-boot.service > active
systemctl is-failed tukit-sysext-refused.service > refused
# a mark that changed starts the service once more: what counts is how it ends
becomes() {{
    tries=0
    until [ "$(systemctl is-failed tukit-sysext-repair.service)" = $1 ] || [ $((tries += 1)) -gt 50 ]; do
        sleep 0.1
    done
    systemctl is-failed tukit-sysext-repair.service
}}
systemctl start tukit-sysext-repair.service || becomes failed > first-repair
cp /run/tukit-sysext/repair mark
mv /var/away/* /var/images
tukit-sysext verify --repair && echo done > second-repair
becomes inactive > after-repair
systemctl start tukit-sysext-repair.service && systemctl is-failed tukit-sysext-repair.service > nothing-to-repair
systemctl restart systemd-sysext.service
ls /usr/{MARKS} > merged-again
journalctl --no-pager --unit=tukit-sysext-boot.service --unit=tukit-sysext-repair.service > journal
"""


@contextmanager
def control_group() -> Iterator[Path]:
    """A control group in which systemd finds itself at the top."""
    tops = [Path(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines() if " cgroup2 rw" in line]
    if not tops:
        pytest.skip("there is no cgroup2 that can be written")
    group = tops[0] / f"tukit-sysext-{uuid.uuid4()}"
    group.mkdir()
    try:
        yield group
    finally:
        for path in sorted(group.rglob("*"), reverse=True):
            if path.is_dir():
                path.rmdir()
        group.rmdir()


def boot(site: Site) -> None:
    """Boot the lab's system with systemd in namespaces of its own, until it ends by itself."""
    script = (
        "mount --make-rprivate / && mount --make-rshared / && mount -t proc proc /proc && mount -t tmpfs tmpfs /run && "
        "mount -t cgroup2 cgroup2 /sys/fs/cgroup && touch /dev/console && export container=lab && "
        "exec /usr/lib/systemd/systemd --system --log-target=journal --unit=multi-user.target"
    )
    command = site.lab.enter_command(["unshare", "-m", "-p", "-f", "-i", "-u", "-C", "sh", "-c", script])
    with control_group() as group:
        join = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh", *command]
        done = subprocess.run(join, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    assert site.lab.path(f"{OUT}/journal").exists(), done.stdout + done.stderr


def said(site: Site, name: str) -> list[str]:
    path = site.lab.path(f"{OUT}/{name}")
    return path.read_text().split() if path.exists() else []


def test_what_is_bad_is_out_of_the_way_before_the_merge(site: Site) -> None:
    """C13, C14."""
    for name in ("good", "page", "torn"):
        site.publish(name, "1.0", OLD)
        site.want(name)
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    site.lab.path(f"{STORE}/page-1.0.x86-64.raw").write_bytes(b"<html>404 Not Found</html>\n")
    site.lab.path(f"{STATE}/images/page-1.0.x86-64.raw.json").unlink()
    away = site.lab.path("/var/away")
    away.mkdir()
    (site.images / "page-1.0.x86-64.raw").rename(away / "page-1.0.x86-64.raw")
    assert site.update().returncode == 75, "an update is refused, which shows again after the reboot"
    torn = site.lab.path(f"{STORE}/torn-1.0.x86-64.raw")
    torn.write_bytes(torn.read_bytes()[:900])
    # as at the first boot after an installation by transaction, where nothing has made them yet
    shutil.rmtree(site.lab.path("/var/cache/tukit-sysext"))
    shutil.rmtree(site.lab.path(f"{STATE}/seen"))
    with site.lab.unlocked():
        units = site.lab.path("/etc/systemd/system")
        wants = units / "multi-user.target.wants", units / "sysinit.target.wants"
        for folder in wants:
            folder.mkdir(parents=True, exist_ok=True)
        for name in MASKED:
            (units / name).unlink(missing_ok=True)
            (units / name).symlink_to("/dev/null")
        (units / "check.service").write_text(CHECK)
        (wants[0] / "check.service").symlink_to("../check.service")
        (wants[1] / "systemd-sysext.service").unlink(missing_ok=True)
        (wants[1] / "systemd-sysext.service").symlink_to("/usr/lib/systemd/system/systemd-sysext.service")
        site.write("/etc/fstab", "")
    site.lab.path(OUT).mkdir()
    site.write(f"{OUT}/check", STEPS)

    boot(site)

    journal = site.lab.path(f"{OUT}/journal").read_text()
    assert said(site, "merged") == ["good"], journal
    assert said(site, "linked") == ["good.raw"]
    assert said(site, "active") == ["active", "active"]
    assert said(site, "refused") == ["failed"]
    assert said(site, "first-repair") == ["failed"], journal
    mark = site.lab.path(f"{OUT}/mark").read_text()
    assert "page.raw" in mark and "torn.raw" not in mark
    assert said(site, "second-repair") == ["done"], journal
    assert said(site, "after-repair") == ["inactive"], "it was repaired by hand, and no failure is left to show"
    assert said(site, "nothing-to-repair") == ["inactive"]
    assert said(site, "merged-again") == ["good", "page", "torn"]
