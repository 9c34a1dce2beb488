# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine with which nothing is wrong."""

from __future__ import annotations

import re
from pathlib import Path

from tests.lab.signing import SigningKey
from tests.machine import PlainMachine, with_source
from tests.trees import Link, make_tree
from tukit_sysext.doctor.system import NEEDED
from tukit_sysext.ledger.ledger import Ledger

SPEC = Path(__file__).resolve().parents[3] / "spec"
UNITS = "usr/lib/systemd/system"
ENABLED = "etc/systemd/system/tukit-sysext.target.wants"
UNIT_FILES = {".service", ".path", ".timer", ".target"}
TUKIT = "usr/lib/tukit/plugins/50-tukit-sysext"
SNAPPER = "usr/lib/snapper/plugins/60-tukit-sysext"
SOURCE = "etc/tukit-sysext/sources.d/main.conf"


_ASKED = (
    '{"sources": {"main": {"asked": 1793527200, "good": 1793527200, "images": 7, "failing": null, "reason": "", '
    '"next_step": "", "refused": false}}}'
)


def vendor_links() -> dict[str, Link]:
    """The links that start our units, as the RPM has them."""
    links = re.findall(r"^%\{_unitdir\}/(\S+\.wants)/(\S+)$", (SPEC / "tukit-sysext.spec").read_text(), re.M)
    return {f"{UNITS}/{folder}/{unit}": Link(f"../{unit}") for folder, unit in links}


def links_of_administrator() -> dict[str, Link]:
    """The links that `systemctl enable tukit-sysext.target` makes."""
    links: dict[str, Link] = {}
    for unit in SPEC.glob("tukit-sysext*.*"):
        for target in re.findall(r"^WantedBy=(.+)$", unit.read_text(), re.M) if unit.suffix != ".spec" else ():
            links[f"etc/systemd/system/{target}.wants/{unit.name}"] = Link(f"/{UNITS}/{unit.name}")
    return links


def healthy(folder: Path) -> PlainMachine:
    """Everything installed, enabled, signed and linked."""
    site = with_source(folder)
    root = site.root
    (root / SOURCE).unlink()
    make_tree(
        root,
        {
            **{path.lstrip("/"): "#!/bin/sh\n" for path in NEEDED},
            TUKIT: "#!/bin/sh\n",
            SNAPPER: "#!/bin/sh\n",
            "usr/sbin/tukit": "#!/bin/sh\necho tukit 6.1.3\n",
            "usr/sbin/transactional-update": "",
            **{f"{UNITS}/{unit.name}": unit.read_text() for unit in SPEC.iterdir() if unit.suffix in UNIT_FILES},
            **vendor_links(),
            **links_of_administrator(),
            f"{UNITS}/systemd-sysext.service": "[Service]\n",
            "etc/systemd/system/sysinit.target.wants/systemd-sysext.service": Link(
                "/usr/lib/systemd/system/systemd-sysext.service"
            ),
            "etc/snapper/configs/root": '# subvolume to snapshot\nSUBVOLUME="/"\n',
            "etc/systemd/import-pubring.gpg": SigningKey.shared().public(),
            SOURCE: "[Source]\nURL=https://images.example.org/\n",
            "var/lib/sysext-store": None,
            "var/lib/tukit-sysext/images": None,
            "var/lib/tukit-sysext/seen": None,
            "var/cache/tukit-sysext": None,
            "var/lib/tukit-sysext/sources.json": _ASKED,
        },
    )
    (root / "proc/self/mountinfo").write_text(
        "25 1 0:25 / / ro,relatime shared:1 - btrfs /dev/vda3 ro,subvol=/@/.snapshots/1/snapshot\n"
    )
    for name in (*(path.lstrip("/") for path in NEEDED), TUKIT, SNAPPER, "usr/sbin/tukit"):
        (root / name).chmod(0o755)
    site.subvolumes.create(root / "var")
    site.want("gdb")
    site.snapshot_with(1, {"gdb": "1.0"}, default=True)
    site.boot(1)
    with Ledger(site.layout.ledger):
        pass
    return site
