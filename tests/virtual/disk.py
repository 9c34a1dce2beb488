# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks for virtual machines: with our package, the agent, labels, and policies with our module and without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from tests import selinux
from tests.booted import disk
from tests.lab import Flavour, Lab
from tests.lab.distribution import Distribution
from tests.virtual.base import Base

FLAVOUR = Flavour.TUMBLEWEED
POLICY = "/etc/selinux/default"
WITH_MODULE = "/etc/selinux/with-module"
PORT = "org.opensuse.tukit-sysext.agent"

AGENT = Path(__file__).with_name("agent.py")
AGENT_AT = "/usr/local/sbin/agent.py"
_UNIT = f"""\
[Unit]
Description=Agent of the tests
ConditionVirtualization=!container

[Service]
ExecStartPre=/bin/sh -c 'until [ -e /dev/virtio-ports/{PORT} ]; do sleep 0.1; done'
ExecStart=/usr/bin/python3 -I {AGENT_AT} /dev/virtio-ports/{PORT}

[Install]
WantedBy=basic.target
"""

_TIMERS = ("snapper-boot.timer", "snapper-cleanup.timer", "snapper-timeline.timer")
"""Whose snapshots would come among those of the tests."""

_LABEL = f"""\
set -eu
semodule -n -i /var/tmp/snapper.pp
cp -a {POLICY} {POLICY}.without
semodule -n -i /var/tmp/tukit_sysext.pp
mv {POLICY} {WITH_MODULE}
mv {POLICY}.without {POLICY}
file_systems=$(findmnt --noheadings --list --output TARGET --types btrfs | grep -v '^/\\.snapshots')
setfiles -m -F -e /.snapshots {POLICY}/contexts/files/file_contexts $file_systems
chcon system_u:object_r:default_t:s0 /.snapshots /.snapshots/1 /.snapshots/1/info.xml
"""


def prepared(
    base: Base, packages: Path, prepare: Callable[[Lab], object], *, flavour: Flavour = FLAVOUR,
    ours: Path | None = None, files: Mapping[Path, str] = MappingProxyType({}),
) -> int:  # fmt: skip
    """The descriptor of a disk for a machine of qemu that has our package and the agent, prepared as a lab.

    :param packages: a folder in which packages are built
    :param flavour: whose layout the disk has
    :param ours: our package, where it is not to be built from this project
    :param files: more files, with their places on the disk
    """
    rpms = [Distribution.of().build_rpm(packages), ours or disk.build_ours(packages)]

    def with_agent(lab: Lab) -> None:
        lab.path("/etc/systemd/system/agent.service").write_text(_UNIT)
        lab.run(["systemctl", "enable", "agent.service"], env={"SYSTEMD_OFFLINE": "1"})
        prepare(lab)

    return disk.install(base.disk_of(flavour), flavour, rpms, files={AGENT: AGENT_AT, **files}, prepare=with_agent)


def labelled(base: Base, packages: Path) -> int:
    """The descriptor of a disk whose kernel has a policy and whose files have labels, with our package installed.

    :param packages: a folder in which they are built
    """

    def label(lab: Lab) -> None:
        lab.run(["systemctl", "mask", *_TIMERS], env={"SYSTEMD_OFFLINE": "1"})
        lab.run(["sh", "-c", _LABEL], timeout=600)

    sources = selinux.lay_out(packages / "selinux")
    modules = {selinux.compiled(sources, name): f"/var/tmp/{name}.pp" for name in ("snapper", "tukit_sysext")}
    return prepared(base, packages, label, files=modules)
