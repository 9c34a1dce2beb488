# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine takes images from real registries in each form that they have, as they were pushed by ``publish --to``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.authority import Authority
from tests.lab.ports import unused_port
from tests.lab.registry import LOGIN, Registry
from tests.lab.server import Server
from tests.lab.token_server import TokenServer
from tests.unit.publish.publisher import Publisher
from tukit_sysext.store.partial import Partial

pytestmark = [pytest.mark.root, pytest.mark.lab, pytest.mark.tool("gpg", "mksquashfs")]

IMAGE = "gdb-1.0.x86-64.raw"


@dataclass
class Place:
    """Where a machine finds what is published, and the lines that its source needs beside."""

    registry: Registry
    more: str = ""

    @property
    def url(self) -> str:
        return f"oci{'' if self.registry.secure else '+http'}://{self.registry.host}/p"


@pytest.fixture
def place(request: pytest.FixtureRequest, publisher: Publisher, tmp_path: Path) -> Iterator[Place]:
    """What the test asks for, with an image in it."""
    form: str = request.param
    configuration = publisher.machine.root / "etc/tukit-sysext"
    secret = configuration / "main.secret"
    folder = tmp_path / "registry"
    publisher.image("gdb", "1.0", size_mib=2)
    secret.write_text(f"{LOGIN}\n")
    secret.chmod(0o600)
    known = "Credentials=/etc/tukit-sysext/main.secret\n"
    push = ["--credentials", str(secret)]
    with ExitStack() as stack:
        enter = stack.enter_context
        if form == "login behind TLS":
            authority = Authority.make(tmp_path / "authority")
            (configuration / "tukit-sysext.conf").write_text(f"[Network]\nCAFile={authority.certificate_path}\n")
            made = Place(enter(Registry(folder, login=True, authority=authority)), known)
        elif form.startswith("tokens"):
            anonymous = form == "tokens for anybody"
            tokens = enter(TokenServer(tmp_path / "tokens", login=LOGIN, anonymous_pull=anonymous))
            made = Place(enter(Registry(folder, tokens=tokens)), "" if anonymous else known)
        elif form == "blobs elsewhere":
            blobs = enter(Server(folder / "storage"))
            made = Place(enter(Registry(folder, blobs_at=blobs.url)))
        else:
            made = Place(enter(Registry(folder, login=form == "login")), known if form == "login" else "")
        publisher.run("--to", made.url, *push)
        if form == "cache":
            made.registry = enter(Registry(tmp_path / "cache", cache_of=made.registry))
        yield made


FORMS = (
    "plain",
    "login",
    "login behind TLS",
    "tokens",
    "tokens for anybody",
    "blobs elsewhere",
    "cache",
)
every_form = pytest.mark.parametrize("place", FORMS, indirect=True)
plain = pytest.mark.parametrize("place", ["plain"], indirect=True)


def as_source(publisher: Publisher, place: Place, *before: str) -> None:
    """The machine has it as its source; ``before`` are mirrors that are asked first."""
    urls = "".join(f"URL={url}\n" for url in (*before, place.url))
    text = f"[Source]\n{urls}Keyring=/etc/tukit-sysext/key.gpg\n{place.more}"
    (publisher.machine.root / "etc/tukit-sysext/sources.d/main.conf").write_text(text)


def install(publisher: Publisher) -> None:
    done = publisher.machine.command("install", "gdb")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (publisher.machine.layout.store / IMAGE).read_bytes() == (publisher.folder / IMAGE).read_bytes()
    assert LOGIN.partition(":")[2] not in done.stdout + done.stderr


@every_form
def test_an_image_comes(publisher: Publisher, place: Place) -> None:
    as_source(publisher, place)
    assert publisher.offered() == {"gdb": ["1.0"]}
    install(publisher)


@pytest.mark.parametrize("place", ["login", "login behind TLS", "tokens"], indirect=True)
def test_nothing_comes_without_credentials(publisher: Publisher, place: Place) -> None:
    place.more = ""
    as_source(publisher, place)
    done = publisher.machine.command("install", "gdb")
    assert done.returncode == 1
    assert "it asks for credentials" in done.stdout + done.stderr


@pytest.mark.parametrize("place", ["plain", "blobs elsewhere"], indirect=True)
def test_a_download_goes_on(publisher: Publisher, place: Place) -> None:
    """Behind what a former run kept: registries have ranges, and so have servers that they redirect to."""
    as_source(publisher, place)
    content = (publisher.folder / IMAGE).read_bytes()
    store = publisher.machine.layout.store
    store.mkdir(parents=True)
    kept = Partial(store, hashlib.sha256(content).hexdigest(), limit=len(content)).path
    kept.write_bytes(content[: 1 << 20])
    kept.chmod(0o600)
    install(publisher)
    place.registry.stop()
    sent = [row for row in place.registry.requests if hashlib.sha256(content).hexdigest() in row.path]
    assert [(row.status, row.sent) for row in sent if row.method == "GET"][-1:] in (
        [(206, len(content) - (1 << 20))],
        [(307, 0)],
    )


@plain
def test_a_mirror_that_is_away(publisher: Publisher, place: Place) -> None:
    as_source(publisher, place, f"oci+http://127.0.0.1:{unused_port()}/p")
    install(publisher)


def damaged_list(publisher: Publisher, place: Place) -> None:
    listed = publisher.folder / "SHA256SUMS"
    swap(place, listed.read_bytes(), listed.read_bytes().replace(b"gdb", b"bdg"))


def damaged_image(publisher: Publisher, place: Place) -> None:
    content = (publisher.folder / IMAGE).read_bytes()
    swap(place, content, content[:-1] + bytes([content[-1] ^ 1]))


def swap(place: Place, content: bytes, other: bytes) -> None:
    """Who has the registry has other bytes where these were."""
    digest = hashlib.sha256(content).hexdigest()
    blob = place.registry.storage / f"docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data"
    assert blob.read_bytes() == content
    blob.write_bytes(other)


@plain
@pytest.mark.parametrize("damage", [damaged_list, damaged_image])
def test_who_has_the_registry_is_not_believed(
    publisher: Publisher, place: Place, damage: Callable[[Publisher, Place], None]
) -> None:
    as_source(publisher, place)
    damage(publisher, place)
    done = publisher.machine.command("install", "gdb")
    assert done.returncode == 1, done.stdout + done.stderr
    assert not (publisher.machine.layout.store / IMAGE).exists()
