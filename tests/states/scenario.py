# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a machine of a lab goes through until its state has something of everything. Commands and hooks do all of it."""

from __future__ import annotations

from datetime import datetime

from tests.lab.chunks import write_index
from tests.lab.images import make_image
from tests.lab.repository import Repository
from tests.on_lab.site import NEW, OLD, STORE, Site
from tests.packing import pack

ANY = {"ID": "_any"}
NEXT = {"ID": "opensuse-microos", "VERSION_ID": "20261215", "SYSEXT_LEVEL": "glibc-2.44"}
"""The system of an update that is refused."""

EARLIER, LATER = datetime(2025, 3, 1, 12), datetime(2025, 4, 1, 12)
"""When the lists say that they were signed."""

_PROGRAM = "#!/usr/bin/sh\n"
"""Something that needs something."""

KEY_MADE = datetime(2025, 2, 1, 12)
"""Long ago: gpgv believes no key that was made after its own clock."""


def published(site: Site, signed: datetime) -> None:
    """List and sign what is published, with indexes of chunks, which older code does not know."""
    assert site.web is not None
    for image in site.web.repository.folder.glob("*.raw"):
        write_index(image)
    site.web.repository.write_list()
    site.web.repository.sign(site.web.key, time=signed)


def configure(site: Site, grace: str = "7d") -> None:
    """Write the main configuration file."""
    text = f"[Network]\nDeadline=5s\n[Store]\nGrace={grace}\nStoreMax=1G\n"
    site.write("/etc/tukit-sysext/tukit-sysext.conf", text)


def begin(site: Site) -> None:
    """Images are published; the first transaction brings them; two come by hand, and one of them is adopted."""
    repository = _repository(site)
    for name, version, release in (
        ("debug", "1.0", OLD),
        ("editor", "1.0", ANY),
        ("passing", "1.0", ANY),
        ("probe", "1.0", OLD),
        ("shell", "1.0", ANY),
        ("tools", "1.0", ANY),
    ):
        keys = {**release, **({} if release is ANY else site.identity)}
        repository.publish(name, version, keys, files={f"bin/{name}": _PROGRAM})
    published(site, EARLIER)
    configure(site)
    site.want("debug")
    site.want("probe", policy="optional")
    site.command("install", "tools", "shell")
    for name in ("byhand", "foreign"):
        put_by_hand(site, name)
    site.command("adopt", "byhand")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    site.command("verify", "--boot")


def work(site: Site) -> None:
    """An update replaces one image and leaves another out; commands are used, snapshots come and go, one is refused."""
    repository = _repository(site)
    repository.publish("debug", "1.1", {**NEW, **site.identity})
    repository.publish("tools", "1.1", ANY)
    pack(repository.publish("packed", "1.0", ANY), "xz")
    published(site, LATER)
    assert site.update().returncode == 0
    site.lab.reboot()
    site.command("verify", "--boot")
    site.command("install", "packed")
    site.command("hold", "tools=1.1")
    site.command("block", "shell=0.9")
    configure(site, grace="0s")
    for name in ("passing", "editor"):
        site.command("install", name)
        site.command("remove", name)
        if name == "passing":
            site.command("gc")
            site.command("gc")
    configure(site)
    extra = site.lab.run(["snapper", "--no-dbus", "create", "-p"]).stdout.strip()
    site.lab.run(["snapper", "--no-dbus", "delete", extra])
    site.command("gc")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    site.command("verify", "--boot")
    for _ in range(2):
        refused = site.update(release=NEXT)
        assert refused.returncode == 75, refused


def end(site: Site) -> None:
    """An image is damaged and quarantined, a transaction is open, and an event waits to be settled."""
    damage(site, "shell-1.0.x86-64.raw")
    site.command("verify", "--boot", check=False)
    site.lab.tukit("open", check=True)
    site.lab.path("/run/systemd/system").mkdir(parents=True)
    site.lab.run(["snapper", "--no-dbus", "create", "-p"])
    site.lab.path("/run/systemd/system").rmdir()


def put_by_hand(site: Site, name: str) -> None:
    """Put an image into the store and link it, as another tool does."""
    make_image(site.lab.path(STORE), name, "3.0", release=ANY, manifest=None)
    site.lab.path(f"/etc/extensions/{name}.raw").symlink_to(f"{STORE}/{name}-3.0.x86-64.raw")


def damage(site: Site, file_name: str) -> None:
    """Change a byte of an image in the store."""
    path = site.lab.path(f"{STORE}/{file_name}")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _repository(site: Site) -> Repository:
    assert site.web is not None
    return site.web.repository
