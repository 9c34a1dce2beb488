# SPDX-License-Identifier: LGPL-2.1-or-later
"""A push that ends at any of its requests (R1): readers have the old list or the new one, and all that it names."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from tests.lab.registry import Registry
from tests.registry.reading import get, layer, manifest, of_list
from tests.unit.publish.publisher import Publisher
from tests.unit.publish.test_switching import Killed
from tukit_sysext.net.sending import Sender, SendReply, SendRequest

pytestmark = [pytest.mark.root, pytest.mark.lab, pytest.mark.tool("gpg", "mksquashfs")]

MANY = 100


def check(registry: Registry) -> bytes:
    """The list, which is whole with its signatures; every tag leads to manifests that are there, with their blobs."""
    files = of_list(registry)
    for line in files["SHA256SUMS"].decode().splitlines():
        sha256, name = line.split("  ")
        assert hashlib.sha256(get(registry, f"p/gdb/blobs/sha256:{sha256}")).hexdigest() == sha256, name
    for tag in manifest(registry, "p/gdb/tags/list")["tags"]:
        found = manifest(registry, f"p/gdb/manifests/{tag}")
        inner = [manifest(registry, f"p/gdb/manifests/{each['digest']}") for each in found.get("manifests", [])]
        for each in inner or [found]:
            for name in (part["annotations"]["org.opencontainers.image.title"] for part in each["layers"]):
                assert layer(registry, "gdb", each, name)
    return files["SHA256SUMS"] + files["SHA256SUMS.gpg"]


def test_ended_at_any_request(
    publisher: Publisher, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = ("--to", f"oci+http://{registry.host}/p")
    publisher.image("gdb", "1.0")
    publisher.run(*to)
    publisher.image("gdb", "1.1")
    publisher.image("gdb", "1.1", architecture="arm64")
    before = tmp_path / "before"
    shutil.copytree(registry.storage, before)
    old = check(registry)
    send = Sender.send
    news = 0
    for steps in range(MANY):
        shutil.rmtree(registry.storage)
        shutil.copytree(before, registry.storage)
        left = steps

        def dying(sender: Sender, request: SendRequest) -> SendReply:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return send(sender, request)

        with monkeypatch.context() as patched, suppress(Killed):
            patched.setattr(Sender, "send", dying)
            publisher.run(*to)
        new = check(registry) != old
        news += new
        if left >= 0:
            break
        if steps % 8 == 0:
            publisher.run(*to)
            assert of_list(registry)["SHA256SUMS"] == (publisher.folder / "SHA256SUMS").read_bytes()
            check(registry)
    assert (news, 25 < steps < MANY - 1) == (1, True)
