# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repositories as publishers lay them out, behind servers that redirect to others, one of them behind: install,
update, refuse, roll back.

What the servers do is taken from: download.opensuse.org (MirrorCache redirects everything to mirrors, some of which are
behind, and its list is full of other appliances), the Caddyfile of Flatcar's sysext-bakery (everything is on the
release pages of a forge, which lead to a CDN whose URLs are signed; nothing is signed by OpenPGP), fedora-sysexts (a
folder for each image, its files on the release pages, its list is not), Kairos (a file server, with ``.sysext.raw``),
and the output directory of mkosi (manifests, other outputs, packed images).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.lab.authority import Authority
from tests.lab.faults import Redirect
from tests.lab.images import ManifestKind, make_image, write_checksums
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.on_lab.site import NEW, OLD, Site, Web
from tests.packing import pack

NEXT = {"ID": "opensuse-microos", "VERSION_ID": "20261215", "SYSEXT_LEVEL": "glibc-2.44"}
SECRET = "geheim"  # noqa: S105  # of the test's own CDN


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How a publisher names, describes, signs and serves.

    ``name`` of the image's file, with ``{}`` for the version; ``beside`` are other files, ``query`` is what the URLs of
    the CDN are signed with. ``redirected`` are patterns of what comes from other hosts; over HTTP where ``falls_back``.
    """

    name: str
    redirected: tuple[str, ...]
    manifest: bool = False
    signed: bool = True
    armoured: bool = False
    packing: str = ""
    beside: tuple[str, ...] = ()
    query: str = ""
    falls_back: bool = False

    def publish(self, folder: Path, version: str, release: dict[str, str], key: SigningKey) -> None:
        """Put a version there, list and sign all."""
        file_name = self.name.format(version)
        manifest: ManifestKind | None = "mkosi.gz" if self.manifest else None
        image = make_image(folder, "debug", version, release=release, manifest=manifest, file_name=file_name)
        if self.packing:
            pack(image, self.packing)
        for other in self.beside:
            (folder / other).write_bytes(other.encode())
        write_checksums(folder)
        if self.signed:
            Repository(folder).sign(key, armoured=self.armoured)


LAYOUTS = {
    "openSUSE": Layout(
        name="debug-{}.x86-64.raw",
        redirected=("*",),
        manifest=True,
        armoured=True,
        beside=(
            "openSUSE-MicroOS.x86_64-16.0.0-kvm-and-xen-Snapshot20260101.qcow2",
            "openSUSE-Tumbleweed-Minimal-VM.x86_64-16.0.0-kvm-and-xen-Snapshot20260101.raw.xz",
            "openSUSE-MicroOS.x86_64-ContainerHost-SelfInstall.iso",
            "openSUSE-MicroOS.x86_64.packages",
            "debug-1.0.x86-64.report",
        ),
    ),
    "bakery": Layout(name="debug-v{}-x86-64.raw", redirected=("*",), signed=False, query=f"?X-Amz-Signature={SECRET}"),
    "fedora-sysexts": Layout(name="debug-{}-1.fc42-42-x86-64.raw", redirected=("*.raw",), signed=False),
    "Kairos": Layout(name="debug-v{}-amd64.sysext.raw", redirected=("*.raw",), falls_back=True),
    "mkosi": Layout(
        name="debug_{}_x86-64.raw",
        redirected=("*.raw.xz",),
        packing="xz",
        beside=("debug.vmlinuz", "debug.efi", "debug.cache", "debug.changelog"),
    ),
}


@dataclass(kw_only=True)
class Publisher:
    """A publisher: the configured server, the host that is right, and the one that is behind."""

    layout: Layout
    site: Site
    key: SigningKey
    folder: Path
    front: Server
    right: Server
    behind: Server
    stale: Path

    def lead(self, *hosts: Server) -> None:
        """The configured server redirects to these hosts in turn, and stays with the last one."""
        self.front.heal()
        *before, last = hosts
        for pattern in self.layout.redirected:
            for host in before:
                self.front.fail(pattern, self._to(host), times=1)
            self.front.fail(pattern, self._to(last))

    def _to(self, host: Server) -> Redirect:
        return Redirect(url=f"{host.url}/{{path}}{self.layout.query}")

    def publish(self, version: str, release: dict[str, str]) -> None:
        """The host that is behind has what was there before."""
        shutil.rmtree(self.stale)
        shutil.copytree(self.folder, self.stale)
        self.layout.publish(self.folder, version, {**release, **self.site.identity}, self.key)

    def file(self, version: str) -> str:
        """The file of the store."""
        return self.layout.name.format(version)


@pytest.fixture(params=["http", "https"])
def make(
    request: pytest.FixtureRequest, start_lab: StartLab, our_tree: Path, tmp_path: Path
) -> Iterator[Callable[[Layout], Publisher]]:
    """A machine with this publisher as its source."""
    authority = Authority.make(tmp_path / "authority") if request.param == "https" else None
    folder, stale = tmp_path / "right", tmp_path / "behind"
    for path in (folder, stale):
        path.mkdir()
    with ExitStack() as stack:

        def start(layout: Layout) -> Publisher:
            at_front = folder if layout.redirected != ("*",) else tmp_path
            elsewhere = None if layout.falls_back else authority
            front, right, behind = (
                stack.enter_context(Server(path, authority=by))
                for path, by in ((at_front, authority), (folder, elsewhere), (stale, elsewhere))
            )
            key = SigningKey.shared()
            web = Web(repository=Repository(folder), server=front, key=key)
            site = Site(lab=start_lab(Flavour.MICROOS, install={our_tree: "/"}), web=web).prepare()
            site.add_source("main", web, more="" if layout.signed else "Verify=no\n")
            settings = "[Network]\nDeadline=5s\nConnectTimeout=2s\n"
            if authority is not None:
                site.write("/etc/pki/lab-ca.pem", authority.certificate_path.read_text())
                settings += "CAFile=/etc/pki/lab-ca.pem\n"
            site.write("/etc/tukit-sysext/tukit-sysext.conf", settings)
            return Publisher(
                layout=layout,
                site=site,
                key=key,
                folder=folder,
                front=front,
                right=right,
                behind=behind,
                stale=stale,
            )

        yield start


@pytest.mark.parametrize("name", LAYOUTS)
def test_install_update_refuse_and_roll_back(make: Callable[[Layout], Publisher], name: str) -> None:
    layout = LAYOUTS[name]
    publisher = make(layout)
    site = publisher.site
    unsigned_over_http = not layout.signed and layout.redirected == ("*",) and publisher.front.url.startswith("http:")
    publisher.publish("1.0", OLD)
    publisher.lead(publisher.right)
    if unsigned_over_http:
        done = site.command("install", "debug", check=False)
        assert "redirects to another server" in done.stderr, "what nobody signed came from anywhere"
        return

    site.command("install", "debug")
    assert site.links() == {"debug.raw": publisher.file("1.0")}
    site.lab.tukit("execute", "true", check=True)
    first = site.default()
    site.lab.reboot()
    site.lab.merge()

    publisher.publish("1.1", NEW)
    if layout.signed:
        # once the newer list was seen, the one of the host that is behind is an old one
        site.command("update")
    publisher.lead(*((publisher.behind, publisher.right) if layout.signed else (publisher.right,)))
    done = site.update()
    assert done.returncode == 0, done.stderr
    assert site.links(site.default()) == {"debug.raw": publisher.file("1.1")}
    if layout.packing:
        assert site.record(publisher.file("1.1"))["packed"]["file"] == f"{publisher.file('1.1')}.{layout.packing}"
    site.lab.reboot()
    site.lab.merge()

    links = site.links()
    done = site.update(release=NEXT)
    assert done.returncode == 75, done.stderr
    assert "nothing published fits" in done.stderr
    if layout.signed and layout.redirected == ("*",):
        publisher.lead(publisher.behind)
        done = site.update(release=NEXT)
        assert done.returncode == 75
        assert "cannot be fetched" in done.stderr, "a host that is behind is no reason to call a list refused"
    assert site.links() == links

    site.lab.tukit("rollback", str(first), check=True)
    site.lab.reboot()
    assert site.links() == {"debug.raw": publisher.file("1.0")}
    assert site.command("verify").returncode == 0
    site.lab.merge()
    places = [site.lab.path(top) for top in ("/var/lib/tukit-sysext", "/var/cache/tukit-sysext")]
    written = [path for top in places for path in top.rglob("*") if path.is_file()]
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
