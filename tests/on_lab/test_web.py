# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images from servers, through the real hook: what may go wrong on the way, and what must not come of it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.lab.authority import Authority
from tests.lab.faults import Corrupt, Cut, Delay, Endless, Fault, Garbage, NoRanges, Redirect, Refuse, Status, Truncated
from tests.lab.images import ImageKind
from tests.lab.ports import unused_url
from tests.lab.proxy import Proxy
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.on_lab.site import NEW, OLD, Site, Web

KINDS: tuple[ImageKind, ...] = ("squashfs", "erofs", "gpt")
HOOK = "/usr/lib/tukit/plugins/50-tukit-sysext"
IMAGE = "debug-1.1.x86-64.raw"
NEWER = "debug-1.*[15].x86-64.raw"
"""What is newer than the image at hand: 1.0.5 for the running system, 1.1 for the updated one."""


@pytest.fixture
def site(start_lab: StartLab, our_tree: Path, web: Web) -> Site:
    """One layout: what comes from the network does not depend on it."""
    return Site(lab=start_lab(Flavour.MICROOS, install={our_tree: "/"}), web=web).prepare()


@pytest.fixture
def running(site: Site) -> Site:
    """A running system with an image that fits it."""
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    return site


def foreign_signature(web: Web) -> None:
    web.repository.sign(SigningKey.shared("Somebody else <else@localhost>"))


def signature_of_another_list(web: Web) -> None:
    signature = web.key.sign(b"another list\n")
    (web.repository.folder / "SHA256SUMS.gpg").write_bytes(signature)


def no_signature(web: Web) -> None:
    (web.repository.folder / "SHA256SUMS.gpg").unlink()


def wrong_hash(web: Web) -> None:
    for image in web.repository.folder.glob(NEWER):
        image.write_bytes(image.read_bytes()[:-1] + b"x")


def stop(web: Web) -> None:
    web.server.stop()


def fail(pattern: str, fault: Fault) -> Callable[[Web], None]:
    def set_fault(web: Web) -> None:
        web.server.fail(pattern, fault)

    return set_fault


def unfinished(web: Web, pattern: str) -> set[str]:
    """What the store may keep of images that did not come whole, to go on with in a later run (row P5)."""
    images = [image.read_bytes() for image in web.repository.folder.glob(pattern)]
    return {f".tukit-sysext.partial.{hashlib.sha256(image).hexdigest()}" for image in images}


AWAY, REFUSED, BROKEN = "cannot be fetched", "list refused", "image broken"
FAULTS: dict[str, tuple[Callable[[Web], None], str]] = {
    "server away": (stop, AWAY),
    "list 404": (fail("SHA256SUMS", Status(code=404)), AWAY),
    "list 500": (fail("SHA256SUMS", Status(code=500)), AWAY),
    "list cut": (fail("SHA256SUMS", Cut(after=10)), AWAY),
    "list never ends": (fail("SHA256SUMS", Endless()), REFUSED),
    "list redirected elsewhere": (fail("SHA256SUMS", Redirect(url="http://127.0.0.2:9/{path}")), AWAY),
    "no HTTP": (fail("*", Garbage()), AWAY),
    "list corrupted": (fail("SHA256SUMS", Corrupt(offset=3)), REFUSED),
    "no signature": (no_signature, REFUSED),
    "foreign signature": (foreign_signature, REFUSED),
    "signature of another list": (signature_of_another_list, REFUSED),
    "signature 500": (fail("SHA256SUMS.gpg", Status(code=500)), AWAY),
    "manifest 500": (fail("*.manifest.gz", Status(code=500)), AWAY),
    "image 404": (fail(NEWER, Status(code=404)), AWAY),
    "image 500": (fail(NEWER, Status(code=500)), AWAY),
    "image refused": (fail(NEWER, Refuse(reset=True)), AWAY),
    "image cut": (fail(NEWER, Truncated(size=1000, stated=4096)), AWAY),
    "image truncated": (fail(NEWER, Truncated(size=1000)), BROKEN),
    "image corrupted": (fail(NEWER, Corrupt(offset=2000)), BROKEN),
    "image of wrong hash": (wrong_hash, BROKEN),
    "image never ends": (fail(NEWER, Endless()), BROKEN),
    "image hangs": (fail(NEWER, Delay(seconds=600)), AWAY),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_on_the_way(running: Site, name: str) -> None:
    """Nothing half done; the update is refused for the right reason, and what fits already goes on."""
    assert running.web is not None
    break_it, reason = FAULTS[name]
    running.write(
        "/etc/tukit-sysext/tukit-sysext.conf",
        "[Network]\nDeadline=1s\nImageDeadline=2s\nConnectTimeout=1s\n[Fetch]\nImageMax=1M\n",
    )
    running.publish("debug", "1.0.5", OLD)
    running.publish("debug", "1.1", NEW)
    break_it(running.web)
    store, links, records = set(running.store()), running.links(), running.records()
    # of all faults this one alone brings enough to be kept
    kept = unfinished(running.web, NEWER) if name == "image never ends" else set()

    done = running.update()

    assert done.returncode == 75, done.stderr
    assert f"debug: {reason}: " in done.stderr
    assert set(running.store()) - kept == store, "something was published, or a temporary file was kept"
    assert running.records() == records
    assert running.links() == links

    # with the old system the image at hand fits: the same fault, now of a newer image for it, refuses nothing
    passes = running.lab.tukit("execute", "true")
    assert passes.returncode == 0, passes.stderr
    assert running.links(running.default()) == links
    assert set(running.store()) - kept == store

    # nothing of the fault stays: once it is over, the same update passes
    running.web.server.start() if name == "server away" else running.web.server.heal()
    if break_it in (no_signature, foreign_signature, signature_of_another_list, wrong_hash):
        # the publisher mends it; after all others the server has what it had, under the same ETag
        running.publish("debug", "1.0.5", OLD)
        running.publish("debug", "1.1", NEW)
    recovered = running.update()
    assert recovered.returncode == 0, recovered.stderr
    assert running.links(running.default()) == {"debug.raw": IMAGE}
    assert not unfinished(running.web, IMAGE) & set(running.store())


def test_a_name_that_cannot_be_resolved(running: Site) -> None:
    running.write("/etc/tukit-sysext/tukit-sysext.conf", "[Network]\nDeadline=1s\n")
    assert running.web is not None
    running.add_source("main", running.web, urls=["http://no-such-host.invalid/"])
    done = running.update()
    assert done.returncode == 75
    assert (
        "cannot be fetched: main: cannot fetch http://no-such-host.invalid/SHA256SUMS: its name cannot be resolved"
        in done.stderr
    )
    assert running.lab.tukit("execute", "true").returncode == 0


def test_nothing_fits_is_another_reason_than_a_fault(running: Site) -> None:
    done = running.update()
    assert done.returncode == 75
    assert "debug: nothing published fits: 1.0 is the newest" in done.stderr


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Web]:
    """Another repository on another server."""
    repository = Repository(tmp_path / "second")
    with Server(repository.folder) as server:
        yield Web(repository=repository, server=server, key=SigningKey.shared("Second <second@localhost>"))


def test_twenty_images_from_two_sources(site: Site, second: Web) -> None:
    assert site.web is not None
    site.add_source("second", second)
    for number in range(20):
        name = f"image{number:02}"
        repository = site.web.repository if number % 2 else second.repository
        for version, release in (("1.0", OLD), ("1.1", NEW)):
            repository.publish(name, version, {**release, **site.identity}, kind=KINDS[number % 3])
        site.want(name)
    second.repository.write_list()
    second.repository.sign(second.key, armoured=True)
    site.list_images()
    done = site.update()
    assert done.returncode == 0, done.stderr
    assert site.links(site.default()) == {f"image{n:02}.raw": f"image{n:02}-1.1.x86-64.raw" for n in range(20)}
    for web in (site.web, second):
        paths = [request.path for request in web.server.requests]
        assert len(paths) == len(set(paths)), "something was asked for twice"
        assert sum(path.endswith(".raw") for path in paths) == 10
        signers = {site.record(f"image{n:02}-1.1.x86-64.raw")["signer"] for n in range(20)}
        assert web.key.fingerprint in signers
    site.lab.reboot()
    site.lab.merge()


def test_a_mirror_that_is_down(site: Site) -> None:
    assert site.web is not None
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.add_source("main", site.web, urls=[unused_url(), site.web.server.url])
    done = site.lab.tukit("execute", "true")
    assert done.returncode == 0 and done.stderr == ""
    assert site.links(site.default()) == {"debug.raw": "debug-1.0.x86-64.raw"}


def test_a_mirror_with_a_wrong_image(site: Site, tmp_path: Path) -> None:
    """The hash of the signed list decides, and the next mirror is asked."""
    assert site.web is not None
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    with Server(site.web.repository.folder) as other:
        fault = other.fail("*.raw", Corrupt(offset=100))
        site.add_source("main", site.web, urls=[other.url, site.web.server.url])
        assert site.lab.tukit("execute", "true").returncode == 0
        assert fault.hits == 1
    assert site.links(site.default()) == {"debug.raw": "debug-1.0.x86-64.raw"}


@pytest.mark.parametrize("configured_by", ["ours", "system"])
def test_a_proxy(site: Site, configured_by: str) -> None:
    assert site.web is not None
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    with Proxy() as proxy:
        if configured_by == "ours":
            site.write("/etc/tukit-sysext/tukit-sysext.conf", f"[Network]\nProxy={proxy.url}\n")
        else:
            settings = f'PROXY_ENABLED="yes"\nHTTP_PROXY="{proxy.url}"\nHTTPS_PROXY=""\nNO_PROXY="example.org"\n'
            site.write("/etc/sysconfig/proxy", settings)
        assert site.lab.tukit("execute", "true").returncode == 0
        asked = [line for line in proxy.log if site.web.server.url in line]
    assert len(asked) == len(site.web.server.requests) == 4
    assert site.links(site.default()) == {"debug.raw": "debug-1.0.x86-64.raw"}


def test_https_with_the_labs_authority(site: Site, tmp_path: Path) -> None:
    assert site.web is not None
    authority = Authority.make(tmp_path / "authority")
    site.publish("debug", "1.0", OLD)
    site.want("debug", policy="optional")
    with Server(site.web.repository.folder, authority=authority) as server:
        assert server.url.startswith("https:")
        site.add_source("main", site.web, urls=[server.url])
        site.lab.tukit("execute", "true", check=True)
        assert site.links(site.default()) == {}
        unasked = site.command("check", check=False)
        assert unasked.returncode == 1, "not all is known: the source could not be asked"
        assert "certificate" in unasked.stdout
        ca = authority.certificate_path.read_text()
        site.write("/etc/pki/lab-ca.pem", ca)
        site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Network]\nCAFile=/etc/pki/lab-ca.pem\n")
        site.lab.tukit("execute", "true", check=True)
    assert site.links(site.default()) == {"debug.raw": "debug-1.0.x86-64.raw"}


def test_what_did_not_change_is_not_fetched_again(running: Site) -> None:
    assert running.web is not None
    running.web.server.clear()
    assert running.lab.tukit("execute", "true").returncode == 0
    assert [(request.path, request.status) for request in running.web.server.requests] == [("/SHA256SUMS", 304)]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_broke_off_goes_on(site: Site, ranges: bool) -> None:
    assert site.web is not None
    site.publish("debug", "1.0", OLD, size_mib=8)
    site.want("debug")
    site.web.server.fail("*.raw", Cut(after=5_000_000), times=1)
    if not ranges:
        site.web.server.fail("*.raw", NoRanges())
    assert site.lab.tukit("execute", "true").returncode == 0
    asked = [request for request in site.web.server.requests if request.path.endswith(".raw")]
    assert len(asked) == 2
    assert asked[1].status == (206 if ranges else 200)
    assert asked[1].headers.get("range", "").startswith("bytes=")
    assert site.links(site.default()) == {"debug.raw": "debug-1.0.x86-64.raw"}


def test_an_interrupted_run_is_completed_by_the_next(site: Site) -> None:
    assert site.web is not None
    for name in ("debug", "strace"):
        site.publish(name, "1.0", OLD, size_mib=2)
        site.want(name)
    site.lab.tukit("open", check=True)
    number = max(site.numbers())
    hang = site.web.server.fail("strace*.raw", Delay(seconds=600))
    hook = site.lab.enter_command([HOOK, "finalize-pre", f"/.snapshots/{number}/snapshot", str(number)])
    with subprocess.Popen(hook, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while not hang.hits:
            assert process.poll() is None
        python = [pid for pid in site.hook_processes() if os.readlink(f"/proc/{pid}/exe").rsplit("/")[-1] != "dash"]
        os.kill(max(python), signal.SIGKILL)
        assert process.stderr is not None and b"FAILED (status 137)" in process.stderr.read()
        assert process.wait(30) == 0
    assert site.links(number) == {}
    # what was whole is kept, and of what was not that which came, by its hash
    assert set(site.store()) <= {"debug-1.0.x86-64.raw", *unfinished(site.web, "*.raw")}
    hang.remove()
    done = site.lab.tukit("close", str(number))
    assert done.returncode == 0
    assert site.links(number) == {"debug.raw": "debug-1.0.x86-64.raw", "strace.raw": "strace-1.0.x86-64.raw"}
    assert site.store() == ["debug-1.0.x86-64.raw", "strace-1.0.x86-64.raw"]


def test_ctrl_c_ends_the_transaction(site: Site) -> None:
    """Who interrupts an update does not want it half checked: tukit sees a plugin that a signal ended, and aborts."""
    assert site.web is not None
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    numbers = site.numbers()
    hang = site.web.server.fail("*.raw", Delay(seconds=600))
    with subprocess.Popen(
        site.lab.enter_command(["tukit", "execute", "true"]), stdin=subprocess.DEVNULL, start_new_session=True
    ) as process:
        while not hang.hits:
            assert process.poll() is None
        for pid in site.hook_processes():
            os.kill(pid, signal.SIGINT)  # as a terminal does to its foreground processes
        assert process.wait(30) != 0
    assert site.numbers() == numbers
    assert site.store() == []


@pytest.mark.parametrize("style", ["text", "binary"])
@pytest.mark.parametrize("armoured", [False, True])
def test_lists_of_every_kind(site: Site, style: str, armoured: bool) -> None:
    assert site.web is not None
    for manifest in ("mkosi", "mkosi.gz", "sysextmgr"):
        name = manifest.replace(".", "")
        site.publish(name, "1.0", OLD, manifest=manifest)
        site.publish(name, "1.1", NEW, manifest=manifest)
        site.want(name)
    site.web.repository.write_list(style="text" if style == "text" else "binary")
    site.web.repository.sign(site.web.key, armoured=armoured)
    assert site.lab.tukit("execute", "true").returncode == 0
    names = ("mkosi", "mkosigz", "sysextmgr")
    assert site.links(site.default()) == {f"{name}.raw": f"{name}-1.0.x86-64.raw" for name in names}


def test_a_list_that_names_images_alone(site: Site) -> None:
    """As not every publisher lists descriptions: they say what comes first, and the content decides, once."""
    assert site.web is not None
    site.publish("debug", "1.0", OLD)
    site.publish("debug", "1.1", NEW)
    site.web.repository.write_list(names=[name for name in site.web.repository.names() if name.endswith(".raw")])
    site.web.repository.sign(site.web.key)
    site.want("debug")
    assert site.lab.tukit("execute", "true").returncode == 0
    assert site.links(site.default()) == {"debug.raw": "debug-1.0.x86-64.raw"}
    # what says no of the newer one may have been written by anybody on the way
    fetched = [request.path for request in site.web.server.requests if request.path.endswith(".raw")]
    assert fetched == ["/debug-1.0.x86-64.raw", "/debug-1.1.x86-64.raw"]
    asked = len(site.web.server.requests)
    assert site.lab.tukit("execute", "true").returncode == 0
    assert [request.path for request in site.web.server.requests[asked:]] == ["/SHA256SUMS"]
    assert site.links(site.default()) == {"debug.raw": "debug-1.0.x86-64.raw"}
