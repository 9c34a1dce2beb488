# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks for virtual machines: with our package, the agent, labels, and policies with our module and without."""

from __future__ import annotations

import os
from pathlib import Path

from tests import selinux
from tests.booted import disk
from tests.lab import Flavour, Lab
from tests.lab.distribution import Distribution
from tests.virtual.base import Base

POLICY = "/etc/selinux/default"
WITH_MODULE = "/etc/selinux/with-module"
PORT = "org.opensuse.tukit-sysext.agent"

_AGENT = Path(__file__).with_name("agent.py")
_AT = "/usr/local/sbin/agent.py"
_UNIT = f"""\
[Unit]
Description=Agent of the tests

[Service]
ExecStartPre=/bin/sh -c 'until [ -e /dev/virtio-ports/{PORT} ]; do sleep 0.1; done'
ExecStart=/usr/bin/python3 -I {_AT} /dev/virtio-ports/{PORT}

[Install]
WantedBy=basic.target
"""

_LABEL = f"""\
set -eu
semodule -n -i /var/tmp/snapper.pp
cp -a {POLICY} {POLICY}.without
semodule -n -i /var/tmp/tukit_sysext.pp
mv {POLICY} {WITH_MODULE}
mv {POLICY}.without {POLICY}
setfiles -m -F -e /proc -e /sys -e /dev -e /run -e /tmp -e /.snapshots {POLICY}/contexts/files/file_contexts /
chcon system_u:object_r:default_t:s0 /.snapshots /.snapshots/1 /.snapshots/1/info.xml
"""


def labelled(base: Base, packages: Path) -> int:
    """The descriptor of a disk whose kernel has a policy and whose files have labels, with our package installed.

    :param packages: a folder in which they are built
    """
    sources = selinux.lay_out(packages / "selinux")
    modules = {selinux.compiled(sources, name): f"/var/tmp/{name}.pp" for name in ("snapper", "tukit_sysext")}
    rpms = [Distribution.of().build_rpm(packages), disk.build_ours(packages)]
    installed = disk.install(base.disk, Flavour.TUMBLEWEED, rpms)
    try:
        image = Path(f"/proc/self/fd/{installed}")
        with Lab.start(Flavour.TUMBLEWEED, image=image, install={_AGENT: _AT, **modules}) as lab:
            lab.path("/etc/systemd/system/agent.service").write_text(_UNIT)
            lab.run(["systemctl", "enable", "agent.service"], env={"SYSTEMD_OFFLINE": "1"})
            lab.path("/etc/sysctl.d").mkdir(exist_ok=True)
            lab.path("/etc/sysctl.d/messages.conf").write_text("kernel.printk_ratelimit = 0\n")
            lab.run(["sh", "-c", _LABEL], timeout=600)
            return lab.end()
    finally:
        os.close(installed)
