# SPDX-License-Identifier: LGPL-2.1-or-later
"""A fleet behind a pull-through cache: what one machine had, the origin is not asked for again."""

from __future__ import annotations

import hashlib
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.registry import Registry
from tests.machine import TOP, PlainMachine
from tests.unit.publish.publisher import Publisher
from tukit_sysext.store.partial import Partial

pytestmark = [pytest.mark.root, pytest.mark.lab, pytest.mark.tool("gpg", "mksquashfs")]

MACHINES = 20
IMAGE = "gdb-1.0.x86-64.raw"


@pytest.fixture
def cache(tmp_path: Path, registry: Registry, publisher: Publisher) -> Iterator[Registry]:
    """A cache in front of ``registry``, which has an image of 4 MiB."""
    publisher.image("gdb", "1.0", size_mib=4)
    publisher.run("--to", f"oci+http://{registry.host}/p")
    with Registry(tmp_path / "cache", cache_of=registry) as cache:
        yield cache


def machine(folder: Path, registry: Registry, publisher: Publisher, *others: Registry) -> PlainMachine:
    """A machine that has the project in a registry as its source, and in others that are asked behind it."""
    made = PlainMachine(folder)
    configuration = made.root / "etc/tukit-sysext"
    (configuration / "sources.d").mkdir(parents=True)
    urls = "".join(f"URL=oci+http://{each.host}/p\n" for each in (registry, *others))
    text = f"[Source]\n{urls}Keyring=/etc/tukit-sysext/key.gpg\n"
    (configuration / "sources.d/main.conf").write_text(text)
    (configuration / "key.gpg").write_bytes(publisher.keyring.read_bytes())
    return made


def install(machines: list[PlainMachine], command: str = "install") -> None:
    """All at once."""
    running = [
        subprocess.Popen(
            each.argv(command, "gdb"),
            cwd=TOP,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for each in machines
    ]
    told = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(machines), told[0]


def has_image(made: PlainMachine, publisher: Publisher) -> bool:
    return (made.layout.store / IMAGE).read_bytes() == (publisher.folder / IMAGE).read_bytes()


def of_blob(registry: Registry, content: bytes) -> list[tuple[int, int]]:
    """What a registry, which is stopped, answered to who asked for these bytes: status and bytes."""
    sha256 = hashlib.sha256(content).hexdigest()
    return [(row.status, row.sent) for row in registry.requests if row.method == "GET" and sha256 in row.path]


def test_a_fleet_behind_a_warm_cache(tmp_path: Path, registry: Registry, cache: Registry, publisher: Publisher) -> None:
    first = machine(tmp_path / "first", cache, publisher)
    install([first])
    assert has_image(first, publisher)
    registry.stop()
    assert [row.method for row in registry.requests if "/blobs/" in row.path].count("GET") > 0
    registry.start()
    machines = [machine(tmp_path / f"machine{number}", cache, publisher) for number in range(MACHINES)]
    install(machines)
    assert all(has_image(each, publisher) for each in machines)
    registry.stop()
    cache.stop()
    assert sum(row.sent for row in cache.requests) > MACHINES * (publisher.folder / IMAGE).stat().st_size
    # a cache asks which manifest a tag names, and takes nothing
    assert {(row.method, row.path) for row in registry.requests} <= {
        ("GET", "/v2/"),
        ("HEAD", "/v2/p/sha256sums/manifests/latest"),
    }


def test_a_cold_cache(tmp_path: Path, registry: Registry, cache: Registry, publisher: Publisher) -> None:
    """It answers who wants to go on in the middle of what it does not have with all of it, which is taken, once."""
    made = machine(tmp_path / "only", cache, publisher)
    content = (publisher.folder / IMAGE).read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    made.layout.store.mkdir(parents=True)
    kept = Partial(made.layout.store, sha256, limit=len(content)).path
    kept.write_bytes(content[: 1 << 20])
    kept.chmod(0o600)
    install([made])
    assert has_image(made, publisher)
    cache.stop()
    assert of_blob(cache, content) == [(200, len(content))]


def test_deltas(tmp_path: Path, registry: Registry, cache: Registry, publisher: Publisher) -> None:
    """What a cold cache answers to a range is taken whole, once; a warm one gives the parts that differ."""
    pytest.importorskip("numpy")
    same = random.Random(1).randbytes(4 << 20)
    machines = [machine(tmp_path / name, cache, publisher) for name in ("first", "second")]
    for version, command in (("2.0", "install"), ("2.1", "update")):
        image = publisher.image("gdb", version, files={"share/gdb/data": same, "share/gdb/version": version})
        publisher.run("--chunks", "--to", f"oci+http://{registry.host}/p")
        for each in machines:
            install([each], command)
    content = image.read_bytes()
    assert all((each.layout.store / image.name).read_bytes() == content for each in machines)
    registry.stop()
    cache.stop()
    cold, *warm = of_blob(cache, content)
    assert cold == (200, len(content))
    assert {status for status, _ in warm} == {206}
    assert 0 < sum(sent for _, sent in warm) < len(content) // 4


def test_the_example_of_the_manual(tmp_path: Path, registry: Registry, publisher: Publisher) -> None:
    publisher.image("gdb", "1.0")
    publisher.run("--to", f"oci+http://{registry.host}/p")
    example = (TOP / "spec/examples/fleet/registry-cache.yml").read_text()
    places = {
        "/var/lib/registry": "/registry/storage",
        ":5000": "127.0.0.1:0",
        "https://registry.example.org": registry.url,
    }
    for shown, here in places.items():
        assert example.count(shown) == 1
        example = example.replace(shown, here)
    with Registry(tmp_path / "example", configuration=example) as cache:
        made = machine(tmp_path / "only", cache, publisher, registry)
        install([made])
        assert has_image(made, publisher)
        assert any((cache.storage / "docker/registry/v2/blobs/sha256").iterdir())
        cache.stop()
        second = machine(tmp_path / "second", cache, publisher, registry)
        install([second])
        assert has_image(second, publisher)


def test_the_origin_is_away(tmp_path: Path, registry: Registry, cache: Registry, publisher: Publisher) -> None:
    install([machine(tmp_path / "first", cache, publisher)])
    registry.stop()
    second = machine(tmp_path / "second", cache, publisher)
    install([second])
    assert has_image(second, publisher)
